// A reader of 200,000 compacted records in a bucket: without a cache, with an empty one, with a full one.
import { mkdtempSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { buildFolder } from "./support/build-folder.mjs";
import { inFolder, inFreshProcess, median, quantile, report, round } from "./support/report.mjs";
import { newBucket, s3Server } from "./support/s3.mjs";

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 200_000);
const COLD_PROCESSES = 3;
const WARM_PROCESSES = 9;
/** The SDK warns of its future in every process. */
process.env.NODE_NO_WARNINGS = "1";
const loadBefore = loadavg();

const storage = await newBucket(s3Server());
await buildFolder(storage, COUNT);
await inFolder((folder) => {
  const text = JSON.stringify(storage);
  const run = (cache) => inFreshProcess("support/warm-restart-child.mjs", text, cache);
  const emptyCache = () => mkdtempSync(join(folder, "cache-"));
  const times = (count, cache) => Array.from({ length: count }, () => run(cache()));
  const without = times(COLD_PROCESSES, () => "none");
  const cold = times(COLD_PROCESSES, emptyCache);
  const full = emptyCache();
  run(full);
  const warm = times(WARM_PROCESSES, () => full);
  for (const { segmentRequests, misses, corrupt, ids } of warm) {
    if (segmentRequests + misses + corrupt > 0) {
      throw new Error(`${segmentRequests} requests for segments, ${misses} blocks missed`);
    }
    if (ids !== without[0].ids) throw new Error("the cache changed the answer");
  }
  report(
    "warm-restart",
    { records: COUNT, without: figures(without), cold: figures(cold), warm: figures(warm) },
    loadBefore,
  );
});

function figures(runs) {
  const of = (name) => {
    const values = runs.map((run) => run[name]);
    return { median: round(median(values)), max: round(quantile(values, 1)) };
  };
  return {
    processes: runs.length,
    newToFirstSearchMs: of("firstSearchMs"),
    importToFirstSearchMs: of("withImportMs"),
    newToCountMs: of("countMs"),
    processorMs: of("processorMs"),
    requests: of("requests"),
    segmentRequests: of("segmentRequests"),
    bytes: of("bytes"),
  };
}
