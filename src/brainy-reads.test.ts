import { expect, test } from "vitest";
import { systemClock } from "./base/clock.ts";
import { seededRandom } from "./base/random.ts";
import { Brainy } from "./brainy.ts";
import { faulty } from "./storage/layers/faulty.ts";
import { metered } from "./storage/layers/metered.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { BrainyEvent } from "./types.ts";

/** Twice each: what a read sees must not depend on whether the tail or a segment answers. */
const PLACES = ["in the tail", "in segments", "in both"] as const;

async function filled(place: (typeof PLACES)[number]): Promise<Brainy> {
  const brain = new Brainy();
  for (let i = 0; i < 20; i++) {
    if (place === "in both" && i === 10) await brain.compact();
    const metadata = { n: i, odd: i % 2 === 1 };
    await brain.add([Math.cos(i / 20), Math.sin(i / 20)], metadata, {
      id: `r${String(i).padStart(2, "0")}`,
    });
  }
  if (place === "in segments") await brain.compact();
  return brain;
}

for (const place of PLACES) {
  test(`${place}: a search returns k hits whenever k match, best first`, async () => {
    await using brain = await filled(place);
    const hits = await brain.search([1, 0], 5, { filter: { odd: true } });
    expect(hits.map(({ id }) => id)).toEqual(["r01", "r03", "r05", "r07", "r09"]);
    const scores = hits.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  test(`${place}: minScore leaves out what is further away`, async () => {
    await using brain = await filled(place);
    const hits = await brain.search([1, 0], { k: 20, minScore: Math.cos(5.5 / 20) });
    expect(hits.map(({ metadata }) => metadata["n"])).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test(`${place}: a search like a record leaves that record out`, async () => {
    await using brain = await filled(place);
    const hits = await brain.search({ id: "r05" }, 2);
    expect(hits.map(({ id }) => id).toSorted()).toEqual(["r04", "r06"]);
  });

  test(`${place}: pages list every record once, in order of ids, under a filter too`, async () => {
    await using brain = await filled(place);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await brain.list({ limit: 3, cursor, filter: { n: { $gte: 4 } } });
      seen.push(...page.records.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(
      Array.from({ length: 16 }, (_, i) => `r${String(i + 4).padStart(2, "0")}`),
    );
  });

  test(`${place}: a page is unmoved by what is added before its cursor`, async () => {
    await using brain = await filled(place);
    const first = await brain.list({ limit: 10 });
    await brain.add([1, 1], {}, { id: "a-new-one" });
    await brain.delete("r09");
    const second = await brain.list({ limit: 10, cursor: first.cursor });
    expect(second.records.map(({ id }) => id)[0]).toBe("r10");
    expect(second.records).toHaveLength(10);
  });

  test(`${place}: deleting by a filter deletes what matches and says how many`, async () => {
    await using brain = await filled(place);
    expect(await brain.delete({ filter: { n: { $lt: 5 } } })).toBe(5);
    expect(await brain.count()).toBe(15);
    expect(await brain.count({ n: { $lt: 7 } })).toBe(2);
    expect(await brain.has("r01")).toBe(false);
    expect(await brain.delete(["r01", "r05", "r05", "none"])).toBe(1);
  });

  test(`${place}: getMany keeps the order asked for and leaves gaps`, async () => {
    await using brain = await filled(place);
    const records = await brain.getMany(["r03", "none", "r00"]);
    expect(records.map((record) => record?.id)).toEqual(["r03", undefined, "r00"]);
    expect(records[2]?.vector).toEqual(Float32Array.of(1, 0));
  });

  test(`${place}: what is exported and imported again is the same`, async () => {
    await using brain = await filled(place);
    await brain.add(
      "some text",
      { deep: { list: [1, null, "x"] } },
      {
        id: "text",
        vector: [3, 4],
        type: "note",
        domain: "legal",
        expiresAt: "2999-01-01T00:00:00Z",
      },
    );
    await using other = new Brainy();
    const { added, failed } = await other.import(brain.export());
    expect({ added, failed }).toEqual({ added: 21, failed: [] });
    const comparable = async (from: Brainy): Promise<unknown> =>
      (await from.exportAll())
        .map(({ version: _version, ...record }) => record)
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(await comparable(other)).toEqual(await comparable(brain));
  });

  test(`${place}: exportAll and add lose nothing`, async () => {
    await using brain = await filled(place);
    await using other = new Brainy();
    for (const { id, vector, metadata } of await brain.exportAll()) {
      await other.add(vector!, metadata, { id });
    }
    const [a, b] = [await brain.search([0.3, 0.9], 20), await other.search([0.3, 0.9], 20)];
    const plain = (hits: typeof a): unknown => hits.map(({ version: _version, ...hit }) => hit);
    expect(plain(b)).toEqual(plain(a));
  });
}

test("only the parts that were asked for are read", async () => {
  await using brain = new Brainy();
  await brain.add({ name: "Ada" }, "person", { id: "a", text: "Ada Lovelace" });
  for (const compact of [false, true]) {
    if (compact) await brain.compact();
    const [bare] = await brain.search("Ada", { include: [] });
    expect(bare).toMatchObject({ id: "a", type: "person", metadata: {} });
    expect(bare).not.toHaveProperty("data");
    expect(bare).not.toHaveProperty("text");
    const [full] = await brain.search("Ada", { include: ["data", "text", "metadata", "vector"] });
    expect(full).toMatchObject({
      data: { name: "Ada" },
      text: "Ada Lovelace",
      metadata: { name: "Ada" },
    });
    expect(full?.vector).toHaveLength(384);
  }
});

test("a record stops to exist at its expiry, and comes back only when it is added again", async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
  const store = new MemoryStore({ clock });
  await using brain = new Brainy({ storage: { type: "store", store }, clock });
  const expiresAt = clock.nowMs() + 60_000;
  await brain.add([1, 0], {}, { id: "in-segment", expiresAt });
  await brain.compact();
  await brain.add([1, 0], {}, { id: "in-tail", expiresAt: new Date(expiresAt) });
  await brain.add([0, 1], {}, { id: "stays" });
  expect(await brain.count()).toBe(3);
  aheadMs = 61_000;
  expect((await brain.search([1, 0], 5)).map(({ id }) => id)).toEqual(["stays"]);
  expect(await brain.get("in-segment")).toBeUndefined();
  expect(await brain.has("in-tail")).toBe(false);
  expect(await brain.count()).toBe(1);
  expect((await brain.list()).records.map(({ id }) => id)).toEqual(["stays"]);
  await expect(brain.update("in-tail", { metadata: { a: 1 } })).rejects.toThrow(/no record/);
  await brain.add([1, 0], {}, { id: "in-tail" });
  await brain.compact();
  await brain.compact();
  expect((await brain.exportAll()).map(({ id }) => id).toSorted()).toEqual(["in-tail", "stays"]);
});

test("a checkpoint shows its moment whatever comes after, and is read-only", async () => {
  const store = new MemoryStore({});
  const storage = { type: "store", store } as const;
  await using brain = new Brainy({ storage });
  await brain.add([1, 0], { v: 1 }, { id: "a" });
  await brain.compact();
  await brain.add([0, 1], { v: 1 }, { id: "b" });
  await brain.checkpoint("before");
  await brain.update("a", { metadata: { v: 2 } });
  await brain.delete("b");
  await brain.compact();
  await using past = new Brainy({ storage, checkpoint: "before" });
  expect((await past.list()).records.map(({ id, metadata }) => [id, metadata["v"]])).toEqual([
    ["a", 1],
    ["b", 1],
  ]);
  expect((await past.search([0, 1], 1))[0]?.id).toBe("b");
  await expect(past.add([1, 1])).rejects.toThrow(/read-only/);
  await expect(brain.checkpoint("before")).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
  await brain.deleteCheckpoint("before");
  await expect(new Brainy({ storage, checkpoint: "before" }).count()).rejects.toMatchObject({
    code: "BRAINY_NOT_FOUND",
  });
});

test("texts are embedded by the function that was given, in batches, and its name is fixed", async () => {
  const store = new MemoryStore({});
  const storage = { type: "store", store } as const;
  const sizes: number[] = [];
  const embed = (texts: readonly string[]): number[][] => {
    sizes.push(texts.length);
    return texts.map((text) => [text.length, 1]);
  };
  await using brain = new Brainy({
    storage,
    embedding: { embed, model: "length-1", batchSize: 4 },
  });
  await brain.addMany(["a", "bb", "ccc", "dddd", "eeeee"]);
  expect(sizes).toEqual([4, 1]);
  expect((await brain.search("xxxxx", 1))[0]).toMatchObject({ text: "eeeee", distance: 0 });
  await expect(
    new Brainy({ storage, embedding: { embed, model: "length-2" } }).count(),
  ).rejects.toThrow(/length-1, not length-2/);
  await expect(new Brainy({ storage }).search("x")).rejects.toThrow(/384 dimensions/);
});

test("updates change what they name and embed what they must", async () => {
  await using brain = new Brainy();
  await brain.add("red apples", { a: 1, b: 2 }, { id: "x", type: "fruit" });
  for (const compact of [false, true]) {
    if (compact) await brain.compact();
    await brain.update("x", { metadata: { a: undefined, c: compact } });
    expect(await brain.get("x")).toMatchObject({
      metadata: { b: 2, c: compact },
      text: "red apples",
      type: "fruit",
    });
  }
  await brain.update("x", { text: "blue whales" });
  expect((await brain.search("whales", 1))[0]).toMatchObject({
    text: "blue whales",
    metadata: { b: 2 },
  });
  await brain.update("x", { type: undefined, domain: "sea" });
  expect(await brain.get("x")).not.toHaveProperty("type");
  expect(await brain.count({ domain: "sea" })).toBe(1);
});

test("an unfinished slot is written when the flush interval ends, not when the source does", async () => {
  await using brain = new Brainy({ dimensions: 2, batching: { size: 100, flushInterval: 20 } });
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let progressed!: () => void;
  const progress = new Promise<void>((resolve) => (progressed = resolve));
  async function* slow(): AsyncGenerator<number[]> {
    yield [1, 0];
    yield [0, 1];
    await finished;
    yield [1, 1];
  }
  const result = brain.addMany(slow(), { onProgress: () => progressed() });
  await progress;
  expect(await brain.count()).toBe(2);
  finish();
  expect(await result).toEqual({ added: 3, failed: [] });
});

test("indexing that is not asynchronous is done when a write resolves", async () => {
  const events: BrainyEvent[] = [];
  await using brain = new Brainy({ indexing: { async: false, batchIndexUpdates: false } });
  brain.on("index_updated", (event) => events.push(event));
  await brain.add([1, 0], {}, { id: "a" });
  expect(brain.getMetrics().index).toMatchObject({ records: 1, segments: 1, tailOperations: 0 });
  expect(events.at(-1)).toMatchObject({ type: "index_updated", payload: { segments: 1 } });
});

test("same seed and clock, same answers: a second database built alike ranks alike", async () => {
  const random = seededRandom(7);
  const vectors = Array.from({ length: 300 }, () => [random.next(), random.next(), random.next()]);
  const answers: string[][] = [];
  for (const compactEvery of [1_000, 37]) {
    await using brain = new Brainy({ metric: "euclidean" });
    for (const [i, vector] of vectors.entries()) {
      await brain.add(vector, {}, { id: `v${i}` });
      if (i % compactEvery === compactEvery - 1) await brain.compact();
    }
    answers.push((await brain.search([0.5, 0.5, 0.5], 50)).map(({ id }) => id));
  }
  expect(answers[1]).toEqual(answers[0]);
});

test("health and metrics tell what was done, and a closed Brainy refuses everything", async () => {
  const brain = new Brainy();
  await brain.add([1, 0]);
  await brain.search([1, 0]);
  expect(brain.getHealthStatus()).toMatchObject({
    status: "healthy",
    role: "hybrid",
    metrics: { vectorCount: 1, errorRate: 0, cacheHitRate: 1 },
    warnings: [],
  });
  expect(brain.getMetrics().operations).toEqual({ reads: 1, writes: 1 });
  await brain.close();
  await brain.cleanup();
  await expect(brain.add([1, 0])).rejects.toMatchObject({
    code: "BRAINY_CLOSED",
    action: "reopen",
  });
  await expect(brain.search([1, 0])).rejects.toMatchObject({ code: "BRAINY_CLOSED" });
});

test("a database too damaged to open is verified all the same", async () => {
  const store = new MemoryStore({});
  const storage = { type: "store", store } as const;
  {
    await using brain = new Brainy({ storage });
    await brain.add([1, 0], {}, { id: "a" });
    await brain.compact();
    expect(await brain.verify()).toMatchObject({ ok: true });
  }
  await store.put("_brainy/config.json", new TextEncoder().encode("{"));
  await using brain = new Brainy({ storage });
  await expect(brain.count()).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  const report = await brain.verify();
  expect(report.ok).toBe(false);
  expect(report.problems).toContainEqual(
    expect.objectContaining({ key: "_brainy/config.json", severity: "error" }),
  );
});

test("a store that often does not answer costs time and no results", async () => {
  const random = seededRandom(4);
  const store = faulty(new MemoryStore({}), { random, errorRate: 0.1 });
  await using brain = new Brainy({ storage: { type: "store", store }, dimensions: 2 });
  for (let i = 0; i < 20; i++) {
    await brain.add([1, i], { i }, { id: `r${i}` });
    if (i === 10) await brain.compact();
  }
  expect(await brain.count()).toBe(20);
  await using other = new Brainy({ storage: { type: "store", store } });
  expect((await other.search([1, 19], 1))[0]?.id).toBe("r19");
  expect(store.faultCount).toBeGreaterThan(5);
});

test("vectors are read by what needs them: a search all, a get its own, an export in blocks", async () => {
  const rows = 600;
  const inner = new MemoryStore({});
  const records = Array.from({ length: rows }, (_, i) => ({
    id: `r${String(i).padStart(3, "0")}`,
    vector: Array.from({ length: 384 }, (_, d) => Math.sin(i * 384 + d)),
  }));
  {
    await using brain = new Brainy({ storage: { type: "store", store: inner } });
    await brain.addMany(records);
    await brain.compact();
  }
  const { store, counters } = metered(inner);
  await using brain = new Brainy({ storage: { type: "store", store }, readOnly: true });
  const vectorBytes = rows * 384 * 4;
  const costOf = async (run: () => Promise<unknown>) => {
    const { requests, bytesOut } = counters.get;
    await run();
    return { requests: counters.get.requests - requests, bytes: counters.get.bytesOut - bytesOut };
  };
  expect((await costOf(() => brain.count())).bytes).toBeLessThan(vectorBytes / 4);
  const get = await costOf(async () => {
    expect((await brain.get("r123"))?.vector).toEqual(Float32Array.from(records[123]!.vector));
  });
  expect(get.bytes).toBeLessThan(vectorBytes / 4);
  const exported = await costOf(async () => {
    const seen = new Map((await brain.exportAll()).map(({ id, vector }) => [id, vector]));
    for (const { id, vector } of records) expect(seen.get(id)).toEqual(Float32Array.from(vector));
  });
  expect(exported.requests).toBeLessThan(20);
  expect(exported.bytes).toBeLessThan(2 * vectorBytes);
  const { bytes } = await costOf(async () => {
    expect((await brain.search(records[77]!.vector, 1))[0]?.id).toBe("r077");
  });
  expect(bytes).toBeGreaterThanOrEqual(vectorBytes);
  const odd = { id: { $in: ["r001", "r003", "r599"] } };
  await using cold = new Brainy({ storage: { type: "store", store }, readOnly: true });
  const some = await cold.exportAll({ filter: odd });
  expect(some.map(({ id, vector }) => [id, vector?.[0]])).toEqual(
    [1, 3, 599].map((i) => [records[i]!.id, Math.fround(records[i]!.vector[0]!)]),
  );
});

test("every read can be given up, before it begins and between its slices, and is no failure", async () => {
  const giveUp = new AbortController();
  let breathsLeft = Number.POSITIVE_INFINITY;
  const clock = {
    ...systemClock,
    breathe: () => {
      if (--breathsLeft === 0) giveUp.abort();
      return systemClock.breathe();
    },
  };
  await using brain = new Brainy({ dimensions: 2, clock });
  await brain.addMany(Array.from({ length: 9_000 }, (_, i) => ({ id: `r${i}`, vector: [1, i] })));
  await brain.compact();
  const signal = AbortSignal.abort();
  const refused: readonly ((brain: Brainy) => Promise<unknown>)[] = [
    (b) => b.get("r1", { signal }),
    (b) => b.has("r1", { signal }),
    (b) => b.count({}, { signal }),
    (b) => b.list({ signal }),
    (b) => b.search([1, 1], { signal }),
    (b) => b.exportAll({ signal }),
  ];
  for (const read of refused) await expect(read(brain)).rejects.toThrow(/abort/i);
  breathsLeft = 2;
  const midway = brain.count({ id: { $startsWith: "r1" } }, { signal: giveUp.signal });
  await expect(midway).rejects.toThrow(/abort/i);
  expect(await brain.count({ id: { $startsWith: "r1" } })).toBe(1_111);
  expect(brain.getHealthStatus()).toMatchObject({ status: "healthy", metrics: { errorRate: 0 } });
});
