import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { StorageOption } from "../../src/types.ts";
import { REPOSITORY_ROOT } from "../repository.ts";

const CHILD = join(REPOSITORY_ROOT, "test/e2e/conditional-child.mjs");

interface Message {
  readonly ready?: true;
  readonly counted?: number;
  readonly won?: number;
  readonly closed?: true;
}

class Child {
  readonly name: string;
  readonly counted: number[] = [];
  readonly won: number[] = [];
  isClosed = false;
  readonly #process: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;

  constructor(name: string, storage: StorageOption, options: { count: number; diesAfter: number }) {
    this.name = name;
    const { count, diesAfter } = options;
    this.#process = fork(CHILD, [JSON.stringify(storage), name, String(count)]);
    let ready!: () => void;
    this.ready = new Promise((resolve) => (ready = resolve));
    this.ended = new Promise((resolve, reject) => {
      this.#process.on("message", ({ ready: isReady, counted, won, closed }: Message) => {
        this.isClosed ||= closed === true;
        if (isReady === true) ready();
        if (counted !== undefined) this.counted.push(counted);
        if (won !== undefined) this.won.push(won);
        if (this.counted.length === diesAfter) this.#process.kill("SIGKILL");
      });
      this.#process.on("exit", (code, signal) => {
        // What it said last may still be on its way.
        if (code === 0 || signal === "SIGKILL") {
          if (this.#process.connected) this.#process.once("disconnect", resolve);
          else resolve();
        } else reject(new Error(`${name} ended with ${code ?? signal}`));
      });
    });
  }

  go(): void {
    this.#process.send("go");
  }
}

/**
 * Three processes count one record up and claim others, one of which is killed in the middle.
 * Every number was counted once, every claim has one winner, and nothing acknowledged is lost.
 */
export async function countTogether(storage: StorageOption, count: number): Promise<void> {
  await using brain = new Brainy({ storage, dimensions: 2 });
  await brain.add([1, 0], { n: 0 }, { id: "counter", ifAbsent: true });
  const children = ["a", "b", "c"].map(
    (name) => new Child(name, storage, { count, diesAfter: name === "c" ? count >> 1 : -1 }),
  );
  await Promise.all(children.map(({ ready }) => ready));
  for (const child of children) child.go();
  await Promise.all(children.map(({ ended }) => ended));

  // A process that waits for another one does not end for want of something to do.
  expect(children.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
  const numbers = children.flatMap(({ counted }) => counted);
  expect(new Set(numbers).size, "a number was counted twice").toBe(numbers.length);
  const { n } = (await brain.get("counter", { consistency: "strong" }))!.metadata;
  // What the killed one had under way may have happened.
  expect([numbers.length, numbers.length + 1]).toContain(n);
  const winners = children.flatMap(({ name, won }) => won.map((seat) => [seat, name] as const));
  expect(new Set(winners.map(([seat]) => seat)).size, "a seat was won twice").toBe(winners.length);
  for (const [seat, name] of winners) {
    expect((await brain.get(`seat-${seat}`))?.metadata).toEqual({ by: name });
  }
  expect(await brain.count()).toBe(count + 1);
}
