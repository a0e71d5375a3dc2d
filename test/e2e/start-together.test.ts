import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

const SCRIPT = fileURLToPath(new URL("start-together-child.mjs", import.meta.url));
const server = await s3Server();
const COUNT = 8;

async function said<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, "message")) as [T];
  return message;
}

/** Eight processes make a database at the same moment; all must have made the same one. */
async function startTogether(storage: string): Promise<void> {
  const children = Array.from({ length: COUNT }, (_, number) =>
    fork(SCRIPT, [JSON.stringify({ storage, number })], {
      env: { ...process.env, BRAINY_ROLE: "" },
    }),
  );
  onTestFinished(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  await Promise.all(children.map((child) => said(child)));
  const answers = children.map((child) => said<{ readonly databaseId: string }>(child));
  for (const child of children) child.send("write");
  const found = await Promise.all(answers);
  expect(found[0]!.databaseId).toMatch(/^[0-9a-f]{32}$/);
  expect(found).toEqual(
    Array.from({ length: COUNT }, () => ({ databaseId: found[0]!.databaseId, dimensions: 2 })),
  );

  const brain = new Brainy({ storage, distributed: { role: "reader", instanceId: "reader" } });
  onTestFinished(() => brain.close());
  expect(await brain.count({}, { consistency: "strong" })).toBe(COUNT);
  const { settings, instances } = await brain.getDistributedConfig();
  expect(settings.databaseId).toBe(found[0]!.databaseId);
  expect(Object.keys(instances)).toHaveLength(COUNT + 1);
  const ended = children.map((child) => once(child, "exit"));
  for (const child of children) child.send("close");
  await Promise.all(ended);
  const report = await brain.verify();
  expect(report.problems.filter(({ severity }) => severity !== "info")).toEqual([]);
}

test("[S1] however many start at once on a folder, they make one database", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-together-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await startTogether(folder);
});

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)("[S1] nor does it matter on a bucket", async () => {
  const storage = { type: "customS3", ...(await newBucket(server!)), prefix: "db" } as const;
  const brains = Array.from(
    { length: COUNT },
    (_, i) => new Brainy({ storage, distributed: { role: "writer", instanceId: `w-${i}` } }),
  );
  onTestFinished(async () => {
    await Promise.all(brains.map((brain) => brain.close()));
  });
  await Promise.all(brains.map((brain) => brain.init()));
  await Promise.all(brains.map((brain, i) => brain.add([1, i], {}, { id: `record-${i}` })));
  const found = await Promise.all(brains.map((brain) => brain.getDistributedConfig()));
  const [first] = found;
  expect(first!.settings).toMatchObject({ dimensions: 2, databaseId: expect.any(String) });
  for (const { settings } of found) expect(settings).toEqual(first!.settings);
  expect(await brains[0]!.count({}, { consistency: "strong" })).toBe(COUNT);
  expect((await brains[0]!.verify()).ok).toBe(true);
});
