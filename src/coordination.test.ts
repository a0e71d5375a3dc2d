import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { hintOf } from "../test/support/event-bus-conformance.ts";
import { VirtualTime, settle, type VirtualMachine } from "../test/support/virtual-time.ts";
import { Brainy } from "./brainy.ts";
import { seededRandom, type Random } from "./base/random.ts";
import type { EventBus, HintHandler } from "./cluster/event-bus.ts";
import type { Hint } from "./cluster/hint.ts";
import { LocalEventBus } from "./cluster/local-event-bus.ts";
import { readNewestManifest } from "./engine/manifest-store.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { BrainyOptions, DistributedOptions } from "./types.ts";

/** Several Brainys on one store and one bus, in virtual time. None polls unless it is told to. */
class Fleet {
  readonly time = new VirtualTime();
  readonly memory = new MemoryStore({ clock: this.time.machine() });
  readonly metered = metered(this.memory);
  readonly bus: EventBus;
  #made = 0;

  constructor(
    makeBus: (clock: VirtualMachine) => EventBus = (clock) => new LocalEventBus({ clock }),
  ) {
    this.bus = makeBus(this.time.machine());
  }

  async open(distributed: DistributedOptions, options: BrainyOptions = {}): Promise<Brainy> {
    const brain = new Brainy({
      storage: { type: "store", store: this.metered.store },
      pollInterval: 0,
      clock: this.time.machine(),
      random: seededRandom(++this.#made),
      logging: { logger: { info: () => {}, warn: () => {} } },
      distributed: { coordinationMethod: "pubsub", coordinator: this.bus, ...distributed },
      ...options,
    });
    onTestFinished(() => brain.close());
    await brain.init();
    await settle();
    return brain;
  }
}

function eventsOf(brain: Brainy, ...types: string[]): Record<string, unknown>[] {
  const events: Record<string, unknown>[] = [];
  for (const type of types) {
    brain.on(type, ({ payload }) => void events.push({ type, ...payload }));
  }
  return events;
}

test("[E3] a reader sees what was written as soon as it is told, with one GET and no LIST", async () => {
  const fleet = new Fleet();
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  await writer.add([1, 0], {}, { id: "a" });
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  expect(await reader.has("a")).toBe(true);
  await fleet.time.pass(1_000);
  const heard = eventsOf(reader, "log");
  const before = structuredClone(fleet.metered.counters);
  await writer.add([0, 1], {}, { id: "b" });
  await fleet.time.pass(0);
  expect(await reader.has("b")).toBe(true);
  expect(fleet.metered.counters.list.requests).toBe(before.list.requests);
  expect(fleet.metered.counters.get.requests).toBe(before.get.requests + 1);
  expect(heard).toEqual([
    { type: "log", lane: expect.stringMatching(/^\w{26}$/), slot: 2, from: "w-1" },
  ]);
  // Its age is still that of its last catch-up, so that `bounded` keeps its promise.
  await fleet.time.pass(5_000);
  const asked = fleet.metered.counters.list.requests;
  await reader.count({}, { consistency: "bounded", maxStalenessMs: 3_000 });
  expect(fleet.metered.counters.list.requests).toBe(asked + 1);
});

test("a lane that nobody has heard of is found by a look, at most one a second", async () => {
  const fleet = new Fleet();
  const first = await fleet.open({ role: "writer", instanceId: "w-1" });
  await first.add([1, 0], {}, { id: "a" });
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  const second = await fleet.open({ role: "writer", instanceId: "w-2" });
  await second.add([1, 0], {}, { id: "b" });
  await fleet.time.pass(1_000);
  expect(await reader.has("b")).toBe(true);
});

test("a reader of an empty store begins to listen when there is a database", async () => {
  const fleet = new Fleet();
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  await writer.add([1, 0], {}, { id: "a" });
  expect(await reader.has("a", { consistency: "strong" })).toBe(true);
  await writer.add([1, 0], {}, { id: "b" });
  await fleet.time.pass(1_000);
  expect(await reader.has("b")).toBe(true);
});

test("[E4] lies make an instance look once a second, and read sixteen slots at most for each", async () => {
  const fleet = new Fleet();
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  const heard = eventsOf(writer, "log");
  await writer.add([1, 0], {}, { id: "a" });
  await fleet.open({ role: "reader", instanceId: "r-1" });
  const [lane] = [...(await walLanes(fleet.memory))];
  expect(heard).toEqual([]);
  await fleet.time.pass(2_000);
  const { databaseId } = await databaseOf(fleet.memory);
  const before = structuredClone(fleet.metered.counters);
  for (let i = 0; i < 1_000; i++) {
    const lie = {
      lane: i % 2 === 0 ? lane : `01J9ZQ6Z3E8Y7W6V5T4S3${String(10_000 + i)}`,
      slot: 9e9,
    };
    fleet.bus.publish({ ...hintOf(databaseId, 0), type: "log", payload: lie });
    fleet.bus.publish({ ...hintOf(databaseId, 0), payload: { manifest: i } });
    await fleet.time.pass(10);
  }
  // Ten seconds, two instances, at most two LISTs a look.
  expect(fleet.metered.counters.list.requests - before.list.requests).toBeLessThanOrEqual(44);
  expect(fleet.metered.counters.get.requests - before.get.requests).toBeLessThanOrEqual(
    2 * 11 * 16,
  );
});

async function walLanes(store: MemoryStore): Promise<Set<string>> {
  const lanes = new Set<string>();
  for await (const { objects } of store.list({ prefix: "_brainy/wal/" })) {
    for (const { key } of objects) lanes.add(key.split("/")[2]!);
  }
  return lanes;
}

async function databaseOf(store: MemoryStore): Promise<{ databaseId: string }> {
  const { bytes } = (await store.get("_brainy/config.json"))!;
  return JSON.parse(new TextDecoder().decode(bytes)).settings as { databaseId: string };
}

test("who comes is known at once, and who goes within five seconds of another", async () => {
  const fleet = new Fleet();
  const watcher = await fleet.open({ role: "writer", instanceId: "w-1" });
  await watcher.add([1], {}, { id: "a" });
  const events = eventsOf(watcher, "instance_joined", "instance_left");
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  await fleet.time.pass(1_000);
  expect(events).toMatchObject([{ type: "instance_joined", instanceId: "r-1", role: "reader" }]);
  await reader.close();
  await fleet.time.pass(5_000);
  expect(events[1]).toMatchObject({ type: "instance_left", instanceId: "r-1", reason: "closed" });
  expect(events).toHaveLength(2);
});

test("a new manifest is told, and adopted", async () => {
  const fleet = new Fleet();
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  await writer.add([1], {}, { id: "a" });
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  const events = eventsOf(reader, "index_updated");
  const partitions = [eventsOf(writer, "partition_created"), eventsOf(reader, "partition_created")];
  await fleet.time.pass(1_000);
  await writer.compact();
  await fleet.time.pass(2_000);
  const created = { type: "partition_created", partition: "p000-p099", vectorCount: 1 };
  expect(partitions).toEqual([[created], [{ ...created, from: "w-1" }]]);
  expect(events[0]).toEqual({ type: "index_updated", manifest: expect.any(Number), from: "w-1" });
  expect(events.at(-1)).toEqual({
    type: "index_updated",
    manifest: expect.any(Number),
    segments: 1,
  });
  await writer.add([2], {}, { id: "b" });
  await writer.compact();
  await fleet.time.pass(2_000);
  expect(partitions.map(({ length }) => length)).toEqual([1, 1]);
});

test("[E9] through the store alone a reader sees what was written within two intervals", async () => {
  const fleet = new Fleet();
  const how = { coordinationMethod: "s3-polling", coordinator: undefined } as const;
  const writer = await fleet.open({ role: "writer", instanceId: "w-1", ...how });
  await writer.add([1], {}, { id: "a" });
  const reader = await fleet.open({ role: "reader", instanceId: "r-1", ...how });
  await fleet.time.pass(3_000);
  const events = eventsOf(reader, "log");
  await writer.add([2], {}, { id: "b" });
  await fleet.time.pass(2_000);
  expect(await reader.has("b")).toBe(true);
  expect(events).toMatchObject([{ slot: 2, from: "w-1" }]);
  for (const brain of [reader, writer]) {
    expect(brain.getMetrics().hints).toMatchObject({ connected: true, dropped: 0 });
    await brain.close();
  }
});

/** Time passes until a promise is settled. */
async function within(fleet: Fleet, ms: number, work: Promise<unknown>): Promise<number> {
  let isSettled = false;
  const done = work.finally(() => (isSettled = true));
  for (let passed = 0; passed < ms; passed += 100) {
    await fleet.time.pass(100);
    if (isSettled) return done.then(() => passed);
  }
  throw new Error(`not settled in ${ms} ms`);
}

test("[E8] compact() asks the live holder, which does it, and keeps maintenance", async () => {
  const fleet = new Fleet();
  const holder = await fleet.open({ role: "writer", instanceId: "holder" });
  await holder.add([1], {}, { id: "a" });
  await holder.compact();
  const other = await fleet.open({ role: "writer", instanceId: "other" });
  await other.add([2], {}, { id: "b" });
  await fleet.time.pass(1_000);
  const events = [eventsOf(holder, "committed", "took-over"), eventsOf(other, "took-over")];
  await within(fleet, 5_000, other.compact());
  expect(events[0]!.map(({ type }) => type)).toContain("committed");
  expect(events[0]!.map(({ type }) => type)).not.toContain("took-over");
  expect(events[1]).toEqual([]);
  expect(other.getMetrics().log.slots).toBe(0);
  expect(other.getMetrics().index.tailOperations).toBe(0);
});

test("[E8] a holder that does not hear is taken over from, after ten seconds", async () => {
  const fleet = new Fleet();
  const holder = await fleet.open({
    role: "writer",
    instanceId: "holder",
    coordinationMethod: "none",
    coordinator: undefined,
  });
  await holder.add([1], {}, { id: "a" });
  await holder.compact();
  const other = await fleet.open({ role: "writer", instanceId: "other" });
  await other.add([2], {}, { id: "b" });
  const events = eventsOf(other, "took-over");
  const passed = await within(fleet, 20_000, other.compact());
  expect(passed).toBeGreaterThanOrEqual(9_900);
  expect(passed).toBeLessThan(12_000);
  expect(events).toHaveLength(1);
  expect(other.getMetrics().index.tailOperations).toBe(0);
});

test("[E8] an answer that is not true is looked at, and a call that is given up ends", async () => {
  const fleet = new Fleet();
  const holder = await fleet.open({
    role: "writer",
    instanceId: "holder",
    coordinationMethod: "none",
    coordinator: undefined,
  });
  await holder.add([1], {}, { id: "a" });
  await holder.compact();
  const incarnation = (await holderOf(fleet.memory)).holder;
  const other = await fleet.open({ role: "writer", instanceId: "other" });
  await other.add([2], {}, { id: "b" });
  const { databaseId } = await databaseOf(fleet.memory);
  fleet.bus.subscribe(databaseId, (given) => {
    const { type, payload } = given as Hint;
    const lie = { ...hintOf(databaseId, 0), incarnation, type: "compacted" } as const;
    if (type === "compact") fleet.bus.publish({ ...lie, payload: { ...payload, isDone: true } });
  });
  const events = eventsOf(other, "took-over");
  await within(fleet, 5_000, other.compact());
  expect(events).toHaveLength(1);
  expect(other.getMetrics().index.tailOperations).toBe(0);

  await other.add([3], {}, { id: "c" });
  const giveUp = new AbortController();
  const third = await fleet.open({ role: "writer", instanceId: "third" });
  const failed = third.compact({ signal: giveUp.signal }).catch((error: unknown) => error);
  giveUp.abort(new Error("enough"));
  await within(fleet, 2_000, failed);
  expect(await failed).toMatchObject({ message: "enough" });
});

async function holderOf(store: MemoryStore): Promise<{ holder: string }> {
  const manifest = await readNewestManifest(store);
  return { holder: manifest!.holder };
}

test("metrics count hints, and health says when nobody hears", async () => {
  const fleet = new Fleet();
  const alone = await fleet.open({
    role: "writer",
    coordinationMethod: "none",
    coordinator: undefined,
  });
  expect(alone.getMetrics().hints).toBeUndefined();
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  await writer.add([1], {}, { id: "a" });
  const reader = await fleet.open({ role: "reader", instanceId: "r-1" });
  await writer.add([2], {}, { id: "b" });
  await fleet.time.pass(1_000);
  const { hints } = writer.getMetrics();
  expect(hints).toMatchObject({ connected: true, dropped: 0 });
  expect(hints!.sent).toBeGreaterThanOrEqual(2);
  expect(reader.getMetrics().hints!.received).toBeGreaterThanOrEqual(1);
  expect(reader.getHealthStatus()).toMatchObject({ status: "healthy", warnings: [] });
});

/** Drops, repeats and reorders hints, and makes some up. */
class BadBus implements EventBus {
  readonly name = "bad";
  readonly isConnected = true;
  readonly droppedCount = 0;
  readonly #inner: EventBus;
  readonly #random: Random;
  readonly #kept: Hint[] = [];

  constructor(inner: EventBus, seed: number) {
    this.#inner = inner;
    this.#random = seededRandom(seed);
  }

  publish(hint: Hint): void {
    this.#kept.push(hint);
    for (let i = 0; i < 3; i++) {
      const chance = this.#random.next();
      const one = this.#kept[Math.floor(this.#random.next() * this.#kept.length)]!;
      if (chance < 0.6) this.#inner.publish(one);
      else if (chance < 0.7) this.#inner.publish({ ...one, payload: { lane: 7, slot: "x" } });
      else if (chance < 0.8) {
        const slot = Math.floor(this.#random.next() * 40);
        this.#inner.publish({ ...one, type: "log", payload: { ...one.payload, slot } });
      }
    }
  }

  subscribe(databaseId: string, handler: HintHandler): () => void {
    return this.#inner.subscribe(databaseId, (hint) => {
      if (this.#random.next() < 0.05) handler("garbage");
      handler(hint);
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** In order of ids: an export comes in the order in which things are stored. */
async function everythingOf(brain: Brainy): Promise<unknown[]> {
  const records = await brain.exportAll({ consistency: "strong" });
  return records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

test("[E2] losing, repeating, mixing up and making up hints changes when, and never what", async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("add"), by: fc.nat(1), id: fc.nat(6) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("delete"), by: fc.nat(1), id: fc.nat(6) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("compact"), by: fc.nat(1), id: fc.nat(0) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("pass"), by: fc.nat(1), id: fc.nat(6) }),
    },
  );
  const run = async (steps: readonly { kind: string; by: number; id: number }[], seed: number) => {
    const fleet = new Fleet((clock) => new BadBus(new LocalEventBus({ clock }), seed));
    const writers = [
      await fleet.open({ role: "writer", instanceId: "w-0" }),
      await fleet.open({ role: "writer", instanceId: "w-1" }),
    ];
    const reader = await fleet.open({ role: "reader", instanceId: "r" });
    const gone = new Set<string>();
    for (const [n, { kind, by, id }] of steps.entries()) {
      const writer = writers[by]!;
      await fleet.time.pass(5);
      if (kind === "add") await writer.add([id + 1, n], { n }, { id: `x${id}` });
      else if (kind === "delete") await writer.delete(`x${id}`);
      else if (kind === "compact") await Promise.all([writer.compact(), fleet.time.pass(60_000)]);
      else await fleet.time.pass(400 * id);
      // What a strong read finds is what an instance that never heard a hint finds.
      const deaf = await fleet.open({
        role: "reader",
        instanceId: "deaf",
        coordinationMethod: "none",
        coordinator: undefined,
      });
      const truth = await everythingOf(deaf);
      await deaf.close();
      // What was deleted for good does not show again, whatever hints bring and in what order.
      if (kind === "delete" && (await reader.has(`x${id}`, { consistency: "strong" }))) {
        throw new Error("a deleted record is there");
      }
      if (kind === "delete") gone.add(`x${id}`);
      if (kind === "add") gone.delete(`x${id}`);
      for (const { id: seen } of await reader.exportAll()) expect(gone.has(seen)).toBe(false);
      expect(await everythingOf(reader)).toEqual(truth);
    }
    for (const brain of [reader, ...writers]) await brain.close();
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), fc.nat(), run),
    { numRuns: 12 },
  );
});
