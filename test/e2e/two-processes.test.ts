import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import { Brainy } from "../../src/index.ts";

/*
 * Processes that share a folder. The children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("two-processes-child.mjs", import.meta.url));

let folder = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "brainy-processes-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Message {
  readonly ready?: true;
  readonly closed?: true;
  readonly acknowledged?: readonly string[];
}

interface Writer {
  readonly process: ChildProcess;
  /** Ids that the child was told are durable. */
  readonly acknowledged: string[];
  /** Resolves when the child has ended, with the signal that ended it. */
  readonly ended: Promise<NodeJS.Signals | undefined>;
  /** Resolves when so many ids are acknowledged, or the child has ended. */
  acknowledges(count: number): Promise<void>;
  go(): void;
}

async function startWriter(name: string, count: number, ...flags: string[]): Promise<Writer> {
  const child = fork(SCRIPT, [folder, name, String(count), ...flags]);
  children.push(child);
  const acknowledged: string[] = [];
  let onChange: () => void = () => {};
  let onReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const state = { hasEnded: false };
  const ended = new Promise<NodeJS.Signals | undefined>((resolve, reject) => {
    child.once("close", (code, signal) => {
      state.hasEnded = true;
      onReady();
      onChange();
      if (code === 0 || signal !== null) resolve(signal ?? undefined);
      else reject(new Error(`${name} ended with ${code}`));
    });
  });
  ended.catch(() => undefined);
  child.on("message", (message: Message) => {
    if (message.ready === true) onReady();
    acknowledged.push(...(message.acknowledged ?? []));
    onChange();
  });
  await ready;
  return {
    process: child,
    acknowledged,
    ended,
    async acknowledges(wanted) {
      while (acknowledged.length < wanted && !state.hasEnded) {
        await new Promise<void>((resolve) => (onChange = resolve));
      }
    },
    go: () => void child.send("go"),
  };
}

/** What a process that opens the folder now sees; its objects are verified on the way. */
async function idsSeen(): Promise<string[]> {
  await using brain = new Brainy({ storage: folder, readOnly: true });
  const { problems } = await brain.verify();
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  const ids: string[] = [];
  for await (const { id } of brain.export()) ids.push(id);
  expect(await brain.count()).toBe(ids.length);
  return ids.toSorted();
}

test("two processes add to an empty folder at once, and a third sees the union", async () => {
  const writers = await Promise.all([startWriter("a", 300), startWriter("b", 300)]);
  for (const writer of writers) writer.go();
  await Promise.all(writers.map(({ ended }) => ended));
  const all = writers.flatMap(({ acknowledged }) => acknowledged);
  expect(all).toHaveLength(600);
  expect(await idsSeen()).toEqual(all.toSorted());
});

test("what one process had acknowledged before it was killed survives beside the other's", async () => {
  const [killed, other] = await Promise.all([startWriter("a", 100_000), startWriter("b", 300)]);
  killed.go();
  other.go();
  await killed.acknowledges(150);
  killed.process.kill("SIGKILL");
  expect(await killed.ended).toBe("SIGKILL");
  await other.ended;
  expect(other.acknowledged).toHaveLength(300);
  const seen = new Set(await idsSeen());
  const missing = [...killed.acknowledged, ...other.acknowledged].filter((id) => !seen.has(id));
  expect(missing).toEqual([]);
});

test("two processes that compact at the same time lose nothing of each other", async () => {
  const flags = [200, "compact"] as const;
  const writers = await Promise.all([startWriter("a", ...flags), startWriter("b", ...flags)]);
  for (const writer of writers) writer.go();
  await Promise.all(writers.map(({ ended }) => ended));
  const all = writers.flatMap(({ acknowledged }) => acknowledged);
  expect(all).toHaveLength(400);
  expect(await idsSeen()).toEqual(all.toSorted());
});

/** A clock whose polls happen when the test says so. */
class PollClock implements Clock {
  readonly nowMs = systemClock.nowMs.bind(systemClock);
  readonly monotonicMs = systemClock.monotonicMs.bind(systemClock);
  readonly breathe = systemClock.breathe.bind(systemClock);
  readonly #pollMs: number;
  #wake: (() => void) | undefined;
  #onAsleep: (() => void) | undefined;

  constructor(pollMs: number) {
    this.#pollMs = pollMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms !== this.#pollMs) return systemClock.sleep(ms, signal);
    this.#onAsleep?.();
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  /** One whole poll: resolves when the next one is waited for. */
  async poll(): Promise<void> {
    const asleep = new Promise<void>((resolve) => (this.#onAsleep = resolve));
    this.#wake!();
    await asleep;
  }
}

test("a process that only polls sees another's writes at the first poll after them", async () => {
  const pollMs = 12_345;
  const clock = new PollClock(pollMs);
  await using reader = new Brainy({ storage: folder, readOnly: true, clock, pollInterval: pollMs });
  expect(await reader.count()).toBe(0);
  const writer = await startWriter("w", 30, "stay");
  writer.go();
  await writer.acknowledges(30);
  await clock.poll();
  expect(await reader.count()).toBe(30);
  expect((await reader.search([30, 119, 1, 1], 1))[0]?.id).toBe("w29");

  // Another lane, of a process that begins when the first has compacted and gone.
  writer.process.kill("SIGKILL");
  const second = await startWriter("x", 10, "compact");
  second.go();
  await second.ended;
  expect(await reader.count()).toBe(30);
  await clock.poll();
  expect(await reader.count()).toBe(40);
  expect((await reader.get("x9"))?.metadata).toEqual({ by: "x", n: 9 });
});
