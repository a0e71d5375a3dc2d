import { once } from "node:events";
import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonLines, runJson, runOk, start, temporaryFolder, type Running } from "./cli-run.ts";

/*
 * An import reads its input only as fast as it writes, with two batches at most in memory. So
 * once many batches have gone into the pipe, most of them are acknowledged: that is how these
 * tests know, without waiting for a time, that a signal arrives in the middle of the work.
 */

const BATCH = 100;
const BATCHES = 40;

/** Feeds records `0`, `1`, … and leaves standard input open, like a source that has paused. */
async function feed({ child }: Running): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) {
    const records = Array.from({ length: BATCH }, (_, i) => {
      const number = batch * BATCH + i;
      const id = String(number).padStart(6, "0");
      return { id, vector: [number, 1], text: `record ${number} `.repeat(30), metadata: {} };
    });
    if (!child.stdin.write(jsonLines(records))) await once(child.stdin, "drain");
  }
}

const importing = (database: string): readonly string[] => [
  ...["import", "-", "-d", database, "--batch-size", String(BATCH), "--json"],
];

/** The records there are the first ones that were fed, with none left out. */
async function expectPrefix(database: string): Promise<number> {
  expect(await runJson(["verify", "-d", database])).toMatchObject({ ok: true });
  const { count } = await runJson<{ count: number }>(["count", "-d", database]);
  const last = String(count - 1).padStart(6, "0");
  const filter = JSON.stringify({ id: { $lte: last } });
  expect(await runJson(["count", "-d", database, "--filter", filter])).toEqual({ count });
  return count;
}

for (const [signal, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} in a large import ends with ${exitCode} and keeps what was acknowledged`, async () => {
    const database = join(temporaryFolder(), "db");
    const running = start(importing(database));
    await feed(running);
    running.child.kill(signal);
    const { code, stdout, stderr } = await running.ended;
    expect(stderr).toBe("");
    expect(code).toBe(exitCode);
    const summary = JSON.parse(stdout) as { imported: number; isInterrupted: boolean };
    expect(summary.isInterrupted).toBe(true);
    expect(summary.imported).toBeGreaterThanOrEqual(BATCH);
    expect(await expectPrefix(database)).toBe(summary.imported);
  });
}

test("a second SIGINT ends at once, and so does SIGKILL; the database is in order", async () => {
  for (const signals of [["SIGINT", "SIGINT"], ["SIGKILL"]] as const) {
    const database = join(temporaryFolder(), "db");
    const running = start(importing(database));
    await feed(running);
    for (const signal of signals) running.child.kill(signal);
    const { code } = await running.ended;
    expect([130, null]).toContain(code);
    const count = await expectPrefix(database);
    expect(count).toBeGreaterThanOrEqual(BATCH);
    await runOk(["import", "-", "-d", database], { input: jsonLines([{ vector: [1, 1] }]) });
    expect(await runJson(["count", "-d", database])).toEqual({ count: count + 1 });
  }
});

test("SIGINT ends an export whose reader has stopped reading, and leaves no part of a file", async () => {
  const folder = temporaryFolder();
  const args = ["-d", join(folder, "db")];
  const text = "long enough to fill a pipe ".repeat(40);
  const records = Array.from({ length: 1_000 }, (_, i) => ({ vector: [i, 1], text, metadata: {} }));
  await runOk(["import", "-", ...args], { input: jsonLines(records) });

  const stuck = start(["export", ...args]);
  await once(stuck.child.stdout, "data");
  stuck.child.stdout.pause();
  stuck.child.kill("SIGINT");
  const [code] = (await once(stuck.child, "exit")) as [number];
  stuck.child.stdout.resume();
  expect(code).toBe(130);

  const out = join(folder, "out.jsonl");
  const watcher = watch(folder);
  const toFile = start(["export", "-o", out, ...args]);
  await once(watcher, "change");
  watcher.close();
  toFile.child.kill("SIGINT");
  const ended = await toFile.ended;
  // It may have been done just before.
  expect(readdirSync(folder)).toEqual(ended.code === 130 ? ["db"] : ["db", "out.jsonl"]);
});
