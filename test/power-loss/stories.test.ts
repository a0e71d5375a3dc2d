import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { createOnce } from "../../src/engine/create-once.ts";
import { OPEN_CREATE, type FileCalls } from "../../src/storage/adapters/file-calls.ts";
import { FileFolders } from "../../src/storage/adapters/file-folders.ts";
import { FileSightings } from "../../src/storage/adapters/file-sightings.ts";
import { FileSystemStore } from "../../src/storage/adapters/file-system.ts";
import type { Etag } from "../../src/storage/object-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { CrashModel } from "./crash-states.ts";
import { Disk, immediately } from "./disk.ts";
import { ROOT } from "./machine.ts";
import { systemFailure } from "./system-failure.ts";

/*
 * Crashes between two calls, told one by one: what the campaign has found, each on its own.
 */

const clock = new ManualClock();
const random = seededRandom(1);
const some = Uint8Array.of(1, 2, 3);
const ABSENT = { condition: { ifAbsent: true } } as const;
const fenced = { code: "BRAINY_FENCED", action: "reopen" };

function newDisk(): { readonly disk: Disk; readonly model: CrashModel } {
  const disk = new Disk(() => clock.nowMs());
  return { disk, model: new CrashModel(disk.root) };
}

function open(disk: Disk, calls: FileCalls = disk.calls()): Promise<FileSystemStore> {
  return FileSystemStore.open({ root: ROOT, calls, clock, random });
}

/** The keys that each state has which a power loss may leave now. */
async function keysLeft(disk: Disk, model: CrashModel): Promise<string[][]> {
  for (const change of disk.changes.slice(model.position)) model.take(change);
  const left: string[][] = [];
  for (const { root } of model.states(1_000, random).states) {
    const keys: string[] = [];
    const store = await open(new Disk(() => clock.nowMs(), { root }));
    for await (const { objects } of store.list()) keys.push(...objects.map(({ key }) => key));
    left.push(keys.toSorted());
  }
  return left;
}

/** Names a durable file, and dies before the fsync of the folder. */
async function nameAndDie(calls: FileCalls, name: string): Promise<void> {
  const path = `${ROOT}/.tmp/of-the-dead-${name.replaceAll("/", "-")}`;
  const file = await calls.open(path, OPEN_CREATE);
  await calls.write(file, some, 0);
  await calls.fsync(file);
  await calls.close(file);
  await calls.link(path, `${ROOT}/${name}`);
}

test("[F4] folders above the root that somebody made and did not sync are synced", async () => {
  const { disk, model } = newDisk();
  const dead = disk.calls();
  for (const folder of ["/srv", "/srv/brainy", ROOT]) await dead.mkdir(folder);
  await (await open(disk)).put("k", some);
  expect(new Set((await keysLeft(disk, model)).map(String))).toEqual(new Set(["k"]));
});

test("[F4] whoever deletes what a dead process has deleted makes that durable", async () => {
  for (const isChained of [false, true]) {
    const { disk, model } = newDisk();
    const store = await open(disk);
    const { etag } = await store.put("a/k", some);
    if (isChained) await store.put("a/k", some, { condition: { ifMatch: etag } });
    const dead = disk.calls();
    if (isChained) await dead.mkdir(`${ROOT}/a/.k.versions/0000000000000003`);
    await dead.unlink(`${ROOT}/a/k`);
    expect(new Set((await keysLeft(disk, model)).map(String))).toEqual(new Set(["", "a/k"]));
    await (await open(disk)).deleteMany(["a/k"]);
    expect(new Set((await keysLeft(disk, model)).map(String))).toEqual(new Set([""]));
  }
});

test("[F10] what a dead process has named is durable before anything is made or removed for it", async () => {
  for (const change of ["put", "stream", "replace", "delete"] as const) {
    const { disk, model } = newDisk();
    const store = await open(disk);
    const { etag } = await store.put("log/old", some);
    await store.put("settings/other", some);
    const dead = disk.calls();
    await nameAndDie(dead, "settings/k");
    const before = await keysLeft(disk, model);
    expect(before.some((keys) => !keys.includes("settings/k"))).toBe(true);

    const reader = await open(disk);
    expect((await reader.get("settings/k"))?.bytes).toEqual(some);
    if (change === "put") await reader.put("log/new", some);
    if (change === "stream") await reader.putStream("log/new", chunks());
    if (change === "replace") await reader.put("log/old", some, { condition: { ifMatch: etag } });
    if (change === "delete") await reader.deleteMany(["log/old"]);
    for (const keys of await keysLeft(disk, model)) expect(keys, change).toContain("settings/k");
  }
});

test("[F10] a version that a dead process has made is durable before anything is made for it", async () => {
  const { disk, model } = newDisk();
  const store = await open(disk);
  const { etag } = await store.put("k", some);
  await store.put("k", some, { condition: { ifMatch: etag } });
  await disk.calls().mkdir(`${ROOT}/log`);
  await nameAndDie(disk.calls(), ".k.versions/0000000000000003");
  const reader = await open(disk);
  const seen = (await reader.head("k"))!.etag;
  expect(seen).toMatch(/^3-/);
  await reader.put("log/new", some);
  for (const change of disk.changes.slice(model.position)) model.take(change);
  for (const { root } of model.states(1_000, random).states) {
    const left = await open(new Disk(() => clock.nowMs(), { root }));
    expect((await left.head("k"))?.etag).toBe(seen);
  }
});

test("[F10] what was written here or is known to be durable costs no fsync more", async () => {
  const { disk } = newDisk();
  const store = await open(disk);
  const cost = async (run: () => Promise<unknown>): Promise<number> => {
    const before = disk.syncs;
    await run();
    return disk.syncs - before;
  };
  await store.put("a/1", some);
  await store.get("a/1");
  expect(await cost(() => store.put("b/1", some))).toBe(3);
  expect(await cost(() => store.put("b/2", some))).toBe(2);
  await (await open(disk)).put("c/1", some);
  expect(await cost(() => store.get("c/1"))).toBe(0);
  expect(await cost(() => store.put("b/3", some))).toBe(3);
  await store.get("c/1");
  expect(await cost(() => store.put("b/4", some))).toBe(2);
});

test("[F10] of a folder that was removed by hand nothing is made durable", async () => {
  const { disk } = newDisk();
  await (await open(disk)).put("a/k", some);
  const store = await open(disk);
  await store.get("a/k");
  const person = disk.calls();
  await person.unlink(`${ROOT}/a/k`);
  await person.rmdir(`${ROOT}/a`);
  await store.put("b/k", some);
  expect(await store.get("a/k")).toBeUndefined();
});

test("[F10] what was read from a thousand folders is made durable with few files open", async () => {
  const { disk, model } = newDisk();
  const writer = await open(disk);
  for (let i = 0; i < 1_000; i++) await writer.put(`log/${i}/0`, some);
  const reader = await open(disk);
  for (let i = 0; i < 1_000; i++) await reader.get(`log/${i}/0`);
  await nameAndDie(disk.calls(), "log/999/1");
  await reader.get("log/999/1");
  const { syncs } = disk;
  disk.openedMax = 0;
  await reader.put("k", some);
  // Of each lane, of the file, of its folder, and of three folders above.
  expect(disk.syncs - syncs).toBeGreaterThanOrEqual(1_002);
  expect(disk.openedMax).toBeLessThan(32);
  for (const keys of await keysLeft(disk, model)) expect(keys).toContain("log/999/1");
});

test("[F10] whoever reads without end still owes the fsync of every folder, once", async () => {
  const { disk } = newDisk();
  const calls = disk.calls();
  for (const name of ["/a", "/b"]) await calls.mkdir(name);
  const sightings = new FileSightings(new FileFolders("/", calls));
  const read = (folder: string, from: number, count: number): void => {
    for (let i = from; i < from + count; i++) sightings.saw(folder, String(i) as Etag);
  };
  read("/a", 0, 10);
  read("/b", 10, 250_000);
  const settled = sightings.settle();
  // Too much once more, while the fsyncs are under way.
  read("/b", 300_000, 150_000);
  await settled;
  expect(disk.syncs).toBe(2);
  await sightings.settle();
  await sightings.settle();
  expect(disk.syncs).toBe(4);
});

test("[F4] after one failed fsync nothing is acknowledged any more", async () => {
  for (const what of ["file", "folder"] as const) {
    const { disk } = newDisk();
    const store = await open(disk);
    await store.put("k", some);
    disk.faults = { failingSync: disk.syncs + (what === "file" ? 0 : 1) };
    // One that was under way, too: its own fsync is fine.
    const [first, second] = [store.put("l", some), store.put("m", some)];
    await expect(Promise.any([first, second])).rejects.toThrow();
    for (const put of [first, second]) await expect(put).rejects.toMatchObject(fenced);
    await expect(store.put("n", some)).rejects.toMatchObject(fenced);
    await expect(store.putStream("n", chunks())).rejects.toMatchObject(fenced);
    await expect(store.deleteMany(["k"])).rejects.toMatchObject(fenced);
    expect((await store.get("k"))?.bytes).toEqual(some);
    expect(await store.get("n")).toBeUndefined();
    await (await open(disk)).put("n", some);
  }
});

test("[F4] a failed fsync is told before anything else that fails, so that no look makes it good", async () => {
  const { disk } = newDisk();
  await (await open(disk)).put("other", some);
  let isNamed = false;
  const system = disk.calls(immediately);
  const calls: FileCalls = {
    ...system,
    async link(existing, added) {
      await system.link(existing, added);
      if (!added.endsWith("/k")) return;
      isNamed = true;
      disk.faults = { failingSync: disk.syncs };
    },
    async lstat(path) {
      // Once, as when too many files are open.
      if (isNamed && path.endsWith(".versions")) {
        isNamed = false;
        throw systemFailure("EMFILE", "lstat", path);
      }
      return system.lstat(path);
    },
  };
  const store = await open(disk, calls);
  await expect(store.put("k", some, ABSENT)).rejects.toMatchObject(fenced);
  await (await open(disk)).deleteMany(["k"]);
  const again = { store: await open(disk, calls), clock, random, key: "k", bytes: some };
  await expect(createOnce(again)).rejects.toMatchObject(fenced);
});

test("[F7] [F9] a disk that fails says nothing about hard links", async () => {
  for (const [code, expected] of [
    ["EROFS", "BRAINY_DENIED"],
    ["ENOSPC", "BRAINY_LIMIT"],
    ["EIO", "BRAINY_UNAVAILABLE"],
  ] as const) {
    const { disk } = newDisk();
    let isFailing = true;
    const system = disk.calls();
    const link: FileCalls["link"] = async (existing, added) => {
      if (isFailing) throw systemFailure(code, "link", added);
      return system.link(existing, added);
    };
    const store = await open(disk, { ...system, link });
    await expect(store.put("k", some)).rejects.toMatchObject({ code: expected });
    isFailing = false;
    await store.put("k", some);
  }
});

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield some;
}
