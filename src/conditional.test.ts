import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { ObjectStore } from "./storage/object-store.ts";

function open(store: ObjectStore = new MemoryStore()): Brainy {
  const brain = new Brainy({ storage: { type: "store", store }, dimensions: 2, pollInterval: 0 });
  onTestFinished(() => brain.close());
  return brain;
}

test("add with ifAbsent adds once, and the error names what is there", async () => {
  const brain = open();
  expect(await brain.add([1, 0], { by: 1 }, { id: "x", ifAbsent: true })).toBe("x");
  const present = (await brain.get("x"))!.version;
  await expect(brain.add([0, 1], { by: 2 }, { id: "x", ifAbsent: true })).rejects.toMatchObject({
    code: "BRAINY_CONFLICT",
    message: expect.stringContaining(present),
  });
  expect((await brain.get("x"))?.metadata).toEqual({ by: 1 });
  await brain.delete("x");
  await brain.add([0, 1], { by: 3 }, { id: "x", ifAbsent: true });
  expect((await brain.get("x"))?.metadata).toEqual({ by: 3 });
});

test("of concurrent adds with ifAbsent, in one process and in three, one succeeds", async () => {
  const store = new MemoryStore();
  const brains = [open(store), open(store), open(store)];
  for (let round = 0; round < 3; round++) {
    const id = `x${round}`;
    const adds = [...brains, ...brains].map((brain, by) =>
      brain.add([1, by], { by }, { id, ifAbsent: true }),
    );
    const outcomes = await Promise.allSettled(adds);
    const won = outcomes.flatMap(({ status }, by) => (status === "fulfilled" ? [by] : []));
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect(outcome.reason).toMatchObject({ code: "BRAINY_CONFLICT" });
      }
    }
    for (const brain of brains) {
      const record = await brain.get(id, { consistency: "strong" });
      expect(record?.metadata).toEqual({ by: won[0] });
    }
  }
});

test("update and delete with ifVersion change exactly the version that was read", async () => {
  const store = new MemoryStore();
  const [a, b] = [open(store), open(store)];
  await a.add([1, 0], { n: 1 }, { id: "x" });
  const first = (await a.get("x"))!.version;
  const second = await b.update("x", { metadata: { n: 2 } }, { ifVersion: first });
  await expect(a.update("x", { metadata: { n: 9 } }, { ifVersion: first })).rejects.toMatchObject({
    code: "BRAINY_CONFLICT",
    message: expect.stringContaining(second),
  });
  await expect(a.delete("x", { ifVersion: first })).rejects.toMatchObject({
    code: "BRAINY_CONFLICT",
  });
  expect((await a.get("x"))?.metadata).toEqual({ n: 2 });
  expect(await a.delete("x", { ifVersion: second })).toBe(1);
  for (const brain of [a, b]) {
    await expect(
      brain.update("x", { metadata: { n: 3 } }, { ifVersion: second }),
    ).rejects.toMatchObject({
      code: "BRAINY_CONFLICT",
      message: expect.stringContaining("there is no record"),
    });
    await expect(brain.delete("x", { ifVersion: second })).rejects.toMatchObject({
      code: "BRAINY_CONFLICT",
    });
  }
});

test("counting with ifVersion from three processes loses nothing", async () => {
  const store = new MemoryStore();
  const brains = [open(store), open(store), open(store)];
  await brains[0]!.add([1, 0], { n: 0 }, { id: "counter" });
  const count = async (brain: Brainy): Promise<void> => {
    for (let done = 0; done < 5;) {
      const record = (await brain.get("counter", { consistency: "strong" }))!;
      const n = (record.metadata["n"] as number) + 1;
      try {
        await brain.update("counter", { metadata: { n } }, { ifVersion: record.version });
        done++;
      } catch (error) {
        expect(error).toMatchObject({ action: "retry" });
      }
    }
  };
  await Promise.all(brains.map(count));
  const record = await brains[0]!.get("counter", { consistency: "strong" });
  expect(record?.metadata).toEqual({ n: 15 });
});

test("bad conditions are refused before anything is written", async () => {
  const store = new MemoryStore();
  const brain = open(store);
  for (const call of [
    () => brain.add([1, 0], {}, { id: "x", ifAbsent: 1 as unknown as boolean }),
    () => brain.update("x", { metadata: {} }, { ifVersion: "7" }),
    () => brain.delete("x", { ifVersion: "7" }),
    () => brain.delete(["x"], { ifVersion: `${"0".repeat(12)}-000000-${"0".repeat(26)}` }),
    () => brain.delete("x", { ifAbsent: true } as object),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
  }
  for await (const { objects } of store.list()) expect(objects).toEqual([]);
});

test("a lease is taken once; after that a conditional write looks, and puts one slot", async () => {
  const { store, counters } = metered(new MemoryStore());
  const brain = open(store);
  await brain.add([1, 0], {}, { id: "x", ifAbsent: true });
  await brain.add([1, 0], {}, { id: "y", ifAbsent: true });
  const events: string[] = [];
  brain.on("*", ({ type }) => events.push(type));
  const before = structuredClone(counters);
  for (let n = 0; n < 10; n++) {
    const { version } = (await brain.get("x"))!;
    await brain.update("x", { metadata: { n } }, { ifVersion: version });
  }
  expect(counters.put.requests - before.put.requests).toBe(10);
  expect(events).toEqual([]);
});

test("a write-only instance decides by what the store holds", async () => {
  const store = new MemoryStore();
  const writer = new Brainy({
    storage: { type: "store", store },
    dimensions: 2,
    mode: "write-only",
    pollInterval: 0,
  });
  onTestFinished(() => writer.close());
  const hybrid = open(store);
  await hybrid.add([1, 0], { n: 1 }, { id: "x", ifAbsent: true });
  await expect(writer.add([1, 0], {}, { id: "x", ifAbsent: true })).rejects.toMatchObject({
    code: "BRAINY_CONFLICT",
  });
  await hybrid.compact();
  const { version } = (await writer.get("x"))!;
  const second = await writer.update("x", { metadata: { n: 2 } }, { ifVersion: version });
  await expect(
    hybrid.update("x", { metadata: { n: 3 } }, { ifVersion: version }),
  ).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
  expect(await hybrid.delete("x", { ifVersion: second })).toBe(1);
  await writer.add([0, 1], { n: 4 }, { id: "x", ifAbsent: true });
  expect((await hybrid.get("x", { consistency: "strong" }))?.metadata).toEqual({ n: 4 });
});
