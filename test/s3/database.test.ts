import { expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import { openS3 } from "../../src/storage/adapters/s3-open.ts";
import { estimateRequestCost } from "../../src/storage/cost.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * A whole database in a bucket: two writers and a reader, each with connections of its own.
 */

const server = await s3Server();

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "two writers and a reader share a database in a bucket",
  async () => {
    const options = { ...(await newBucket(server!)), prefix: "db" };
    const [a, b, c] = [await openS3(options), await openS3(options), await openS3(options)];
    await using first = new Brainy({ storage: { type: "store", store: a.store }, dimensions: 8 });
    await using second = new Brainy({ storage: { type: "store", store: b.store }, dimensions: 8 });
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

    await using reader = new Brainy({ storage: { type: "store", store: c.store }, readOnly: true });
    expect(await reader.count()).toBe(999);
    const hits = await reader.search(vector(777), 3);
    expect(hits[0]).toMatchObject({ id: "r777", metadata: { n: 777 } });
    expect(await reader.get("r7")).toBeUndefined();
    for (const { counters } of [a, b, c]) {
      expect(counters.get.requests).toBeGreaterThan(0);
      expect(estimateRequestCost(counters).totalUsd).toBeLessThan(0.001);
    }
    // The reader wrote nothing.
    expect(c.counters.put.requests).toBe(0);
  },
);
