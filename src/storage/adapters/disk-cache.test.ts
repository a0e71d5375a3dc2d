import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock, type Clock } from "../../base/clock.ts";
import { assertBytes, patterned } from "../conformance/case.ts";
import type { CachedBlock } from "../layers/block-cache.ts";
import type { Etag } from "../object-store.ts";
import { DiskCache, type DiskCacheOptions } from "./disk-cache.ts";
import { planEviction, type CachedFile } from "./disk-cache-eviction.ts";
import { systemFileCalls, type FileCalls } from "./file-calls.ts";

const BLOCK = 1_024;
const FILE = BLOCK + 256;

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "brainy-cache-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (options: Partial<DiskCacheOptions> = {}): DiskCache =>
  new DiskCache({ dir, store: "a", blockBytes: BLOCK, bytesMax: 1_000 * BLOCK, ...options });

/** A whole block of an object that has many. */
const block = (seed: number): CachedBlock => ({
  bytes: new Uint8Array(patterned(BLOCK, seed)),
  etag: "e1" as Etag,
  bytesTotal: 1_000_000 * BLOCK,
  storeMs: 5,
});

const files = (): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();

const only = (): string => {
  const all = files();
  expect(all).toHaveLength(1);
  return all[0]!;
};

/** A clock that a test sets, for files that the system dates by its own. */
function settable(): Clock & { atMs: number; passedMs: number } {
  return {
    ...systemClock,
    atMs: 2_000_000_000_000,
    passedMs: 0,
    nowMs() {
      return this.atMs;
    },
    monotonicMs() {
      return this.passedMs;
    },
  };
}

function failing(code: string, ...names: (keyof FileCalls)[]): FileCalls & { isFailing: boolean } {
  const calls = { ...systemFileCalls, isFailing: true };
  for (const name of names) {
    const call = systemFileCalls[name] as (...all: unknown[]) => Promise<unknown>;
    (calls as Record<string, unknown>)[name] = async (...all: unknown[]) => {
      if (!calls.isFailing) return call(...all);
      throw Object.assign(new Error(`${code}: injected`), { code, syscall: name });
    };
  }
  return calls;
}

test("a block is kept with its identity, and a later run finds it", async () => {
  const before = open();
  expect(await before.read("k", 3)).toBeUndefined();
  expect(await before.write("k", 3, block(1))).toBe(true);
  await before[Symbol.asyncDispose]();
  const after = open();
  expect(await after.has("k", 3)).toBe(true);
  expect(await after.has("k", 2)).toBe(false);
  const target = new Uint8Array(BLOCK);
  const found = await after.read("k", 3, target);
  expect(found).toMatchObject({ etag: "e1", bytesTotal: 1_000_000 * BLOCK, storeMs: 5 });
  expect(found?.bytes.buffer).toBe(target.buffer);
  assertBytes(target, patterned(BLOCK, 1));
  assertBytes((await after.read("k", 3))?.bytes, patterned(BLOCK, 1));
  expect(await after.read("other", 3)).toBeUndefined();
  expect(after.counters.corrupt).toBe(0);
});

test("[DC7] a file that was damaged anywhere is a miss, is counted, and is removed", async () => {
  const cache = open();
  await cache.write("k", 0, block(1));
  const sound = readFileSync(only());
  const damages = fc.oneof(
    fc.tuple(
      fc.constant("flip" as const),
      fc.nat({ max: FILE - 1 }),
      fc.integer({ min: 1, max: 255 }),
    ),
    fc.tuple(fc.constant("cut" as const), fc.nat({ max: FILE - 1 }), fc.constant(0)),
    fc.tuple(fc.constant("zeros" as const), fc.nat({ max: FILE - 1 }), fc.constant(0)),
  );
  const path = only();
  const seen = { corrupt: 0 };
  const run = async ([kind, at, bits]: readonly [string, number, number]) => {
    const damaged = Buffer.from(sound);
    if (kind === "flip") damaged[at]! ^= bits;
    if (kind === "zeros") damaged.fill(0, at);
    if (damaged.equals(sound) && kind !== "cut") return;
    writeFileSync(path, kind === "cut" ? damaged.subarray(0, at) : damaged);
    const target = at % 2 === 0 ? new Uint8Array(BLOCK) : undefined;
    expect(await cache.read("k", 0, target)).toBeUndefined();
    expect(cache.counters.corrupt).toBe(++seen.corrupt);
    expect(files()).toEqual([]);
  };
  await fc.assert(fc.asyncProperty(damages, run), { numRuns: 300 });
  expect(seen.corrupt).toBeGreaterThan(200);
});

test("[DC7] a sound file under the name of another block is none", async () => {
  const cache = open();
  await cache.write("k", 0, block(1));
  const path = only();
  for (const other of [path.replace(/\.0$/, ".1")]) {
    renameSync(path, other);
    expect(await cache.read("k", 1)).toBeUndefined();
  }
  await cache.write("k", 0, block(1));
  await cache.write("j", 0, block(2));
  const [a, b] = files();
  renameSync(a!, b!);
  const kept = [await cache.read("k", 0), await cache.read("j", 0)];
  expect(kept).toEqual([undefined, undefined]);
  expect(cache.counters.corrupt).toBe(2);
});

test("[DC7] a symbolic link is not followed", async () => {
  const problems: string[] = [];
  const cache = open({ onProblem: (problem) => problems.push(problem) });
  await cache.write("k", 0, block(1));
  const path = only();
  const elsewhere = join(dir, "elsewhere");
  renameSync(path, elsewhere);
  symlinkSync(elsewhere, path);
  expect(await cache.read("k", 0)).toBeUndefined();
  expect(problems).toHaveLength(1);
});

test("[DC8] names have hexadecimal digits only, whatever the key", async () => {
  const cache = open();
  const root = join(dir, "brainy-blocks-1");
  for (const key of ["a/../../../etc/passwd", "..", "/absolute", "", "\0", "x".repeat(10_000)]) {
    await cache.write(key, 0, block(1));
    assertBytes((await cache.read(key, 0))?.bytes, patterned(BLOCK, 1));
  }
  expect(files()).toHaveLength(6);
  for (const path of files()) {
    expect(path.slice(root.length)).toMatch(/^\/[0-9a-f]{2}\/[0-9a-f]{32}\.0$/);
  }
});

test("[DC9] all that is kept stays within the bound, and the least recently used goes first", async () => {
  const clock = settable();
  const most = 40 * BLOCK;
  const cache = open({ bytesMax: most, clock });
  for (let i = 0; i < 200; i++) {
    clock.atMs += 1_000;
    await cache.write("k", i, block(i));
    // In use all the time.
    clock.atMs += 1;
    if (i > 0) expect(await cache.read("k", 0)).toBeDefined();
    expect(files().length * FILE).toBeLessThanOrEqual(most);
  }
  expect(cache.counters.evictions).toBe(200 - files().length);
  expect(cache.counters.bytes).toBe(files().length * FILE);
  const kept = await Promise.all(Array.from({ length: 200 }, (_, i) => cache.has("k", i)));
  const newest = kept.lastIndexOf(false) + 1;
  expect(kept[0]).toBe(true);
  expect(kept.slice(1, newest)).not.toContain(true);
  expect(200 - newest).toBeGreaterThan(20);
});

test("[DC9] a later run knows what was used, and keeps the bound too", async () => {
  const clock = settable();
  const bytesMax = 40 * BLOCK;
  const before = open({ bytesMax, clock });
  for (let i = 0; i < 25; i++) {
    clock.atMs += 120_000;
    await before.write("k", i, block(i));
    await before.read("k", i);
  }
  clock.atMs += 120_000;
  await before.read("k", 0);
  await before[Symbol.asyncDispose]();
  const after = open({ bytesMax, clock });
  for (let i = 100; i < 120; i++) {
    clock.atMs += 1_000;
    await after.write("k", i, block(i));
  }
  expect(files().length * FILE).toBeLessThanOrEqual(bytesMax);
  expect([await after.has("k", 0), await after.has("k", 1)]).toEqual([true, false]);
});

test("[DC9] runs too short to look a second time keep the bound all the same", async () => {
  const bytesMax = 40 * BLOCK;
  for (let run = 0; run < 30; run++) {
    const cache = open({ bytesMax });
    for (let i = 0; i < 3; i++) await cache.write(`k${run}`, i, block(i));
    expect(files().length * FILE).toBeLessThanOrEqual(bytesMax);
  }
});

test("[DC9] of any files the oldest go, and no more than have to", () => {
  const file = fc.record({
    path: fc.uuid(),
    bytes: fc.nat({ max: 100 }),
    usedMs: fc.nat({ max: 1_200_000 }),
    isStray: fc.boolean(),
  });
  const limits = fc.record({
    bytesMax: fc.nat({ max: 1_000 }),
    unusedMsMax: fc.option(fc.nat({ max: 1_200_000 }), { nil: undefined }),
    nowMs: fc.constant(1_200_000),
  });
  fc.assert(
    fc.property(fc.array(file), limits, (all, given) => {
      const evicted = new Set(planEviction(all, given));
      const stay = all.filter((one) => !evicted.has(one));
      const sum = stay.reduce((total, { bytes }) => total + bytes, 0);
      const { bytesMax, unusedMsMax = Number.POSITIVE_INFINITY, nowMs } = given;
      const isOver = ({ usedMs, isStray }: CachedFile): boolean =>
        nowMs - usedMs > unusedMsMax || (isStray === true && nowMs - usedMs > 600_000);
      expect(sum).toBeLessThanOrEqual(bytesMax);
      expect(stay.filter(isOver)).toEqual([]);
      const forRoom = [...evicted].filter((one) => !isOver(one));
      const oldest = Math.min(...stay.map(({ usedMs }) => usedMs));
      for (const { usedMs } of forRoom) expect(usedMs).toBeLessThanOrEqual(oldest);
      const last = forRoom.at(-1);
      if (last !== undefined) expect(sum + last.bytes).toBeGreaterThan(bytesMax);
    }),
  );
});

test("what nobody used for too long counts no more, and is removed", async () => {
  const clock = settable();
  const cache = open({ clock, unusedMsMax: 10_000 });
  await cache.write("k", 0, block(1));
  await cache.write("k", 1, block(1));
  for (const path of files()) utimesSync(path, clock.atMs / 1_000, clock.atMs / 1_000);
  for (let i = 0; i < 5; i++) {
    clock.atMs += 6_000;
    expect(await cache.read("k", 0)).toBeDefined();
  }
  expect(await cache.read("k", 1)).toBeUndefined();
  expect(files()).toHaveLength(1);
  clock.atMs += 10_001;
  await cache.tidy();
  expect(files()).toEqual([]);
  expect(cache.counters).toMatchObject({ evictions: 2, corrupt: 0, bytes: 0 });
});

test("[DC10] a folder that cannot be written to is a cache that keeps nothing, said once", async () => {
  for (const [code, name] of [
    ["ENOSPC", "write"],
    ["EACCES", "open"],
    ["EROFS", "rename"],
    ["EIO", "readdir"],
  ] as const) {
    const problems: string[] = [];
    const clock = settable();
    const calls = failing(code, name);
    const at = join(dir, code);
    const cache = open({ dir: at, calls, clock, onProblem: (problem) => problems.push(problem) });
    for (let i = 0; i < 3; i++) {
      expect(await cache.write("k", i, block(1))).toBe(false);
      expect(await cache.read("k", i)).toBeUndefined();
      clock.passedMs += 60_001;
    }
    expect(problems, code).toEqual([expect.stringContaining(code)]);
    expect(files()).toEqual([]);
    // Tried again after a while, since disks get room again.
    calls.isFailing = false;
    expect(await cache.write("k", 0, block(1))).toBe(true);
    expect(await cache.read("k", 0)).toBeDefined();
    await cache[Symbol.asyncDispose]();
    rmSync(at, { recursive: true });
  }
});

test("[DC10] where the folder's name is a file's, everything goes on without", async () => {
  const problems: string[] = [];
  writeFileSync(join(dir, "file"), "");
  const cache = open({ dir: join(dir, "file"), onProblem: (problem) => problems.push(problem) });
  expect(await cache.read("k", 0)).toBeUndefined();
  expect(await cache.write("k", 0, block(1))).toBe(false);
  await cache.forget("k");
  expect(problems).toHaveLength(1);
});

test("only files of the cache are ever removed, and leftovers of the dead after an hour", async () => {
  const cache = open({ bytesMax: 32 * BLOCK });
  await cache.write("k", 0, block(1));
  const root = join(dir, "brainy-blocks-1");
  const strangers = [
    join(dir, "mine"),
    join(root, "mine"),
    join(root, "tmp/mine"),
    join(root, "aa"),
  ];
  for (const path of strangers) writeFileSync(path, patterned(100 * BLOCK));
  const leftovers = [join(root, "tmp/1-00ff"), join(root, "tmp/2-00ff")];
  for (const path of leftovers) writeFileSync(path, "half");
  const longAgo = systemClock.nowMs() / 1_000 - 3_700;
  utimesSync(leftovers[0]!, longAgo, longAgo);
  for (let i = 0; i < 100; i++) await cache.write("k", i, block(1));
  const left = files();
  for (const path of [...strangers, leftovers[1]]) expect(left).toContain(path);
  expect(left).not.toContain(leftovers[0]);
});

test("[DC11] blocks of objects that nobody names go, once nobody used them for a while", async () => {
  const clock = settable();
  const cache = open({ clock });
  const other = open({ clock, store: "b" });
  for (const key of ["named", "stray"]) await cache.write(key, 0, block(1));
  await other.write("stray", 0, block(1));
  for (const path of files()) utimesSync(path, clock.atMs / 1_000, clock.atMs / 1_000);
  await cache.tidy(["named"]);
  expect(files()).toHaveLength(3);
  clock.atMs += 600_001;
  await cache.tidy();
  expect([await cache.has("named", 0), await cache.has("stray", 0)]).toEqual([true, false]);
  expect(await other.has("stray", 0)).toBe(true);
});

test("forgetting an object removes all of its blocks and no other's", async () => {
  const cache = open();
  for (let i = 0; i < 12; i++) await cache.write("k", i, block(i));
  await cache.write("j", 0, block(1));
  await cache.forget("k");
  expect(files()).toHaveLength(1);
  expect(await cache.read("j", 0)).toBeDefined();
});

test("a cache that was closed keeps nothing more, and has written what it was given", async () => {
  const cache = open();
  const writes = Array.from({ length: 20 }, (_, i) => cache.write("k", i, block(i)));
  await cache[Symbol.asyncDispose]();
  expect(files()).toHaveLength(20);
  expect(await Promise.all(writes)).not.toContain(false);
  expect(await cache.write("k", 20, block(1))).toBe(false);
});

test("an etag that does not fit into a header keeps its block out", async () => {
  const cache = open();
  const long = { ...block(1), etag: "e".repeat(185) as Etag };
  expect(await cache.write("k", 0, long)).toBe(false);
  expect(await cache.write("k", 0, { ...long, etag: "e".repeat(184) as Etag })).toBe(true);
  expect((await cache.read("k", 0))?.etag).toBe("e".repeat(184));
});

test("a bound below 32 blocks is refused", () => {
  expect(() => open({ bytesMax: 32 * BLOCK - 1 })).toThrow(/disk cache/);
});

// The format of files that processes of other versions may meet.
test("version 1 is frozen", async () => {
  const cache = open();
  const bytes = new Uint8Array([1, 2, 3]);
  await cache.write("k", 0, { bytes, etag: "e" as Etag, bytesTotal: 3, storeMs: 7 });
  const path = only();
  expect(path.slice(dir.length)).toBe("/brainy-blocks-1/23/ca978112ca1bc0e511d028c5f9dcd823.0");
  const hex = readFileSync(path).toString("hex");
  expect(hex.slice(0, 128)).toBe(
    "42424c4b01000100000000000300000000000000000008400000000000001c40ca978112ca1bc0e511d028c5f9dcd823a5e54e0cee133e740000000000000000",
  );
  expect(hex.slice(128)).toBe(`65${"00".repeat(183)}7c6129e97833cae0010203`);
});

test("a folder that somebody else made is not taken for ours", async (context) => {
  const elsewhere = join(dir, "elsewhere");
  const before = open({ dir: elsewhere });
  await before.write("k", 0, block(1));
  const linked = join(dir, "linked");
  mkdirSync(linked);
  symlinkSync(join(elsewhere, "brainy-blocks-1"), join(linked, "brainy-blocks-1"));
  const problems: string[] = [];
  const onProblem = (problem: string): void => void problems.push(problem);
  const cache = open({ dir: linked, onProblem });
  expect(await cache.read("k", 0)).toBeUndefined();
  expect(await cache.write("k", 0, block(1))).toBe(false);
  expect(problems).toEqual([expect.stringContaining("is not a folder that this user made")]);

  if (process.getuid?.() !== 0) context.skip("only root can give a folder away");
  chownSync(join(elsewhere, "brainy-blocks-1"), 12_345, 12_345);
  const other = open({ dir: elsewhere, onProblem });
  expect(await other.read("k", 0)).toBeUndefined();
  expect(problems).toHaveLength(2);
});
