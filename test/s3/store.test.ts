import {
  ListMultipartUploadsCommand,
  PutBucketPolicyCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { isBrainyError } from "../../src/base/errors.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { S3StoreOptions } from "../../src/storage/adapters/s3-options.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { estimateRequestCost } from "../../src/storage/cost.ts";
import { retrying } from "../../src/storage/layers/retrying.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { probeStore } from "../../src/storage/probe.ts";
import { newBucket, s3Client, s3Server, type S3Server } from "../support/s3-server.ts";

/*
 * What the suite of stores cannot ask of each of them: many processes' worth of requests at once,
 * parts, rights, prices.
 */

const server = await s3Server();
const options = server === undefined ? undefined : await newBucket(server);
const client = server === undefined ? undefined : s3Client(server);

afterAll(() => client?.destroy());

/** A test that needs the server; `s3Server` has said loudly why there is none. */
function s3Test(
  name: string,
  run: (context: { server: S3Server; options: S3StoreOptions; client: S3Client }) => Promise<void>,
): void {
  if (server === undefined || options === undefined || client === undefined) {
    // The reason was printed by `s3Server`.
    test.skip(name);
    return;
  }
  test(name, () => run({ server, options, client }));
}

const MIB = 1 << 20;
const wide = { readConcurrency: 64, writeConcurrency: 64 };

/** Bytes that nobody else writes. */
function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

s3Test("[X5] of fifty creators of one key exactly one wins, round after round", async (context) => {
  await using store = await S3Store.open({ ...context.options, prefix: "creators", s3: wide });
  for (let round = 0; round < 6; round++) {
    const creators = Array.from({ length: 50 }, (_, i) =>
      store.put(`round-${round}`, text(`creator ${i}`), { condition: { ifAbsent: true } }),
    );
    const outcomes = await Promise.allSettled(creators);
    const winners = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
    expect(winners.length).toBe(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect(isBrainyError(outcome.reason, "BRAINY_CONFLICT"), String(outcome.reason)).toBe(true);
      }
    }
    const found = await store.get(`round-${round}`);
    expect(found?.bytes).toEqual(text(`creator ${winners[0]}`));
  }
});

/** Adds its name to a list of names, and looks when it was not told whether it did. */
async function addName(store: ObjectStore, name: string): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const found = await store.get("names");
    const names = new TextDecoder().decode(found?.bytes).split(",");
    // An attempt that was not answered is in the list, or it never happened.
    if (names.includes(name)) return;
    const next = text([...names, name].join(","));
    const condition = { ifMatch: found!.etag };
    try {
      await store.put("names", next, { condition });
      return;
    } catch (error) {
      const isOpen =
        isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_UNAVAILABLE");
      if (!isOpen) throw error;
    }
  }
  throw new Error("never won");
}

s3Test("[X5] writers that compare and swap at once lose none of their changes", async (context) => {
  await using store = await S3Store.open({ ...context.options, prefix: "swap", s3: wide });
  await store.put("names", text("start"));
  const names = Array.from({ length: 24 }, (_, i) => `w${i}`);
  await Promise.all(names.map((name) => addName(store, name)));
  const found = new TextDecoder().decode((await store.get("names"))?.bytes).split(",");
  // Each exactly once: a change that was reported as unknown was not made twice either.
  expect(found.toSorted()).toEqual([...names, "start"].toSorted());
});

async function leftovers({
  client: sdk,
  options: { bucket },
}: {
  client: S3Client;
  options: S3StoreOptions;
}): Promise<number> {
  const answer = await sdk.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return answer.Uploads?.length ?? 0;
}

/** `count` pieces of 2.5 MiB, each different, from one buffer that is used again. */
async function* pieces(count: number, fail?: Error): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(2.5 * MIB);
  for (let i = 0; i < count; i++) {
    yield buffer.fill(i + 1);
    if (fail !== undefined && i === count - 1) throw fail;
  }
}

s3Test("[X6] a stream of 40 MB goes up in parts and comes back as it was", async (context) => {
  await using store = await S3Store.open({ ...context.options, prefix: "parts" });
  const { etag } = await store.putStream("big", pieces(16));
  expect(etag).toMatch(/-3$/);
  const head = await store.head("big");
  expect(head).toMatchObject({ bytesTotal: 40 * MIB, etag });
  // Begin, three parts of 16, 16 and 8 MiB, complete.
  expect(store.counters.put.requests).toBe(5);
  expect(store.counters.put.bytesIn).toBe(40 * MIB);
  for (const piece of [0, 6, 7, 15]) {
    const start = piece * 2.5 * MIB;
    const found = await store.get("big", { range: [start - 1 < 0 ? 0 : start - 1, start + 2] });
    const expected = piece === 0 ? [1, 1] : [piece, piece + 1, piece + 1];
    expect([...(found?.bytes ?? [])]).toEqual(expected);
  }
  expect(await leftovers(context)).toBe(0);
});

s3Test("[X6] a stream at the threshold is one put, one byte more are parts", async (context) => {
  const s3 = { multipartThreshold: 5 * MIB };
  await using store = await S3Store.open({ ...context.options, prefix: "edge", s3 });
  await store.putStream("at", pieces(2));
  expect(store.counters.put.requests).toBe(1);
  const over = async function* (): AsyncGenerator<Uint8Array> {
    yield* pieces(2);
    yield Uint8Array.of(9);
  };
  const { etag } = await store.putStream("over", over());
  expect(store.counters.put.requests).toBe(5);
  expect(etag).toMatch(/-2$/);
  expect((await store.get("over", { suffix: 2 }))?.bytes).toEqual(Uint8Array.of(2, 9));
});

s3Test(
  "[X6] a stream that fails or is given up leaves neither object nor parts",
  async (context) => {
    const s3 = { multipartThreshold: 5 * MIB };
    await using store = await S3Store.open({ ...context.options, prefix: "failed", s3 });
    const mine = new Error("mine");
    await expect(store.putStream("k", pieces(9, mine))).rejects.toBe(mine);
    expect(store.counters.put.requests).toBeGreaterThan(3);
    const controller = new AbortController();
    const aborting = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces(9)) {
        yield piece;
        if (piece[0] === 6) controller.abort(mine);
      }
    };
    const given = store.putStream("k", aborting(), { signal: controller.signal });
    await expect(given).rejects.toBe(mine);
    expect(await store.head("k")).toBeUndefined();
    expect(await leftovers(context)).toBe(0);
  },
);

s3Test("a prefix is a folder: neither db2/ nor the root is seen through db", async (context) => {
  await using root = await S3Store.open(context.options);
  await using inner = await S3Store.open({ ...context.options, prefix: "db" });
  await using other = await S3Store.open({ ...context.options, prefix: "db2/" });
  await other.put("x", text("other"));
  await inner.put("x", text("inner"));
  const keys: string[] = [];
  for await (const { objects } of inner.list()) keys.push(...objects.map(({ key }) => key));
  expect(keys).toEqual(["x"]);
  await inner.deleteMany(["x"]);
  expect((await root.get("db2/x"))?.bytes).toEqual(text("other"));
  expect(await root.head("db/x")).toBeUndefined();
});

s3Test("[X2] a missing bucket, wrong keys and missing rights are told apart", async (context) => {
  const { options: good } = context;
  await using nowhere = await S3Store.open({ ...good, bucket: `${good.bucket}-not` });
  await expect(nowhere.get("k")).rejects.toMatchObject({ code: "BRAINY_NOT_FOUND" });
  await expect(nowhere.put("k", text("x"))).rejects.toMatchObject({ code: "BRAINY_NOT_FOUND" });
  await using forged = await S3Store.open({ ...good, secretAccessKey: "wrong" });
  await expect(forged.get("k")).rejects.toMatchObject({ code: "BRAINY_DENIED" });
  await expect(forged.head("k")).rejects.toMatchObject({ code: "BRAINY_DENIED" });
});

s3Test("a user who may read and list reads and lists, and is refused all else", async (context) => {
  const other = context.server.other;
  // An endpoint of one's own may have one user only.
  if (other === undefined) return console.warn("skipped: the endpoint has no second user");
  const mine = await newBucket(context.server);
  const policy = {
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: [`arn:aws:iam:::user/${other.user}`] },
        Action: ["s3:GetObject", "s3:ListBucket"],
        Resource: [`arn:aws:s3:::${mine.bucket}`, `arn:aws:s3:::${mine.bucket}/*`],
      },
    ],
  };
  await context.client.send(
    new PutBucketPolicyCommand({ Bucket: mine.bucket, Policy: JSON.stringify(policy) }),
  );
  await using owner = await S3Store.open(mine);
  await owner.put("k", text("for all"));
  const { accessKeyId, secretAccessKey } = other;
  await using reader = await S3Store.open({ ...mine, accessKeyId, secretAccessKey });
  expect((await reader.get("k"))?.bytes).toEqual(text("for all"));
  expect(await reader.get("absent")).toBeUndefined();
  for await (const { objects } of reader.list()) expect(objects.length).toBe(1);
  const refused = { code: "BRAINY_DENIED" };
  await expect(reader.put("k", text("mine"))).rejects.toMatchObject(refused);
  const condition = { ifAbsent: true } as const;
  await expect(reader.put("n", text("n"), { condition })).rejects.toMatchObject(refused);
  await expect(reader.putStream("n", pieces(1))).rejects.toMatchObject(refused);
  await expect(reader.deleteMany(["k"])).rejects.toMatchObject(refused);
  const ports = { clock: systemClock, random: systemRandom };
  await expect(probeStore(reader, ports)).rejects.toMatchObject(refused);
  expect(await owner.head("k")).toBeDefined();
});

s3Test("[X8] the probe passes, costs next to nothing, and leaves nothing", async (context) => {
  await using store = await S3Store.open({ ...context.options, prefix: "probed" });
  const ports = { clock: systemClock, random: systemRandom };
  const retried = retrying(store, ports);
  await probeStore(retried, ports);
  // Eleven of its own, and two or three to learn how etags are written.
  expect(store.counters.put.requests).toBeLessThanOrEqual(14);
  expect(estimateRequestCost(store.counters).totalUsd).toBeLessThan(0.000_1);
  for await (const { objects } of store.list()) expect(objects).toEqual([]);
});

s3Test(
  "[X9] counters count what is sent: pages, parts, and the second attempts too",
  async (context) => {
    await using store = await S3Store.open({ ...context.options, prefix: "counted" });
    await store.put("a", text("abc"));
    await store.get("a");
    await store.get("absent");
    await store.get("a", { range: [1, 1] });
    await store.getIfChanged("a", (await store.head("a"))!.etag);
    for await (const page of store.list()) expect(page.objects.length).toBe(1);
    await store.deleteMany(["a"]);
    const { put, get, head, list, delete: deleted } = store.counters;
    expect([put, get, head, list, deleted].map(({ requests }) => requests)).toEqual([
      1, 3, 2, 1, 1,
    ]);
    expect([put.bytesIn, get.bytesOut]).toEqual([3, 3]);
  },
);
