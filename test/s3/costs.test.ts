import { expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import { REQUEST_USD_PER_MILLION } from "../../src/storage/cost.ts";
import type { RequestKind } from "../../src/storage/layers/metered.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * What docs/guide/costs.md says of single operations, counted on a real server. `bench/costs.mjs`
 * counts the rest.
 */

const server = await s3Server();
const KINDS = Object.keys(REQUEST_USD_PER_MILLION) as RequestKind[];

function requestsOf(brain: Brainy): Record<string, number> {
  const requests = brain.getMetrics().requests!;
  return Object.fromEntries(KINDS.map((kind) => [kind, requests[kind].requests]));
}

/** Requests of `run` by kind, without those of which there are none. */
async function sentBy(brain: Brainy, run: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = requestsOf(brain);
  await run();
  const after = requestsOf(brain);
  const sent = KINDS.map((kind) => [kind, after[kind]! - before[kind]!] as const);
  return Object.fromEntries(sent.filter(([, count]) => count > 0));
}

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)("operations cost the requests that the guide says", async () => {
  const bucket = await newBucket(server!);
  await using brain = new Brainy({
    storage: { type: "customS3", ...bucket },
    pollInterval: 0,
    compaction: false,
  });
  await brain.add([1, 1], {}, { id: "first" });
  expect(await sentBy(brain, () => brain.add([1, 2], {}, { id: "a" }))).toEqual({ put: 1 });
  expect(await sentBy(brain, () => brain.update("a", { metadata: { n: 1 } }))).toEqual({ put: 1 });
  expect(await sentBy(brain, () => brain.delete("a"))).toEqual({ put: 1 });
  const records = Array.from({ length: 1_000 }, (_, i) => ({ id: `r${i}`, vector: [i, 1] }));
  expect(await sentBy(brain, () => brain.addMany(records))).toEqual({ put: 1 });
  const adds = (): Promise<unknown> =>
    Promise.all(Array.from({ length: 200 }, (_, i) => brain.add([i, 2], {}, { id: `s${i}` })));
  // What is added while a slot is on its way goes into the next.
  expect((await sentBy(brain, adds))["put"]).toBeLessThan(20);
  await brain.compact();
  await brain.search([1, 1], 1);
  const search = { include: ["metadata"] } as const;
  expect(await sentBy(brain, () => brain.search([3, 1], 10, search))).toEqual({});
  expect(await sentBy(brain, () => brain.count())).toEqual({});
  const strong = { ...search, consistency: "strong" } as const;
  // The first one finds out which manifest is the newest; while that stays, a look at it will do.
  await brain.get("r7", strong);
  expect(await sentBy(brain, () => brain.get("r7", strong))).toEqual({ list: 1, head: 2 });
  expect(await sentBy(brain, () => brain.close())).toEqual({ put: 1 });
});
