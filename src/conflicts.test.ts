import { expect, test } from "vitest";
import { systemClock } from "./base/clock.ts";
import { isBrainyError } from "./base/errors.ts";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { BrainyRecord, DistributedOptions, JsonObject, Resolver } from "./types.ts";

type Mode = NonNullable<DistributedOptions["conflictResolution"]>;

/** Two processes on one store that look at it only when they are told to. */
class Pair implements AsyncDisposable {
  readonly #store = new MemoryStore({ clock: systemClock });
  readonly a: Brainy;
  readonly b: Brainy;

  constructor(mode: Mode, resolver?: Resolver) {
    this.a = this.open(mode, resolver);
    this.b = this.open(mode, resolver);
  }

  /** Opening reads what is there, and so does the first write: from now on nobody reads unasked. */
  static async start(mode: Mode, resolver?: Resolver): Promise<Pair> {
    const pair = new Pair(mode, resolver);
    for (const one of [pair.a, pair.b]) await one.delete(await one.add([1, 1]));
    await pair.meet();
    return pair;
  }

  open(mode: Mode | undefined, resolver?: Resolver, only?: "write-only"): Brainy {
    return new Brainy({
      storage: { type: "store", store: this.#store },
      dimensions: 2,
      pollInterval: 0,
      compaction: false,
      ...(only !== undefined && { mode: only }),
      distributed: {
        role: only === undefined ? "hybrid" : "writer",
        conflictResolution: mode,
        resolver,
      },
    });
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of this.#store.list()) keys.push(...objects.map(({ key }) => key));
    return keys;
  }

  /** Both have read all there is. */
  async meet(): Promise<void> {
    for (const one of [this.a, this.b]) await one.count(undefined, { consistency: "strong" });
  }

  async both<T>(read: (one: Brainy) => Promise<T>): Promise<T> {
    const [first, second] = [await read(this.a), await read(this.b)];
    expect(second).toEqual(first);
    return first;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.a.close();
    await this.b.close();
  }
}

const values = (record: BrainyRecord | undefined): unknown =>
  record && [record.metadata, record.siblings?.map(({ metadata }) => metadata)];
const see = (id: string) => async (one: Brainy) => values(await one.get(id));

/** What holds before compaction, after a flush, and after the merge of all segments. */
async function throughCompactions(pair: Pair, check: () => Promise<void>): Promise<void> {
  await check();
  for (const one of [pair.a, pair.b, pair.a]) {
    await one.compact();
    await pair.meet();
    await check();
  }
  expect((await pair.a.verify()).problems).toEqual([]);
}

test("[V3] concurrent puts are siblings until somebody who has read both writes", async () => {
  await using pair = await Pair.start("vector-clock");
  const { a, b } = pair;
  await a.add([1, 0], { by: "a" }, { id: "x" });
  await b.add([0, 1], { by: "b" }, { id: "x" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both(see("x"))).toEqual([{ by: "b" }, [{ by: "a" }, { by: "b" }]]);
    expect((await pair.both((one) => one.search([0, 1], 1)))[0]).toMatchObject({
      id: "x",
      score: 1,
    });
  });
  const [first] = (await a.get("x"))!.siblings!;
  expect([...first!.vector!]).toEqual([1, 0]);
  await a.add([1, 1], { by: "both" }, { id: "x" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both(see("x"))).toEqual([{ by: "both" }, undefined]);
  });
});

test("[V3] what a process learns between a call and its stamp nobody has read", async () => {
  await using pair = new Pair("vector-clock");
  const { a, b } = pair;
  await a.add([1, 1], {}, { id: "y" });
  expect(await b.has("y")).toBe(true);
  await a.add([1, 0], { by: "a" }, { id: "x" });
  // The first write opens a lane, and that reads the whole log.
  await b.add([0, 1], { by: "b" }, { id: "x" });
  expect(values(await b.get("x"))).toEqual([{ by: "b" }, [{ by: "a" }, { by: "b" }]]);
});

test("[V3] a process replaces its own writes, also those that are still on their way", async () => {
  await using pair = await Pair.start("vector-clock");
  const { a } = pair;
  await Promise.all([1, 2, 3].map((n) => a.add([n, 0], { n }, { id: "x" })));
  await a.addMany([4, 5].map((n) => ({ id: "x", vector: [n, 0], metadata: { n } })));
  await pair.meet();
  expect(await pair.both(see("x"))).toEqual([{ n: 5 }, undefined]);
});

test("[V3] updates made from one read are siblings, at most 16 of them, and none hides another", async () => {
  await using pair = await Pair.start("vector-clock");
  const { a, b } = pair;
  await a.add([1, 0], { n: 0 }, { id: "x" });
  await pair.meet();
  await a.update("x", { metadata: { a: 1 } });
  await b.update("x", { metadata: { b: 1 } });
  await pair.meet();
  expect(await pair.both(see("x"))).toEqual([
    { n: 0, b: 1 },
    [
      { n: 0, a: 1 },
      { n: 0, b: 1 },
    ],
  ]);
  await Promise.all(Array.from({ length: 40 }, (_, i) => a.update("x", { metadata: { i } })));
  await pair.meet();
  const siblings = (await b.get("x"))!.siblings!;
  expect(siblings.map(({ metadata }) => metadata["i"])).toEqual(
    Array.from({ length: 16 }, (_, i) => 24 + i),
  );
  await b.update("x", { metadata: { i: "last" } });
  expect(values(await b.get("x"))).toEqual([{ n: 0, b: 1, i: "last" }, undefined]);
});

test("[V4] a delete takes away what its author has read: a concurrent put survives it", async () => {
  await using pair = await Pair.start("vector-clock");
  const { a, b } = pair;
  await a.add([1, 0], { v: 1 }, { id: "x" });
  await pair.meet();
  await a.update("x", { metadata: { v: 2 } });
  expect(await b.delete("x")).toBe(1);
  expect(await b.get("x")).toBeUndefined();
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both(see("x"))).toEqual([{ v: 2 }, undefined]);
  });
  await b.delete("x");
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both(see("x"))).toBeUndefined();
    expect(await pair.both((one) => one.count())).toBe(0);
  });
});

const union: Resolver = (siblings) => ({
  ...siblings.at(-1)!,
  vector: siblings[0]!.vector,
  metadata: Object.assign({}, ...siblings.map(({ metadata }) => metadata)) as JsonObject,
});

test("[V7] a resolver decides what every read shows, and nothing that is stored", async () => {
  await using pair = await Pair.start("vector-clock", union);
  const { a, b } = pair;
  await a.add([1, 0], { color: "red" }, { id: "x", text: "from a" });
  await b.add([0, 1], { size: 3 }, { id: "x", text: "from b" });
  await b.add([0.6, 0.8], { size: 4 }, { id: "y" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    const shown = { color: "red", size: 3 };
    expect(await pair.both(see("x"))).toEqual([shown, [{ color: "red" }, { size: 3 }]]);
    const [hit] = await pair.both((one) => one.search([1, 0], 1, { filter: { color: "red" } }));
    expect(hit).toMatchObject({ id: "x", score: 1, metadata: shown, text: "from b" });
    expect(await pair.both((one) => one.count({ color: "red", size: 3 }))).toBe(1);
    expect(await pair.both((one) => one.count())).toBe(2);
    expect((await pair.both((one) => one.list())).records).toHaveLength(2);
  });
  const without = pair.open(undefined);
  expect(values(await without.get("x"))).toEqual([{ size: 3 }, [{ color: "red" }, { size: 3 }]]);
  await without.close();
  await a.update("x", { metadata: { size: 5 } });
  await pair.meet();
  expect(await pair.both(see("x"))).toEqual([{ color: "red", size: 5 }, undefined]);
});

test("[V7] a resolver that fails fails the read, and the error names the record", async () => {
  const failing: readonly (readonly [Resolver, RegExp])[] = [
    [
      () => {
        throw new Error("no idea");
      },
      /siblings of "x": no idea/,
    ],
    [() => ({ vector: [1, 2, 3] }), /siblings of "x": .*3/],
    [() => ({ id: "y", vector: [1, 2] }), /siblings of "x": .*another id, "y"/],
    [(() => Promise.resolve()) as unknown as Resolver, /siblings of "x": .*not a promise/],
    [([first]) => Object.assign(first!, { id: "z" }), /siblings of "x": .*read only/],
  ];
  for (const [resolver, message] of failing) {
    await using pair = await Pair.start("vector-clock", resolver);
    await pair.a.add([1, 0], {}, { id: "x" });
    await pair.b.add([0, 1], {}, { id: "x" });
    const read = pair.a.get("x", { consistency: "strong" });
    await expect(read).rejects.toMatchObject({
      code: "BRAINY_INVALID_ARGUMENT",
      message: expect.stringMatching(message),
    });
  }
});

test("[V5] crdt: concurrent changes of different fields meet, of one field the later stays", async () => {
  await using pair = await Pair.start("crdt");
  const { a, b } = pair;
  await a.add([1, 0], { color: "red" }, { id: "x", type: "fox", text: "from a" });
  await b.add([0, 1], { size: 3 }, { id: "x", domain: "den", text: "from b" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    const record = await pair.both((one) => one.get("x"));
    expect(record).toMatchObject({
      metadata: { color: "red", size: 3 },
      type: "fox",
      domain: "den",
      text: "from b",
    });
    expect([...record!.vector!]).toEqual([0, 1]);
    expect(record!.siblings).toBeUndefined();
  });
  await a.update("x", { metadata: { size: 4 }, text: "new text", vector: [1, 1] });
  await b.update("x", { metadata: { size: 5, color: undefined } });
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both((one) => one.get("x"))).toMatchObject({
      metadata: { size: 5 },
      text: "new text",
      type: "fox",
    });
  });
});

test("[V4] crdt: a put takes away fields that it has read, a delete too, and unread ones stay", async () => {
  await using pair = await Pair.start("crdt");
  const { a, b } = pair;
  await a.add([1, 0], { old: 1 }, { id: "x", type: "fox" });
  await pair.meet();
  await b.update("x", { metadata: { late: 1 } });
  await a.add([0, 1], { fresh: 1 }, { id: "x" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    const record = await pair.both((one) => one.get("x"));
    expect(record).toMatchObject({ metadata: { late: 1, fresh: 1 } });
    expect(record!.type).toBeUndefined();
  });
  // An update does not bring back what is deleted meanwhile; a put does.
  await a.delete("x");
  await b.update("x", { metadata: { later: 1 } });
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both((one) => one.has("x"))).toBe(false);
  });
  await a.add([1, 0], { again: 1 }, { id: "x" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    expect(await pair.both(see("x"))).toEqual([{ again: 1 }, undefined]);
  });
});

test("[V6] the way conflicts are resolved is fixed: another is refused, and both are named", async () => {
  await using pair = await Pair.start("crdt");
  await pair.a.add([1, 0], {}, { id: "x" });
  const other = pair.open("vector-clock");
  await expect(other.init()).rejects.toThrow(/conflictResolution crdt, not vector-clock/);
  const plain = await Pair.start("last-write-wins");
  await plain.a.add([1, 0], {}, { id: "x" });
  const third = plain.open("crdt");
  await expect(third.get("x")).rejects.toThrow(/conflictResolution last-write-wins, not crdt/);
  const open = pair.open(undefined);
  expect(await open.has("x")).toBe(true);
  expect((await open.getDistributedConfig()).settings).toMatchObject({
    conflictResolution: "crdt",
  });
  for (const one of [other, third, open]) await one.close();
  await plain[Symbol.asyncDispose]();
});

for (const mode of ["vector-clock", "crdt"] as const) {
  test(`[V3] [V4] ${mode}: a conditional operation has read what it was decided on`, async () => {
    await using pair = await Pair.start(mode);
    const { a, b } = pair;
    // Partitions move between live writers; whoever does not own this one says so.
    const decided = async (call: (one: Brainy) => Promise<unknown>): Promise<Brainy> => {
      for (let one = a; ; one = one === a ? b : a) {
        try {
          await call(one);
          return one;
        } catch (error) {
          if (!isBrainyError(error, "BRAINY_NOT_OWNER")) throw error;
        }
      }
    };
    const owner = await decided((one) =>
      one.add([1, 0], { first: true }, { id: "x", ifAbsent: true }),
    );
    const again = decided((one) => one.add([1, 0], {}, { id: "x", ifAbsent: true }));
    await expect(again).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
    const { version: ifVersion } = (await owner.get("x"))!;
    await decided((one) => one.update("x", { metadata: { second: 2 } }, { ifVersion }));
    const late = decided((one) => one.update("x", { metadata: { third: 3 } }, { ifVersion }));
    await expect(late).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
    const other = owner === a ? b : a;
    await other.get("x", { consistency: "strong" });
    await other.update("x", { metadata: { third: 3 } });
    // Its owner has not read this version by itself, and deletes it all the same.
    const next = (await other.get("x"))!;
    expect(next.metadata).toEqual({ first: true, second: 2, third: 3 });
    await decided((one) => one.delete("x", { ifVersion: next.version }));
    await pair.meet();
    await throughCompactions(pair, async () => {
      expect(await pair.both((one) => one.has("x"))).toBe(false);
      expect(await pair.both((one) => one.count())).toBe(0);
    });
  });
}

test("[V3] an instance that reads nothing may not write where it counts what was read", async () => {
  await using pair = await Pair.start("crdt");
  const blind = pair.open(undefined, undefined, "write-only");
  await expect(blind.add([1, 0])).rejects.toMatchObject({
    code: "BRAINY_UNSUPPORTED",
    message: expect.stringContaining("crdt"),
  });
  await blind.close();
  // Nor make such a database: nothing is written before that is known.
  const empty = new Pair("crdt");
  const first = empty.open("crdt", undefined, "write-only");
  await expect(first.add([1, 0])).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });
  await first.close();
  expect(await empty.keys()).toEqual([]);
  await empty[Symbol.asyncDispose]();
});

test("[V7] an export shows what a resolver makes of siblings", async () => {
  await using pair = await Pair.start("vector-clock", union);
  await pair.a.add([1, 0], { color: "red" }, { id: "x" });
  await pair.b.add([0, 1], { size: 3 }, { id: "x" });
  await pair.meet();
  await throughCompactions(pair, async () => {
    const records = await pair.both((one) => one.exportAll());
    expect(records.map(({ metadata }) => metadata)).toEqual([{ color: "red", size: 3 }]);
    expect(records[0]!.siblings).toBeUndefined();
  });
});
