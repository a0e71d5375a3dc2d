import { assert } from "../../base/assert.ts";
import { isBrainyError } from "../../base/errors.ts";
import type { Etag, ObjectStore, PutResult } from "../object-store.ts";
import { ABSENT, assertBytes, assertRejects, bytes, listAll } from "./case.ts";
import type { ConformanceCase, ConformanceCases } from "./case.ts";

const INCREMENTS_PER_LOOP = 10;

/** A store that cannot keep conditions must say so, and refuse each of them before it writes. */
async function refusesConditions(store: ObjectStore): Promise<void> {
  const { etag } = await store.put("k", bytes(1));
  await assertRejects(store.put("new", bytes(2), ABSENT));
  await assertRejects(store.put("k", bytes(2), { condition: { ifMatch: etag } }));
  assert((await listAll(store)).keys.join() === "k", "wrote under a condition it cannot keep");
  assertBytes((await store.get("k"))?.bytes, bytes(1));
}

function conditional(run: ConformanceCase): ConformanceCase {
  return (context) =>
    context.store.capabilities.conditionalPut ? run(context) : refusesConditions(context.store);
}

function replace(store: ObjectStore, etag: Etag, value: number): Promise<PutResult> {
  return store.put("k", bytes(value), { condition: { ifMatch: etag } });
}

/** Of puts that exclude each other, exactly one resolves and the others are conflicts. */
async function assertOneWins(store: ObjectStore, puts: Promise<PutResult>[]): Promise<void> {
  const outcomes = await Promise.allSettled(puts);
  const won = outcomes.flatMap((outcome, index) => (outcome.status === "fulfilled" ? [index] : []));
  assert(won.length === 1, () => `${won.length} of ${puts.length} won`);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    const isConflict = isBrainyError(outcome.reason, "BRAINY_CONFLICT");
    assert(isConflict, () => `a loser was told ${String(outcome.reason)}`);
  }
  assertBytes((await store.get("k"))?.bytes, bytes(won[0]! + 1));
}

async function raceToCreate(store: ObjectStore, count: number): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const creators = Array.from({ length: count }, (_, i) => store.put("k", bytes(i + 1), ABSENT));
    await assertOneWins(store, creators);
    await store.deleteMany(["k"]);
  }
}

/** Adds one by read and conditional put until it is told that it succeeded. */
async function increment(store: ObjectStore): Promise<void> {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const found = await store.get("k");
    assert(found !== undefined, "the counter is gone");
    const next = bytes(found.bytes[0]! + 1);
    try {
      await store.put("k", next, { condition: { ifMatch: found.etag } });
      return;
    } catch (error) {
      if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    }
  }
  throw new Error("never won");
}

const CASES: ConformanceCases = {
  async "if-absent creates what is missing and refuses what is there"({ store }) {
    const { etag } = await store.put("k", bytes(1), ABSENT);
    await assertRejects(store.put("k", bytes(2), ABSENT), "BRAINY_CONFLICT");
    const found = await store.get("k");
    assertBytes(found?.bytes, bytes(1));
    assert(found?.etag === etag, "the etag changed");
    await store.deleteMany(["k"]);
    await store.put("k", bytes(3), ABSENT);
    assertBytes((await store.get("k"))?.bytes, bytes(3));
  },

  async "if-match replaces the version it names"({ store }) {
    const first = await store.put("k", bytes(1));
    const second = await replace(store, first.etag, 2);
    const third = await replace(store, second.etag, 3);
    const etags = new Set([first.etag, second.etag, third.etag]);
    assert(etags.size === 3, "two versions have one etag");
    const found = await store.get("k");
    assertBytes(found?.bytes, bytes(3));
    const listed = await listAll(store);
    assert(listed.keys.join() === "k", () => `listed ${listed.keys.join()}`);
    for (const info of [found, await store.head("k"), listed.objects[0]]) {
      assert(info?.etag === third.etag && info.bytesTotal === 1, "etag or size is another");
    }
    await replace(store, found!.etag, 4);
  },

  async "if-match refuses a version that was changed"({ store }) {
    const first = await store.put("k", bytes(1));
    await store.put("k", bytes(2));
    await assertRejects(replace(store, first.etag, 3), "BRAINY_CONFLICT");
    const second = (await store.get("k"))!;
    await replace(store, second.etag, 4);
    await assertRejects(replace(store, second.etag, 5), "BRAINY_CONFLICT");
    await assertRejects(replace(store, first.etag, 5), "BRAINY_CONFLICT");
    assertBytes((await store.get("k"))?.bytes, bytes(4));
  },

  async "if-match refuses what is missing"({ store }) {
    const { etag } = await store.put("other", bytes(1));
    await assertRejects(replace(store, etag, 2), "BRAINY_CONFLICT");
    assert((await store.get("k")) === undefined, "it was created");
  },

  async "if-match refuses what was deleted, and what was made anew since"({ store }) {
    const first = await store.put("k", bytes(1));
    await store.deleteMany(["k"]);
    await assertRejects(replace(store, first.etag, 2), "BRAINY_CONFLICT");
    assert((await store.get("k")) === undefined, "it came back");
    const second = await store.put("k", bytes(3), ABSENT);
    await assertRejects(replace(store, first.etag, 4), "BRAINY_CONFLICT");
    const third = await replace(store, second.etag, 5);
    await store.deleteMany(["k"]);
    await assertRejects(replace(store, third.etag, 6), "BRAINY_CONFLICT");
    assert((await store.get("k")) === undefined, "it came back after a conditional change");
    assert((await listAll(store)).keys.length === 0, "it is still listed");
  },

  async "a plain put replaces what was changed by if-match"({ store }) {
    const first = await store.put("k", bytes(1));
    const second = await replace(store, first.etag, 2);
    const third = await store.put("k", bytes(3));
    assertBytes((await store.get("k"))?.bytes, bytes(3));
    await assertRejects(replace(store, second.etag, 4), "BRAINY_CONFLICT");
    await replace(store, third.etag, 5);
    assertBytes((await store.get("k"))?.bytes, bytes(5));
    const changed = await store.getIfChanged("k", third.etag);
    assert(typeof changed === "object", "getIfChanged missed it");
  },

  async "of two creators exactly one wins"({ store }) {
    await raceToCreate(store, 2);
  },

  async "of eight creators exactly one wins"({ store }) {
    await raceToCreate(store, 8);
  },

  async "of eight replacements of one version exactly one wins"({ store }) {
    let { etag } = await store.put("k", bytes(0));
    for (let round = 0; round < 5; round++) {
      const same = etag;
      const puts = Array.from({ length: 8 }, (_, i) => replace(store, same, i + 1));
      await assertOneWins(store, puts);
      etag = (await store.get("k"))!.etag;
    }
  },

  async "eight loops of compare and swap lose no increment"({ store }) {
    await store.put("k", bytes(0));
    const loop = async (): Promise<void> => {
      for (let i = 0; i < INCREMENTS_PER_LOOP; i++) await increment(store);
    };
    await Promise.all(Array.from({ length: 8 }, loop));
    const total = (await store.get("k"))?.bytes[0];
    const expected = 8 * INCREMENTS_PER_LOOP;
    assert(total === expected, () => `counted ${total}, not ${expected}`);
  },
};

/** Conditional puts; a store without them must refuse each. */
export const CONDITION_CASES: ConformanceCases = Object.fromEntries(
  Object.entries(CASES).map(([name, run]) => [name, conditional(run)]),
);
