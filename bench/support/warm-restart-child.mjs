/*
 * A reader starts, answers one search, and says how long that took and what it asked the bucket
 * for. Requests are counted where Node sends them, not by the code that is measured.
 */
import { subscribe } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";

const DIMENSIONS = 384;
const [storageText, cacheDir] = process.argv.slice(2);
const query = Float32Array.from({ length: DIMENSIONS }, (_, i) => Math.sin(i));

let requests = 0;
let segmentRequests = 0;
subscribe("http.client.request.start", ({ request }) => {
  requests++;
  if (request.path.includes(".seg")) segmentRequests++;
});

const startMs = performance.now();
const { Brainy } = await import("../../dist/index.js");
const importedMs = performance.now();
const brain = new Brainy({
  storage: JSON.parse(storageText),
  readOnly: true,
  pollInterval: 0,
  ...(cacheDir !== "none" && { cache: { dir: cacheDir } }),
});
const records = await brain.count();
const countedMs = performance.now();
const hits = await brain.search(query, 10);
const searchedMs = performance.now();
if (hits.length !== 10) throw new Error(`${hits.length} hits`);
const { user, system } = process.cpuUsage();
const { cache, requests: counted } = brain.getMetrics();
const result = {
  records,
  importMs: importedMs - startMs,
  countMs: countedMs - importedMs,
  firstSearchMs: searchedMs - importedMs,
  withImportMs: searchedMs - startMs,
  processorMs: (user + system) / 1_000,
  requests,
  segmentRequests,
  bytes: counted.get.bytesOut,
  hits: cache?.hits ?? 0,
  misses: cache?.misses ?? 0,
  corrupt: cache?.corrupt ?? 0,
  ids: hits.map(({ id }) => id).join(),
};
await brain.close();
console.log(JSON.stringify(result));
