import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, type TestContext } from "vitest";
import { FileSystemStore } from "../../src/storage/adapters/file-system.ts";
import { isBrainyError } from "../../src/base/errors.ts";

/*
 * What only several processes can show. The children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("file-system-race-child.mjs", import.meta.url));
const PROCESSES = 8;
const ROUNDS = 50;

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "brainy-race-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Message {
  readonly ready?: true;
  readonly result?: unknown;
  readonly written?: number;
}

interface Child {
  readonly process: ChildProcess;
  readonly result: Promise<unknown>;
  go(): void;
}

/** Starts a child and waits until it is ready to go. */
async function start(task: string, name: string, options = {}): Promise<Child> {
  const child = fork(SCRIPT, [task, root, name, String(ROUNDS)], options);
  let onReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const result = new Promise<unknown>((resolve, reject) => {
    child.on("message", (message: Message) => {
      if (message.ready === true) onReady();
      if ("result" in message) resolve(message.result);
    });
    child.on("exit", (code, signal) => {
      onReady();
      if (signal === null) reject(new Error(`child ended with ${code}`));
      else resolve(signal);
    });
  });
  result.catch(() => undefined);
  await ready;
  return { process: child, result, go: () => void child.send("go") };
}

async function runAll(task: string): Promise<unknown[]> {
  const names = Array.from({ length: PROCESSES }, (_, index) => `p${index}`);
  const children = await Promise.all(names.map((name) => start(task, name)));
  for (const child of children) child.go();
  return Promise.all(children.map((child) => child.result));
}

test("[F1] of eight processes that create one key exactly one wins", async () => {
  const won = (await runAll("create")) as number[][];
  const all = won.flat().toSorted((a, b) => a - b);
  expect(all).toEqual(Array.from({ length: ROUNDS }, (_, index) => index));

  const store = await FileSystemStore.open({ root });
  for (const [index, keys] of won.entries()) {
    for (const key of keys) {
      const found = await store.get(`race/${key}`);
      expect(Buffer.from(found!.bytes).toString()).toBe(`"p${index}"`);
    }
  }
  expect(readdirSync(join(root, ".tmp"))).toEqual([]);
});

test("[F3] eight processes that compare and swap lose no increment", async () => {
  const store = await FileSystemStore.open({ root });
  await store.put("counter.json", new TextEncoder().encode('{"total":0,"by":{}}'));
  const conflicts = (await runAll("increment")) as number[];

  const found = await store.get("counter.json");
  const { total } = JSON.parse(Buffer.from(found!.bytes).toString()) as { total: number };
  expect(total).toBe(PROCESSES * ROUNDS);
  // Processes that never met would have shown nothing.
  expect(conflicts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
});

test("[F2] a process killed while it writes leaves no torn object", async () => {
  const store = await FileSystemStore.open({ root });
  let seen = 0;
  for (let round = 1; round <= 6; round++) {
    rmSync(join(root, "kill"), { recursive: true, force: true });
    const child = await start("write", "w");
    const killed = new Promise<void>((resolve) => {
      child.process.on("message", ({ written }: Message) => {
        // In the middle of the writes that follow, which differ in kind from round to round.
        if (written !== undefined && written >= 3 + round) resolve();
      });
    });
    child.go();
    await killed;
    child.process.kill("SIGKILL");
    expect(await child.result).toBe("SIGKILL");
    for await (const { objects } of store.list({ prefix: "kill/" })) {
      for (const { key, bytesTotal } of objects) {
        const { bytes } = (await store.get(key))!;
        seen++;
        expect(bytes.byteLength).toBe(bytesTotal);
        expect(new DataView(bytes.buffer).getUint32(0)).toBe(bytesTotal - 4);
        const body = bytes.subarray(4);
        expect(body.every((value) => value === body[0])).toBe(true);
      }
    }
  }
  expect(seen).toBeGreaterThan(20);
});

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A file system of one megabyte at `root`, or a skipped test that says why. */
function mountSmall(context: TestContext): void {
  if (process.platform !== "linux" || !isRoot()) context.skip("mounting needs Linux and root");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", root], { stdio: "pipe" });
  } catch (error) {
    context.skip(`mounting is not allowed here: ${String(error)}`);
  }
}

test("[F7] a full disk is BRAINY_LIMIT, leaves nothing behind and is no end", async (context) => {
  mountSmall(context);
  try {
    const store = await FileSystemStore.open({ root });
    await store.put("before", new Uint8Array(100));
    const large = new Uint8Array(2 << 20);
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < large.byteLength; at += 65_536) yield large.subarray(at, at + 65_536);
    };
    const condition = { ifAbsent: true } as const;
    for (const write of [
      () => store.put("large", large, { condition }),
      () => store.put("large", large),
      () => store.putStream("large", chunks()),
    ]) {
      const error: unknown = await write().catch((reason: unknown) => reason);
      expect(isBrainyError(error, "BRAINY_LIMIT")).toBe(true);
      expect((error as Error).cause).toMatchObject({ code: "ENOSPC" });
      expect(readdirSync(join(root, ".tmp"))).toEqual([]);
    }
    expect(existsSync(join(root, "large"))).toBe(false);
    await store.put("after", new Uint8Array(100), { condition });
    expect((await store.get("before"))?.bytesTotal).toBe(100);
  } finally {
    execFileSync("umount", [root]);
  }
});

test("[F7] a folder that may not be written is BRAINY_DENIED", async (context) => {
  mkdirSync(join(root, "made"));
  chmodSync(root, 0o555);
  // Root may write anywhere, so it asks a child that is nobody.
  const nobody = isRoot() ? { uid: 65_534, gid: 65_534 } : {};
  const child = await start("attempt", "n", nobody);
  if (child.process.exitCode !== null) context.skip("another user may not read this checkout");
  child.go();
  expect(await child.result).toEqual({ code: "BRAINY_DENIED", cause: "EACCES" });
  chmodSync(root, 0o755);
  expect(readdirSync(root)).toEqual(["made"]);
});
