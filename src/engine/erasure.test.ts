import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRandom } from "../base/random.ts";
import { segmentKey } from "../format/keys.ts";
import type { SegmentId } from "../format/manifest.ts";
import type { Draft } from "../format/operation.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A store, and the processes that come and go over it. */
class World {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ clock: this.clock });
  #seed = 1;

  open(more: Partial<DatabaseOptions> = {}): Promise<Database> {
    const { clock, store } = this;
    const random = seededRandom(this.#seed++);
    return Database.open({
      store,
      clock,
      random,
      executor: async () => inlineExecutor({ store, clock, random }),
      readOnly: false,
      wanted: {},
      compaction: DEFAULT_COMPACTION,
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
      ...more,
    });
  }

  /** Time passes, and `database` looks at the store every ten minutes, as an idle instance does. */
  async pass(ms: number, ...databases: readonly Database[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10 * MINUTE) {
      this.clock.advance(10 * MINUTE);
      for (const database of databases) {
        await database.catchUp();
        await database.settled();
      }
    }
  }

  /** Keys of all objects that have `text` in their bytes. */
  async holding(text: string): Promise<string[]> {
    const keys: string[] = [];
    for (const [key, bytes] of await contents(this.store)) {
      if (bytes.includes(text)) keys.push(key);
    }
    return keys;
  }
}

async function contents(store: ObjectStore): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const page of store.list({})) {
    for (const { key } of page.objects) {
      const object = await store.get(key);
      if (object !== undefined) found.set(key, Buffer.from(object.bytes).toString("latin1"));
    }
  }
  return found;
}

function put(id: string, text: string): { drafts: readonly Draft[]; bytes: number } {
  const content = JSON.stringify({ text });
  return { drafts: [{ kind: "put", id, content, metadata: "{}" }], bytes: 100 };
}

function remove(id: string): { drafts: readonly Draft[]; bytes: number } {
  return { drafts: [{ kind: "delete", id }], bytes: 10 };
}

function replace(id: string, text: string): { drafts: readonly Draft[]; bytes: number } {
  return { drafts: [{ kind: "patch", id, content: JSON.stringify({ text }) }], bytes: 100 };
}

/** A database with a segment of a hundred records, one of which is SECRET. */
async function filled(world: World): Promise<Database> {
  const database = await world.open();
  for (let i = 0; i < 100; i++) {
    await database.write(put(`r${i}`, i === 42 ? "SECRET" : `text ${i}`));
  }
  await database.compact();
  await world.pass(HOUR, database);
  expect(await world.holding("SECRET")).not.toEqual([]);
  return database;
}

test("[ER1] a deleted record is in no object after seven days, though nothing else happens", async () => {
  const world = new World();
  const database = await filled(world);
  await database.write(remove("r42"));
  await world.pass(HOUR, database);
  expect(await world.holding("SECRET")).not.toEqual([]);
  await world.pass(7 * DAY - HOUR, database);
  expect(await world.holding("SECRET")).toEqual([]);
  expect(await world.holding("r42")).toEqual([]);
  expect(database.stats().records).toBe(99);
});

test("[ER1] the text that another has replaced is gone too", async () => {
  const world = new World();
  const database = await filled(world);
  await database.write(replace("r42", "harmless"));
  await world.pass(7 * DAY, database);
  expect(await world.holding("SECRET")).toEqual([]);
  expect(await world.holding("harmless")).not.toEqual([]);
});

test("[ER1] a log that never stands still and never gets long is flushed for its age", async () => {
  const world = new World();
  await (await filled(world)).close();
  const compaction = { ...DEFAULT_COMPACTION, flushSlots: 1_000_000 };
  const database = await world.open({ compaction });
  await database.write(remove("r42"));
  for (let i = 0; i < 7 * 24 * 6; i++) {
    await database.write(put("clock", `tick ${i}`));
    await world.pass(10 * MINUTE, database);
  }
  expect(await world.holding("SECRET")).toEqual([]);
});

test("[ER1] a shorter time may be asked for", async () => {
  const world = new World();
  await (await filled(world)).close();
  const compaction = { ...DEFAULT_COMPACTION, deletedGoneWithinMs: 8 * HOUR };
  const database = await world.open({ compaction });
  await database.write(remove("r42"));
  await world.pass(8 * HOUR, database);
  expect(await world.holding("SECRET")).toEqual([]);
});

test("[ER2] who deleted may die: another process that may compact does it, though it never writes", async () => {
  const world = new World();
  const dying = await filled(world);
  const living = await world.open();
  await dying.write(remove("r42"));
  await world.pass(7 * DAY, living);
  expect(await world.holding("SECRET")).toEqual([]);
  expect(living.stats().records).toBe(99);
});

test("[ER2] processes that live for one write a day and die are enough", async () => {
  const world = new World();
  const first = await filled(world);
  await first.write(remove("r42"));
  for (let day = 0; day < 8; day++) {
    world.clock.advance(DAY);
    const database = await world.open();
    await database.write(put(`day ${day}`, "a text"));
    await database.settled();
  }
  expect(await world.holding("SECRET")).toEqual([]);
});

test("[ER3] instances with `compaction: false` and readers leave it to others", async () => {
  const world = new World();
  const database = await filled(world);
  await database.write(remove("r42"));
  await database.close();
  const before = [...(await contents(world.store)).keys()];
  const idle = await world.open({ compaction: false });
  const reader = await world.open({ readOnly: true });
  await world.pass(8 * DAY, idle, reader);
  expect([...(await contents(world.store)).keys()]).toEqual(before);
});

test("[ER4] a quiet database that has nothing to erase is left alone", async () => {
  const world = new World();
  const database = await filled(world);
  await world.pass(3 * DAY, database);
  const { manifest } = database.stats();
  const before = [...(await contents(world.store)).keys()];
  await world.pass(7 * DAY, database);
  expect(database.stats().manifest).toBe(manifest);
  expect([...(await contents(world.store)).keys()]).toEqual(before);
});

test("[ER4] fields of a record that is not there, which stay for ever, are no reason to rewrite", async () => {
  const world = new World();
  const database = await world.open({ wanted: { conflictResolution: "crdt" } });
  const patch: Draft = { kind: "patch", id: "r1", metadata: JSON.stringify({ color: "red" }) };
  await database.write({ drafts: [patch], bytes: 100 });
  await database.write(put("r2", "a text"));
  await database.compact();
  await world.pass(5 * DAY, database);
  const { manifest } = database.stats();
  await world.pass(7 * DAY, database);
  expect(database.stats().manifest).toBe(manifest);
});

test("[ER5] what a checkpoint names stays, and goes when it is deleted", async () => {
  const world = new World();
  const database = await filled(world);
  await database.checkpoint("before");
  await database.write(remove("r42"));
  await world.pass(8 * DAY, database);
  expect(await world.holding("SECRET")).not.toEqual([]);
  await database.deleteCheckpoint("before");
  await world.pass(2 * DAY, database);
  expect(await world.holding("SECRET")).toEqual([]);
});

test("[ER6] what a job left behind when it died goes, though nothing is written any more", async () => {
  const world = new World();
  const database = await filled(world);
  await world.pass(2 * DAY, database);
  const key = segmentKey("01ARZ3NDEKTSV4RRFFQ69G5FAV" as SegmentId, 100);
  await world.store.put(key, new TextEncoder().encode("half a segment with ANOTHER SECRET"));
  await world.pass(2 * DAY, database);
  expect(await world.holding("ANOTHER SECRET")).toEqual([]);
});
