import { expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { S3StoreOptions } from "../../src/storage/adapters/s3-options.ts";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * A whole database in a bucket: two writers and a reader, each with connections of its own.
 */

const server = await s3Server();

async function segmentBytes(options: S3StoreOptions): Promise<number> {
  await using store = await S3Store.open(options);
  let bytes = 0;
  for await (const { objects } of store.list({ prefix: "vectors/" })) {
    for (const { bytesTotal } of objects) bytes += bytesTotal;
  }
  expect(bytes).toBeGreaterThan(0);
  return bytes;
}

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "two writers and a reader share a database in a bucket",
  async () => {
    const storage = { type: "customS3", ...(await newBucket(server!)), prefix: "db" } as const;
    await using first = new Brainy({ storage, dimensions: 8 });
    await using second = new Brainy({ storage, dimensions: 8 });
    const vector = (i: number): number[] =>
      Array.from({ length: 8 }, (_, d) => Math.sin(i * 8 + d));
    const records = (from: number) =>
      Array.from({ length: 500 }, (_, i) => ({
        id: `r${from + i}`,
        vector: vector(from + i),
        metadata: { n: from + i },
      }));
    await Promise.all([first.addMany(records(0)), second.addMany(records(500))]);
    await first.delete("r7");
    await second.compact();

    await using reader = new Brainy({ storage, readOnly: true });
    expect(await reader.count()).toBe(999);
    const hits = await reader.search(vector(777), 3);
    expect(hits[0]).toMatchObject({ id: "r777", metadata: { n: 777 } });
    expect(await reader.get("r7")).toBeUndefined();
    for (const brain of [first, second, reader]) {
      const { requests } = brain.getMetrics();
      expect(requests?.get.requests).toBeGreaterThan(0);
      expect(requests?.estimatedUsd).toBeLessThan(0.001);
    }
    // The reader wrote nothing, not even to find out whether it could.
    expect(reader.getMetrics().requests?.put.requests).toBe(0);
  },
);

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "a bucket is compacted in a thread of its own, which opens it again",
  async () => {
    const built = "../../dist/index.js";
    const { default: Built } = (await import(built)) as { default: typeof Brainy };
    const bucket = await newBucket(server!);
    await using brain = new Built({ storage: { type: "customS3", ...bucket }, dimensions: 2 });
    await brain.addMany(Array.from({ length: 200 }, (_, i) => ({ id: `r${i}`, vector: [1, i] })));
    await brain.compact();
    expect(brain.getMetrics().index).toMatchObject({ records: 200, segments: 1 });
    // The segment came from the thread, which opened the bucket again; its requests count too.
    expect(brain.getMetrics().requests!.put.bytesIn).toBeGreaterThan(await segmentBytes(bucket));
    await using other = new Brainy({ storage: { type: "customS3", ...bucket } });
    expect((await other.search([1, 199], 1))[0]?.id).toBe("r199");
  },
);
