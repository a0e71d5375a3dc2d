import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { objectStoreConformance } from "../conformance.ts";
import { prefixed } from "../layers/prefixed.ts";
import { openStore } from "../open-store.ts";
import { FileSystemStore } from "./file-system.ts";

let parent = "";
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "brainy-files-"));
});
afterAll(async () => {
  await rm(parent, { recursive: true, force: true });
});

const some = new Uint8Array([1, 2, 3]);

let count = 0;
const newRoot = (): string => join(parent, `${++count}`, "root");
const reopen = async ({ descriptor }: { descriptor?: FileSystemStore["descriptor"] | undefined }) =>
  openStore(descriptor!);

// A durable put costs several milliseconds on some disks, so one page and a little is enough.
const objectCount = 1_001;

describe("file system", () => {
  objectStoreConformance({
    test,
    open: () => FileSystemStore.open({ root: newRoot() }),
    reopen,
    objectCount,
  });
});

describe("prefixed over the file system", () => {
  objectStoreConformance({
    test,
    open: async () => prefixed(await FileSystemStore.open({ root: newRoot() }), "t/"),
    objectCount,
  });
});

test("[F9] nothing is made before the first write, and a missing root is an empty store", async () => {
  const root = newRoot();
  const store = await FileSystemStore.open({ root });
  const pages: number[] = [];
  for await (const { objects } of store.list({ prefix: "a/" })) pages.push(objects.length);
  expect(pages).toEqual([0]);
  expect(await store.get("a/b")).toBeUndefined();
  await store.deleteMany(["a/b"]);
  expect(existsSync(dirname(root))).toBe(false);
  await store.put("a/b", some);
  expect((await readdir(root)).toSorted()).toEqual([".tmp", "a"]);
});

test("a root that is a file is refused by name", async () => {
  const file = join(parent, "file");
  await writeFile(file, "here");
  for (const root of [file, join(file, "below")]) {
    await expect(FileSystemStore.open({ root })).rejects.toMatchObject({
      code: "BRAINY_INVALID_ARGUMENT",
      message: expect.stringContaining(root) as string,
    });
  }
  await expect(FileSystemStore.open({ root: "" })).rejects.toThrow(/no path/);
});

test("a store opened read-only reads and refuses to write", async () => {
  const root = newRoot();
  await (await FileSystemStore.open({ root })).put("k", some);
  const store = await FileSystemStore.open({ root, readOnly: true });
  expect((await store.get("k"))?.bytes).toEqual(some);
  for (const write of [store.put("l", some), store.deleteMany(["k"])]) {
    await expect(write).rejects.toMatchObject({ code: "BRAINY_DENIED" });
  }
});

test("[F8] symbolic links inside the root are neither followed nor listed", async () => {
  const [root, outside] = [newRoot(), newRoot()];
  const store = await FileSystemStore.open({ root });
  await store.put("in/k", some);
  await mkdir(outside, { recursive: true });
  await writeFile(join(outside, "secret"), "secret");
  await symlink(outside, join(root, "folder"));
  await symlink(join(outside, "secret"), join(root, "in", "file"));
  await symlink(join(outside, "new"), join(root, "in", "dangling"));
  await symlink(outside, join(root, "in", ".k.versions"));
  const { etag } = await (await FileSystemStore.open({ root: outside })).put("other", some);

  const denied = { code: "BRAINY_DENIED" };
  const ifMatch = { condition: { ifMatch: etag } };
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield some;
  };
  for (const key of ["folder/secret", "in/file", "in/dangling", "in/k"]) {
    // A store that has seen nothing yet, and one that knows the folders.
    for (const one of [store, await FileSystemStore.open({ root })]) {
      await expect(one.get(key), key).rejects.toMatchObject(denied);
      await expect(one.head(key), key).rejects.toMatchObject(denied);
      await expect(one.put(key, some), key).rejects.toMatchObject(denied);
      await expect(one.put(key, some, { condition: { ifAbsent: true } })).rejects.toMatchObject(
        denied,
      );
      await expect(one.put(key, some, ifMatch)).rejects.toMatchObject(denied);
      await expect(one.putStream(key, chunks())).rejects.toMatchObject(denied);
    }
  }
  await expect(store.deleteMany(["folder/secret"])).rejects.toMatchObject(denied);
  expect((await readdir(outside)).toSorted()).toEqual([".tmp", "other", "secret"]);
  await rm(join(root, "in", ".k.versions"));
  const keys: string[] = [];
  for await (const { objects } of store.list()) keys.push(...objects.map(({ key }) => key));
  expect(keys).toEqual(["in/k"]);
});

test("what is no object of ours is not listed", async () => {
  const root = newRoot();
  const store = await FileSystemStore.open({ root });
  await store.put("a/k", some);
  await writeFile(join(root, "a", "My notes.txt"), "");
  await writeFile(join(root, "a", ".DS_Store"), "");
  await mkdir(join(root, "a", "empty"));
  const found: string[] = [];
  for await (const { objects, prefixes } of store.list({ prefix: "a/", delimiter: "/" })) {
    found.push(...objects.map(({ key }) => key), ...prefixes);
  }
  expect(found).toEqual(["a/k"]);
});

test("a key cannot continue below an object, nor be a folder of others", async () => {
  const store = await FileSystemStore.open({ root: newRoot() });
  await store.put("a/k", some);
  const refused = { code: "BRAINY_INVALID_ARGUMENT" };
  await expect(store.put("a/k/below", some)).rejects.toMatchObject(refused);
  await expect(store.put("a", some)).rejects.toMatchObject(refused);
  await expect(store.put("a", some, { condition: { ifAbsent: true } })).rejects.toMatchObject(
    refused,
  );
  expect(await store.get("a")).toBeUndefined();
  expect(await store.get("a/k/below")).toBeUndefined();
  await store.deleteMany(["a", "a/k/below"]);
  expect(await store.get("a/k")).toBeDefined();
});

test("temporary files older than an hour are removed by the first write", async () => {
  const root = newRoot();
  await mkdir(join(root, ".tmp"), { recursive: true });
  const hours = async (name: string, age: number): Promise<void> => {
    await writeFile(join(root, ".tmp", name), "left over");
    const then = new Date(systemClock.nowMs() - age * 3_600_000);
    await utimes(join(root, ".tmp", name), then, then);
  };
  await hours("old", 2);
  await hours("young", 0.5);
  const store = await FileSystemStore.open({ root });
  await store.head("k");
  expect(await readdir(join(root, ".tmp"))).toHaveLength(2);
  await store.put("k", some);
  expect(await readdir(join(root, ".tmp"))).toEqual(["young"]);
});

test("a root removed by hand is made again by the next write", async () => {
  const root = newRoot();
  const store = await FileSystemStore.open({ root });
  await store.put("a/b/1", some);
  await rm(join(root, "a"), { recursive: true });
  await store.put("a/b/2", some, { condition: { ifAbsent: true } });
  expect(await store.get("a/b/1")).toBeUndefined();
  expect((await store.get("a/b/2"))?.bytes).toEqual(some);
});

test("openStore opens what the descriptor of a store describes", async () => {
  const store = await FileSystemStore.open({ root: newRoot(), shared: false });
  await store.put("k", some);
  const again = await openStore(structuredClone(store.descriptor));
  expect((await again.get("k"))?.bytes).toEqual(some);
  expect(again.descriptor).toEqual(store.descriptor);
});
