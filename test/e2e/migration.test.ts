import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { BrainyRecord } from "../../src/types.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";
import { run, runJson, runOk } from "./cli-run.ts";

/*
 * From one process over a folder to a fleet over a bucket, by the command and in code: every record
 * is there afterwards, as it was.
 */

const server = await s3Server();
// The reason was printed by `s3Server`.
const s3Test = test.skipIf(server === undefined);

/** Records of every kind that there is, by id, without versions: these belong to one database. */
async function contents(brain: Brainy): Promise<Map<string, object>> {
  const found = new Map<string, object>();
  for await (const { version: _, ...record } of brain.export({ consistency: "strong" })) {
    found.set(record.id, plain(record));
  }
  return found;
}

function plain({ vector, ...record }: Omit<BrainyRecord, "version">): object {
  return { ...record, vector: vector === undefined ? undefined : [...vector] };
}

async function fill(brain: Brainy): Promise<void> {
  const many = Array.from({ length: 2_500 }, (_, i) => ({
    id: `r${i}`,
    text: `text ${i} of ${i % 7} foxes`,
    metadata: { i, tags: [`t${i % 3}`], nested: { half: i / 2, none: null } },
  }));
  await brain.addMany(many);
  await brain.compact();
  await brain.add(
    { name: "drill", price: 99.99 },
    { kept: true },
    { id: "an object", type: "tool" },
  );
  await brain.add("expires one day", {}, { id: "expiring", expiresAt: "2999-01-01T00:00:00Z" });
  await brain.add("über den Dächern – 屋根", {}, { id: 'ü/ñ "quoted"', domain: "words" });
  await brain.update("r7", { metadata: { changed: "later" }, text: "another text" });
  await brain.delete(["r8", "r9"]);
}

interface Places {
  readonly folder: string;
  readonly database: string;
  readonly endpoint: string;
  readonly storage: { readonly type: "customS3"; readonly bucket: string; readonly prefix: string };
}

async function places(): Promise<Places> {
  const folder = mkdtempSync(join(tmpdir(), "brainy-migration-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { bucket, ...given } = await newBucket(server!);
  process.env["AWS_ACCESS_KEY_ID"] = given.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = given.secretAccessKey;
  const storage = { type: "customS3", ...given, bucket, prefix: "products" } as const;
  return { folder, storage, database: `s3://${bucket}/products`, endpoint: given.endpoint! };
}

s3Test("export piped into import moves a folder into a bucket, each record as it was", async () => {
  const { folder, database, endpoint, storage } = await places();
  const brain = new Brainy({ storage: folder });
  await fill(brain);
  const before = await contents(brain);
  await brain.close();
  const bucket = ["-d", database, "--endpoint", endpoint];
  expect(await run(["stats", ...bucket])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("holds no database"),
  });
  const input = await runOk(["export", "-d", folder]);
  const { imported } = await runJson<{ imported: number }>(["import", "-", ...bucket], { input });
  expect(imported).toBe(before.size);
  await using moved = new Brainy({ storage, readOnly: true });
  const after = await contents(moved);
  expect(after.size).toBe(2_501);
  expect(after).toEqual(before);
  await using original = new Brainy({ storage: folder, readOnly: true });
  const [query, k] = ["foxes on a roof", 20];
  const ids = async (of: Brainy) => (await of.search(query, k)).map(({ id }) => id).toSorted();
  expect(await ids(moved)).toEqual(await ids(original));
});

s3Test(
  "in code a folder becomes a fleet: a writer takes everything over, a reader shows it",
  async () => {
    const { folder, storage } = await places();
    await using brain = new Brainy({ storage: folder });
    await fill(brain);
    await using writer = new Brainy({ storage, distributed: { role: "writer" } });
    const { added, failed } = await writer.import(brain.export());
    expect({ added, failed }).toEqual({ added: 2_501, failed: [] });
    await using reader = new Brainy({ storage, distributed: { role: "reader" } });
    expect(await contents(reader)).toEqual(await contents(brain));
  },
);

s3Test("every command works on a bucket", async () => {
  const { database, endpoint } = await places();
  const bucket = ["-d", database, "--endpoint", endpoint];
  const input = '{"id":"fox","text":"Foxes sleep in a den"}\n{"id":"owl","text":"Owls hunt"}\n';
  await runOk(["import", "-", ...bucket], { input });
  expect(await runOk(["search", "where do foxes sleep?", "-k", "1", ...bucket])).toContain("fox");
  expect(await runJson(["count", ...bucket])).toEqual({ count: 2 });
  expect(await runOk(["get", "owl", ...bucket])).toContain("Owls hunt");
  expect((await runJson<{ records: object[] }>(["list", ...bucket])).records).toHaveLength(2);
  await runOk(["checkpoint", "before", ...bucket]);
  expect(await runJson(["delete", "owl", ...bucket])).toEqual({ deleted: 1 });
  expect(await runJson(["compact", ...bucket])).toMatchObject({ records: 1, segments: 1 });
  expect(await runJson(["stats", ...bucket])).toMatchObject({ database, records: 1 });
  expect(await runJson(["verify", ...bucket])).toMatchObject({ ok: true });
  expect(await runOk(["export", "--checkpoint", "before", ...bucket])).toContain("Owls hunt");
});
