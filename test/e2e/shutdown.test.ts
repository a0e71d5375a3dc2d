import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { decodeSlot } from "../../src/format/slot.ts";
import { Brainy } from "../../src/index.ts";
import type { StorageOption } from "../../src/types.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * Processes that end because they are told to. The children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("shutdown-child.mjs", import.meta.url));
const server = await s3Server();

/** Sends `SIGTERM` to a child that writes, and waits for its end. */
async function endWhileWriting(
  storage: StorageOption,
  mode = "",
): Promise<{
  readonly code: number | null;
  readonly signal: string | null;
  readonly acknowledged: readonly string[];
  readonly said: string;
}> {
  const folder = mkdtempSync(join(tmpdir(), "brainy-shutdown-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const acknowledged = join(folder, "acknowledged");
  const child = fork(SCRIPT, [JSON.stringify({ storage, acknowledged, mode })], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { ...process.env, BRAINY_ROLE: "" },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  await Promise.race([
    once(child, "message"),
    ended.then(() => expect.unreachable(`it ended before it wrote: ${said}`)),
  ]);
  child.kill("SIGTERM");
  const [code, signal] = (await ended) as [number | null, string | null];
  const lines = readFileSync(acknowledged, "utf8").trim().split("\n");
  return { code, signal, acknowledged: lines, said };
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "brainy-shutdown-data-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** All that was acknowledged is there, and nobody has to wait for the one that left. */
async function expectLeftInOrder(
  storage: StorageOption,
  acknowledged: readonly string[],
): Promise<void> {
  await using brain = new Brainy({ storage, distributed: { role: "hybrid", instanceId: "after" } });
  const found = await brain.getMany(acknowledged, { consistency: "strong" });
  expect(acknowledged.filter((_, i) => found[i] === undefined)).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(5);
  expect(Object.keys((await brain.getDistributedConfig()).instances)).toEqual(["after"]);
  await brain.compact();
  const report = await brain.verify();
  expect(report.problems.filter(({ severity }) => severity !== "info")).toEqual([]);
}

test("a process that is told to end flushes, seals and deregisters, and exits with 0", async () => {
  const storage = newFolder();
  const { code, signal, acknowledged, said } = await endWhileWriting(storage);
  expect({ code, signal, said }).toEqual({ code: 0, signal: null, said: "" });
  const lanes = join(storage, "_brainy/wal");
  const [lane] = readdirSync(lanes);
  const last = readdirSync(join(lanes, lane!)).toSorted().at(-1)!;
  expect(decodeSlot(new Uint8Array(readFileSync(join(lanes, lane!, last))), last).kind).toBe(
    "seal",
  );
  await expectLeftInOrder(storage, acknowledged);
});

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)("so does one on a bucket", async () => {
  const storage = { type: "customS3", ...(await newBucket(server!)), prefix: "db" } as const;
  const { code, signal, acknowledged } = await endWhileWriting(storage);
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  await expectLeftInOrder(storage, acknowledged);
});

test("closing that takes too long ends the process all the same, and says so", async () => {
  const { code, said } = await endWhileWriting(newFolder(), "stuck");
  expect(code).toBe(1);
  expect(said).toMatch(/closing took longer than 50 ms; what was acknowledged is durable/);
});

test("who else listens to the signal decides when the process ends, and how", async () => {
  const storage = newFolder();
  const { code, acknowledged } = await endWhileWriting(storage, "other");
  expect(code).toBe(7);
  expect(acknowledged.length).toBeGreaterThan(5);
});
