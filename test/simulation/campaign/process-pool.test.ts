import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ProcessPool } from "./process-pool.ts";

const folder = mkdtempSync(join(tmpdir(), "brainy-pool-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Seed 1 ends its process, seed 2 never ends; all others tell which process they ran in. */
const CHILD = `
process.on("disconnect", () => process.exit());
process.on("message", ({ seed }) => {
  if (seed === 1) process.exit(3);
  if (seed === 2) for (;;);
  process.send({ kind: "passed", result: { pid: process.pid }, rssBytes: seed === 9 ? 2000 : 10 });
});
`;

test("a process that dies or hangs is one failure, and the others go on", async () => {
  const child = join(folder, "child.mjs");
  writeFileSync(child, CHILD);
  const pool = new ProcessPool({ child, jobs: 2, runMsMax: 3_000, rssBytesMax: 1_000 });
  try {
    const answers = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((seed) => pool.run({ mode: "crdt", seed })),
    );
    expect(answers.map(({ kind }) => kind)).toEqual([
      "passed",
      "failed",
      "failed",
      "passed",
      "passed",
      "passed",
    ]);
    expect(answers[1]).toMatchObject({ message: "the process ended: 3" });
    expect(answers[2]).toMatchObject({ message: "the run did not end in 3000 ms" });
    expect(pool.restarts).toBe(2);
  } finally {
    pool.close();
  }
});

test("a process that holds too much makes room for a new one", async () => {
  const child = join(folder, "child.mjs");
  writeFileSync(child, CHILD);
  const pool = new ProcessPool({ child, jobs: 1, runMsMax: 10_000, rssBytesMax: 1_000 });
  try {
    const pids: unknown[] = [];
    for (const seed of [0, 9, 0, 0]) {
      const answer = await pool.run({ mode: "crdt", seed });
      pids.push(answer.kind === "passed" && (answer.result as unknown as { pid: number }).pid);
    }
    const [first, same, second, again] = pids;
    expect([first === same, same === second, second === again]).toEqual([true, false, true]);
    expect(pool.restarts).toBe(1);
  } finally {
    pool.close();
  }
});
