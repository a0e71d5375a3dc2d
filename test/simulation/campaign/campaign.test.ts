import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildSimulation } from "../../../scripts/simulation-build.mjs";
import { addUp, runCampaign } from "./campaign.ts";
import { markdownOf } from "./campaign-markdown.ts";
import { minimise } from "./minimise.ts";
import { ProcessPool } from "./process-pool.ts";
import { kindOfFailure, runTask, type Answer } from "./run-task.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const folder = join(ROOT, ".cache", `campaign-test-${process.pid}`);
let child: string;

beforeAll(() => {
  buildSimulation({ to: folder });
  child = join(folder, "test", "simulation", "campaign", "child.js");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("[Z5] one seed is one trace in two processes, compiled, and here", async () => {
  const pools = [0, 1].map(
    () => new ProcessPool({ child, jobs: 1, runMsMax: 60_000, rssBytesMax: 2 ** 30 }),
  );
  try {
    for (const mode of ["last-write-wins", "crdt"] as const) {
      const task = { mode, seed: 7 };
      const answers = await Promise.all([runTask(task), ...pools.map((pool) => pool.run(task))]);
      const results = answers.map((answer) => answer.kind === "passed" && answer.result);
      expect(results[0]).toHaveProperty("traceHash");
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    }
  } finally {
    for (const pool of pools) pool.close();
  }
});

test("a campaign runs modes in turn until it has done enough, and adds up what they did", async () => {
  const report = await runCampaign({
    child,
    jobs: 2,
    runMsMax: 60_000,
    rssBytesMax: 2 ** 30,
    firstSeed: 1,
    durationMs: 60_000,
    operationsMax: 100,
    modes: ["crdt", "last-write-wins"],
    nowMs: () => 0,
    log: () => {},
    onFailure: () => {},
  });
  expect(report.failures).toEqual([]);
  expect(Object.keys(report.runs).toSorted()).toEqual(["crdt", "last-write-wins"]);
  expect(report.totals["operations"]).toBeGreaterThanOrEqual(100);
  const text = markdownOf(report, { command: "npm x", when: "today", machine: "here" });
  expect(text).toContain(
    `| judged: records in reads | ${report.totals["checks"]!.toLocaleString("en-US")} |`,
  );
});

test("a campaign that is interrupted ends what it has begun, and tells of it", async () => {
  const interrupted = new AbortController();
  const lines: string[] = [];
  let nowMs = 0;
  const report = await runCampaign({
    child,
    jobs: 1,
    runMsMax: 60_000,
    rssBytesMax: 2 ** 30,
    firstSeed: 1,
    durationMs: Infinity,
    modes: ["crdt"],
    signal: interrupted.signal,
    // Progress is told of after every run.
    nowMs: () => (nowMs += 10_000),
    log(line) {
      lines.push(line);
      if (lines.length === 2) interrupted.abort();
    },
    onFailure: () => {},
  });
  expect(report.runs).toEqual({ crdt: 2 });
  expect(report.totals["operations"]).toBeGreaterThan(0);
});

test("a planted defect is found, made small, and the small one fails in the same way", async () => {
  const task = { mode: "last-write-wins", seed: 3, defect: "deletes-one-slot-more" } as const;
  const failed = (await runTask(task)) as Answer & { readonly kind: "failed" };
  expect(failed.kind).toBe("failed");
  const least = (await minimise(task, failed, runTask))!;
  expect(least.faults.length).toBeLessThan(failed.faults.length / 2);
  expect(await runTask(least.task)).toMatchObject({ kind: "failed", message: least.message });
  expect(kindOfFailure(least.message)).toBe(kindOfFailure(failed.message));
});

test("what results count is added up, by name where they count by name", () => {
  const totals: Record<string, number> = {};
  addUp(totals, { seed: 1, checks: 2, faults: { death: 3 }, more: new Map([["a", 1]]), hash: "x" });
  addUp(totals, { seed: 2, checks: 5, faults: { death: 1, stall: 1 }, more: new Map([["a", 4]]) });
  expect(totals).toEqual({ checks: 7, "faults.death": 4, "faults.stall": 1, "more.a": 5 });
});

test("failures that are likely to have one cause have one name", () => {
  const one =
    "seed 5: Error: 018bcfe5a1f0-000001-01HF7YAT00ABCDEFGHJKMNPQRS is acknowledged but not stored\n at x";
  const other =
    "seed 17: Error: 018bcfe5ffff-00000a-01HF7YAT00ABCDEFGHJKMNPQRT is acknowledged but not stored";
  expect(kindOfFailure(one)).toBe("Error: … is acknowledged but not stored");
  expect(kindOfFailure(other)).toBe(kindOfFailure(one));
  const below =
    "seed 1: Error: maintenance failed\n  because of BrainyError: p/000003.json is gone\n\nreplay";
  expect(kindOfFailure(below)).toBe("BrainyError: p/….json is gone");
});
