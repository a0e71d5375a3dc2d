import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PutBucketPolicyCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { manifestKey, segmentKey, slotKey } from "../../src/format/keys.ts";
import type { SegmentId } from "../../src/format/manifest.ts";
import type { LaneId } from "../../src/format/version.ts";
import { Brainy } from "../../src/index.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import type { S3StoreOptions } from "../../src/storage/adapters/s3-options.ts";
import type { BrainyOptions } from "../../src/types.ts";
import { REPOSITORY_ROOT } from "../repository.ts";
import { newBucket, s3Client, s3Server, type S3Server } from "../support/s3-server.ts";

/*
 * Each role does its whole job with exactly the rights of its policy in docs/guide/policies, and
 * is refused what is not among them. The user is a second one of the server, who owns nothing.
 */

const server = await s3Server();
/** Each asks for much, and waits for others to see it. */
const s3Test = (claim: string, run: () => Promise<void>): void =>
  test.skipIf(server?.other === undefined)(claim, { timeout: 60_000 }, run);
const PREFIX = "db";
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const DENIED = { code: "BRAINY_DENIED" };

interface Policy {
  readonly Version: string;
  readonly Statement: readonly Readonly<Record<string, unknown>>[];
}

/** The policy of a role as a guide's reader would fill it in, for one bucket and one user. */
function policyOf(role: string, bucket: string, user: string): Policy {
  const path = join(REPOSITORY_ROOT, `docs/guide/policies/${role}.json`);
  const text = readFileSync(path, "utf8").replaceAll("BUCKET", bucket).replaceAll("PREFIX", PREFIX);
  const { Version, Statement } = JSON.parse(text) as Policy;
  const Principal = { AWS: [`arn:aws:iam:::user/${user}`] };
  // Objects belong to who wrote them here, so the owner of the bucket has to be named too.
  const owner = {
    Effect: "Allow",
    Principal: { AWS: ["arn:aws:iam:::user/brainy"] },
    Action: "s3:*",
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
  };
  const mine = Statement.map((statement) => ({ ...statement, Principal }));
  return { Version, Statement: [...mine, owner] };
}

/** A bucket of an owner who may everything, and the same bucket for somebody with that policy. */
async function bucketFor(
  role: string,
): Promise<{ readonly owner: S3StoreOptions; readonly user: S3StoreOptions }> {
  const { other } = server as S3Server;
  const owner = { ...(await newBucket(server as S3Server)), prefix: PREFIX };
  const client = s3Client(server as S3Server);
  const Policy = JSON.stringify(policyOf(role, owner.bucket, other!.user));
  await client.send(new PutBucketPolicyCommand({ Bucket: owner.bucket, Policy }));
  client.destroy();
  const { accessKeyId, secretAccessKey } = other!;
  return { owner, user: { ...owner, accessKeyId, secretAccessKey } };
}

/** A Brainy on a bucket, and what it has warned of. */
function open(
  bucket: S3StoreOptions,
  options: BrainyOptions,
): { readonly brain: Brainy; readonly warnings: string[] } {
  const warnings: string[] = [];
  const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) };
  const brain = new Brainy({
    storage: { type: "customS3", ...bucket },
    pollInterval: 200,
    logging: { logger },
    ...options,
  });
  return { brain, warnings };
}

/** Waits for a condition that others bring about, by asking again. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Writes to, and deletes of, keys that the role may or may not touch. */
async function expectRights(
  bucket: S3StoreOptions,
  { puts, deletes }: { readonly puts: readonly string[]; readonly deletes: readonly string[] },
): Promise<void> {
  await using store = await S3Store.open(bucket);
  const bytes = Uint8Array.of(1);
  for (const [area, key] of Object.entries(KEYS)) {
    const put = store.put(key, bytes);
    if (puts.includes(area)) await put;
    else await expect(put, `put ${key}`).rejects.toMatchObject(DENIED);
    const gone = store.deleteMany([key]);
    if (deletes.includes(area)) await gone;
    else await expect(gone, `delete ${key}`).rejects.toMatchObject(DENIED);
  }
  await using above = await S3Store.open({ ...bucket, prefix: "" });
  await expect(above.put("another/key", bytes)).rejects.toMatchObject(DENIED);
  await expect(above.get("another/key")).rejects.toMatchObject(DENIED);
  await expect(above.list({ prefix: "another/" }).next()).rejects.toMatchObject(DENIED);
  await expect(above.list().next()).rejects.toMatchObject(DENIED);
}

/** One key of each kind, all of which may be made and deleted without hurting anything. */
const KEYS = {
  slots: slotKey(ULID as LaneId, 7),
  "first manifest": manifestKey(1),
  manifests: manifestKey(0),
  segments: segmentKey(ULID as SegmentId, 100),
  settings: "_brainy/config.json",
  "fixed settings": "_brainy/fixed-settings.json",
  leases: "_brainy/leases/p007.json",
  checkpoints: "_brainy/checkpoints/x.json",
  heartbeats: `_brainy/heartbeats/x.${ULID}.json`,
  probe: "_brainy/probe/x",
  "what is no part of a database": "notes.txt",
};

/** More than one part of an upload from 16 on. */
async function* megabytes(count: number, error?: Error): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(2 ** 20);
  if (error !== undefined) throw error;
}

async function seeded(owner: S3StoreOptions): Promise<Brainy> {
  const { brain } = open(owner, {});
  await brain.addMany(
    Array.from({ length: 20 }, (_, i) => ({ id: `r${i}`, vector: [1, i], text: `text ${i}` })),
  );
  await brain.compact();
  return brain;
}

s3Test(
  "[X10] a reader without any write opens, searches, follows, and says once that it is unseen",
  async () => {
    const { owner, user } = await bucketFor("reader");
    // An empty prefix is no error, and absence is absence, not a refusal.
    const early = open(user, { readOnly: true });
    expect(await early.brain.count()).toBe(0);
    await using writer = await seeded(owner);
    const { brain, warnings } = open(user, {
      distributed: { role: "reader", instanceId: "r", heartbeatInterval: 1_000 },
    });
    expect((await brain.search([1, 7], 1))[0]?.id).toBe("r7");
    expect((await brain.get("r3"))?.text).toBe("text 3");
    await writer.add([1, 99], {}, { id: "later" });
    await until(() => brain.has("later"));
    await writer.compact();
    await until(() => brain.has("later", { consistency: "strong" }));
    await until(async () => (await early.brain.count()) === 21);
    expect((await brain.exportAll()).length).toBe(21);
    await brain.verify();
    expect(warnings.filter((warning) => warning.includes("heartbeat"))).toHaveLength(1);
    expect(warnings).toHaveLength(1);
    expect(early.warnings).toEqual([]);
    await brain.close();
    await early.brain.close();
    await expectRights(user, { puts: [], deletes: [] });
  },
);

s3Test("a reader with a heartbeat is seen, and may write nothing else", async () => {
  const { owner, user } = await bucketFor("reader-with-heartbeat");
  await (await seeded(owner)).close();
  const { brain, warnings } = open(user, { distributed: { role: "reader", instanceId: "r" } });
  expect((await brain.search([1, 7], 1))[0]?.id).toBe("r7");
  const { instances } = await brain.getDistributedConfig();
  expect(instances["r"]).toMatchObject({ role: "reader", status: "active" });
  await brain.close();
  expect(warnings).toEqual([]);
  await expectRights(user, { puts: ["heartbeats"], deletes: ["heartbeats"] });
});

s3Test(
  "a writer creates a database and writes it, and deletes nothing; another one compacts",
  async () => {
    const { owner, user } = await bucketFor("writer");
    const { brain, warnings } = open(user, {
      compaction: false,
      distributed: { role: "writer", instanceId: "w" },
    });
    await brain.add([1, 0], {}, { id: "one" });
    await brain.addMany(Array.from({ length: 1_500 }, (_, i) => ({ id: `r${i}`, vector: [1, i] })));
    await brain.update("r1", { metadata: { seen: true } });
    expect(await brain.delete(["r2", "r3"])).toBe(2);
    expect((await brain.get("r1", { consistency: "strong" }))?.metadata).toEqual({ seen: true });
    await using compactor = open(owner, {}).brain;
    await compactor.compact();
    await brain.add([1, 5], {}, { id: "after" });
    await brain.add([1, 6], {}, { id: "only once", ifAbsent: true });
    await brain.delete("only once");
    await brain.close();
    expect(warnings).toEqual([]);
    expect(await compactor.count(undefined, { consistency: "strong" })).toBe(1_500);
    await expectRights(user, {
      puts: [
        "slots",
        "first manifest",
        "settings",
        "fixed settings",
        "leases",
        "heartbeats",
        "probe",
      ],
      deletes: ["heartbeats", "probe"],
    });
  },
);

s3Test(
  "a maintainer compacts and collects what others write, and changes no settings",
  async () => {
    const { owner, user } = await bucketFor("maintainer");
    await using writer = open(owner, { compaction: false }).brain;
    for (let i = 0; i < 30; i++) await writer.add([1, i], {}, { id: `r${i}` });
    await using store = await S3Store.open(owner);
    await store.put(KEYS.segments, Uint8Array.of(1));
    await using mine = await S3Store.open(user);
    const large = segmentKey("01ARZ3NDEKTSV4RRFFQ69G5FAW" as SegmentId, 100);
    await mine.putStream(large, megabytes(17));
    await expect(mine.putStream(large, megabytes(17, new Error("given up")))).rejects.toThrow("up");
    const { brain, warnings } = open(user, {});
    await brain.compact();
    // What a dead job would have left behind.
    expect(await store.head(KEYS.segments)).toBeUndefined();
    expect(await store.head(large)).toBeUndefined();
    expect((await brain.verify()).ok).toBe(true);
    expect(brain.getMetrics().index).toMatchObject({ segments: 1, tailOperations: 0 });
    await brain.close();
    expect(warnings).toEqual([]);
    await expectRights(user, {
      puts: ["slots", "first manifest", "manifests", "segments", "probe"],
      deletes: ["slots", "first manifest", "manifests", "segments", "checkpoints", "probe"],
    });
  },
);

s3Test("a hybrid does everything, in its own prefix", async () => {
  const { user } = await bucketFor("hybrid");
  const { brain, warnings } = open(user, { distributed: { role: "hybrid", instanceId: "h" } });
  await brain.addMany(Array.from({ length: 100 }, (_, i) => ({ id: `r${i}`, vector: [1, i] })));
  await brain.compact();
  await brain.checkpoint("before");
  await brain.delete("r1");
  await brain.compact();
  expect((await brain.search([1, 7], 1))[0]?.id).toBe("r7");
  expect((await brain.exportAll()).length).toBe(99);
  await brain.deleteCheckpoint("before");
  await brain.close();
  expect(warnings).toEqual([]);
  const all = Object.keys(KEYS).filter((area) => area !== "what is no part of a database");
  await expectRights(user, {
    puts: all,
    deletes: all.filter((area) => !/settings|leases/.test(area)),
  });
});
