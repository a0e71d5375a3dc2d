import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BlockCacheCounters } from "../../src/storage/layers/block-cache.ts";
import { DiskCache } from "../../src/storage/adapters/disk-cache.ts";
import { MemoryStore } from "../../src/storage/adapters/memory.ts";
import { assertBytes, patterned } from "../../src/storage/conformance/case.ts";
import { cached } from "../../src/storage/layers/cached.ts";

/*
 * What only several processes, and a disk that is really full, can show of the disk cache. The
 * children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("disk-cache-child.mjs", import.meta.url));
const BLOCK = 4_096;
/** A third of all blocks there are. */
const BYTES_MAX = 40 * (BLOCK + 256);

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "brainy-cache-race-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Child {
  readonly process: ChildProcess;
  /** Resolves when it has read that often. */
  readonly hasRead: (times: number) => Promise<void>;
  /** What its cache counted, or how it ended. */
  readonly result: Promise<BlockCacheCounters | string>;
}

function start(seed: number, reads: number): Child {
  const given = [dir, seed, reads, BYTES_MAX, BLOCK].map(String);
  const child = fork(SCRIPT, given);
  const result = new Promise<BlockCacheCounters | string>((resolve) => {
    child.on("message", (message: { readonly counters?: BlockCacheCounters }) => {
      if (message.counters !== undefined) resolve(message.counters);
    });
    child.on("exit", (code, signal) => resolve(signal ?? `ended with ${code}`));
  });
  const hasRead = (times: number): Promise<void> =>
    new Promise((resolve, reject) => {
      child.on("message", ({ read = -1 }: { readonly read?: number }) => {
        if (read >= times) resolve();
      });
      child.on("exit", () => reject(new Error("ended before")));
    });
  return { process: child, hasRead, result };
}

/** Bytes of all blocks that are there at about one moment. */
function keptBytes(): number {
  let bytes = 0;
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.parentPath.endsWith("tmp")) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

test("[DC1] [DC9] four processes that fill and evict one small folder read every byte right", async () => {
  const children = [1, 2, 3, 4].map((seed) => start(seed, 1_500));
  const all = Promise.all(children.map(({ result }) => result));
  const next = (): Promise<undefined> =>
    new Promise((resolve) => setImmediate(() => resolve(undefined)));
  let most = 0;
  let counters: Awaited<typeof all> | undefined;
  while (counters === undefined) {
    most = Math.max(most, keptBytes());
    counters = await Promise.race([all, next()]);
  }
  for (const one of counters) {
    expect(one).toMatchObject({ corrupt: 0 });
    expect((one as BlockCacheCounters).evictions).toBeGreaterThan(0);
    expect((one as BlockCacheCounters).hits).toBeGreaterThan(0);
  }
  // It was full, and each process beyond the first may exceed the bound by an eighth.
  expect(most).toBeGreaterThan(BYTES_MAX / 2);
  expect(most).toBeLessThanOrEqual(BYTES_MAX * (1 + 3 / 8));
});

test("[DC1] a process that is killed while it fills leaves nothing that is not a block", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const child = start(seed, 1_000_000);
    await child.hasRead(20 * seed);
    child.process.kill("SIGKILL");
    expect(await child.result).toBe("SIGKILL");
  }
  expect(keptBytes()).toBeLessThanOrEqual(BYTES_MAX);
  // It compares every byte, and says what was damaged.
  expect(await start(9, 500).result).toMatchObject({ corrupt: 0 });
});

test("[DC10] on a disk that is full reads go on, and what was kept is used", async (context) => {
  const isRoot = process.getuid?.() === 0;
  if (process.platform !== "linux" || !isRoot) context.skip("mounting needs Linux and root");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", dir], { stdio: "pipe" });
  } catch (error) {
    context.skip(`mounting is not allowed here: ${String(error)}`);
  }
  try {
    const bucket = new MemoryStore();
    await bucket.put("a.seg", patterned(4 * 2 ** 20));
    const problems: string[] = [];
    const open = () =>
      cached(bucket, {
        cache: new DiskCache({
          dir,
          store: "a",
          blockBytes: 65_536,
          onProblem: (problem) => problems.push(problem),
        }),
        isImmutable: () => true,
      });
    for (let run = 0; run < 2; run++) {
      const store = open();
      for (let at = 0; at < 4 * 2 ** 20; at += 2 ** 18) {
        const found = await store.get("a.seg", { range: [at, at + 2 ** 18] });
        assertBytes(found?.bytes, patterned(4 * 2 ** 20).subarray(at, at + 2 ** 18));
      }
      const { hits, corrupt } = store.cache.counters;
      if (run === 1) expect(hits).toBeGreaterThan(8);
      expect(corrupt).toBe(0);
      await store.cache[Symbol.asyncDispose]();
      expect(problems).toHaveLength(run + 1);
      expect(problems[run]).toContain("ENOSPC");
    }
    expect(readdirSync(join(dir, "brainy-blocks-1/tmp"))).toEqual([]);
  } finally {
    execFileSync("umount", [dir]);
  }
});
