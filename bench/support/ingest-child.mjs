/*
 * One ingest into a folder that is not there yet. The vectors exist before the clock starts; the
 * records around them are made as they are asked for.
 */
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { dist, records, vectorPool } from "./report.mjs";

const { Brainy } = await import(dist("index.js"));
const { seededRandom } = await import(dist("base/random.js"));

const [folder, countText, ...flags] = process.argv.slice(2);
const count = Number(countText);
/** The histogram counts from this resolution up, so it is taken off what it says. */
const RESOLUTION_MS = 1;

/** Processor time of this thread alone in milliseconds, where Linux tells; else of the process. */
function threadMs() {
  try {
    const path = `/proc/self/task/${process.pid}/schedstat`;
    return Number(readFileSync(path, "utf8").split(" ")[0]) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e3;
  }
}

/** The same of all threads. */
function processMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

async function withDelays(run) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const startMs = performance.now();
  const threadStartMs = threadMs();
  const processStartMs = processMs();
  await run();
  const elapsedMs = performance.now() - startMs;
  const cpuMs = { thread: threadMs() - threadStartMs, process: processMs() - processStartMs };
  histogram.disable();
  const over = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const delay = {
    p50: over(histogram.percentile(50)),
    p99: over(histogram.percentile(99)),
    max: over(histogram.max),
  };
  return { elapsedMs, cpuMs, delay };
}

const pool = vectorPool(10_000, seededRandom(1));
const idle = await withDelays(() => wait(2_000));

const compaction = !flags.includes("no-compaction");
// Without it nothing makes room, and writes would wait for that.
const limits = compaction ? {} : { tailBytesMax: 2 ** 40 };
const brain = new Brainy({ storage: folder, compaction, limits });
let compactions = 0;
let rssMax = 0;
/** Asking costs a third of a millisecond, so only one slot in sixteen asks. */
let slots = 0;
const watchMemory = () => {
  if (slots++ % 16 === 0) rssMax = Math.max(rssMax, process.memoryUsage.rss());
};
brain.on("committed", ({ payload }) => (compactions += payload.kind === "flush" ? 1 : 0));
await brain.init();
const ingest = await withDelays(async () => {
  const { added } = await brain.addMany(records(count, pool), {
    onProgress: watchMemory,
  });
  if (added !== count) throw new Error(`${added} of ${count} records were added`);
});
const { bytesWritten: logBytes } = brain.getMetrics().log;
const compact = await withDelays(() => brain.compact());
await brain.close();

console.log(
  JSON.stringify({
    ingestMs: ingest.elapsedMs,
    compactMs: compact.elapsedMs,
    threadMs: ingest.cpuMs.thread,
    processMs: ingest.cpuMs.process,
    logBytes,
    compactions,
    rssMaxMB: rssMax / 2 ** 20,
    idleDelay: idle.delay,
    ingestDelay: ingest.delay,
    compactDelay: compact.delay,
  }),
);
