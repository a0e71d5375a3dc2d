import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "./brainy.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brainy-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const WHERES = [
  ["memory", async () => "memory"],
  ["a folder", folder],
] as const;

for (const [name, where] of WHERES) {
  test(`in ${name} what was added is found, changed and deleted`, async () => {
    await using brain = new Brainy({ storage: await where() });
    const id = await brain.add([1, 0, 0], { color: "red", n: 1 }, { id: "a" });
    expect(id).toBe("a");
    await brain.add([0, 1, 0], { color: "blue", n: 2 }, { id: "b" });
    await brain.add([0.9, 0.1, 0], { color: "red", n: 3 }, { id: "c" });
    const hits = await brain.search([1, 0, 0], 2);
    expect(hits.map((hit) => hit.id)).toEqual(["a", "c"]);
    expect(hits[0]).toMatchObject({ score: 1, distance: 0, metadata: { color: "red", n: 1 } });
    const blue = await brain.search([1, 0, 0], 2, { filter: { color: "blue" } });
    expect(blue.map((hit) => hit.id)).toEqual(["b"]);

    await brain.update("b", { metadata: { color: "green", n: undefined } });
    expect((await brain.get("b"))?.metadata).toEqual({ color: "green" });
    expect(await brain.delete("a")).toBe(1);
    expect(await brain.get("a")).toBeUndefined();
    expect(await brain.count()).toBe(2);
    await brain.compact();
    expect(await brain.count()).toBe(2);
    expect((await brain.search([1, 0, 0], 5)).map((hit) => hit.id)).toEqual(["c", "b"]);
    expect((await brain.get("b"))?.metadata).toEqual({ color: "green" });
    await brain.add([1, 0, 0], { color: "again" }, { id: "a" });
    await brain.update("c", { metadata: { n: 4 } });
    expect((await brain.search([1, 0, 0], 5)).map((hit) => hit.id)).toEqual(["a", "c", "b"]);
    expect((await brain.get("c"))?.metadata).toEqual({ color: "red", n: 4 });
    await brain.compact();
    expect((await brain.get("c"))?.metadata).toEqual({ color: "red", n: 4 });
    expect((await brain.exportAll()).map((record) => record.id).toSorted()).toEqual([
      "a",
      "b",
      "c",
    ]);
  });
}

test("a folder keeps everything between two openings, texts and objects too", async () => {
  const storage = await folder();
  {
    await using brain = new Brainy({ storage });
    await brain.add("the quick brown fox", { kind: "animal" }, { id: "fox" });
    await brain.add({ name: "John", age: 3 }, "person", { id: "john" });
    const result = await brain.addMany(
      Array.from({ length: 2_500 }, (_, i) => ({ id: `n${i}`, text: `number ${i}` })),
    );
    expect(result).toEqual({ added: 2_500, failed: [] });
    await brain.compact();
    await brain.add("a lazy dog", {}, { id: "dog" });
  }
  await using brain = new Brainy({ storage });
  expect(await brain.count()).toBe(2_503);
  expect((await brain.search("brown foxes", 1))[0]).toMatchObject({
    id: "fox",
    text: "the quick brown fox",
  });
  expect(await brain.get("john", { include: ["metadata", "data"] })).toMatchObject({
    type: "person",
    data: { name: "John", age: 3 },
    metadata: { name: "John", age: 3 },
  });
  expect((await brain.search("lazy dog", 1))[0]?.id).toBe("dog");
});
