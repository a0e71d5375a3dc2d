// 200,000 records of 384 dimensions and three metadata fields through `addMany`, every slot
// synced before it is acknowledged, compaction on; beside a loop that only writes and syncs the
// same bytes. Both take turns, so that a busy moment of the machine falls on both.
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { inFolder, inFreshProcess, median, quantile, report, round } from "./support/report.mjs";

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 200_000);
const ROUNDS = Number(process.env.BRAINY_BENCH_ROUNDS ?? 3);
const FILE_BYTES = 8 * 10 ** 6;
const loadBefore = loadavg();

/** Milliseconds to write and sync so many bytes, file by file, folder included. */
function writeAndSync(folder, bytes) {
  mkdirSync(folder);
  const block = new Uint8Array(FILE_BYTES);
  for (let i = 0; i < block.length; i++) block[i] = i * 31;
  const startMs = performance.now();
  for (let left = bytes, i = 0; left > 0; left -= FILE_BYTES, i++) {
    const file = openSync(join(folder, String(i)), "wx");
    writeSync(file, block, 0, Math.min(left, FILE_BYTES));
    fsyncSync(file);
    closeSync(file);
    const directory = openSync(folder, "r");
    fsyncSync(directory);
    closeSync(directory);
  }
  const elapsedMs = performance.now() - startMs;
  rmSync(folder, { recursive: true });
  return elapsedMs;
}

const ingests = [];
const rawMs = [];
const memories = [];
await inFolder(async (root) => {
  for (let round = 0; round < ROUNDS; round++) {
    const folder = join(root, `round-${round}`);
    const ingest = inFreshProcess("support/ingest-child.mjs", folder, String(COUNT));
    ingests.push(ingest);
    rawMs.push(writeAndSync(join(root, "raw"), ingest.logBytes));
    memories.push(inFreshProcess("support/reopen-child.mjs", folder).rssPerRecordBytes);
    if (statSync(folder).isDirectory()) rmSync(folder, { recursive: true });
  }
});

const perSecond = ingests.map(({ ingestMs }) => (1_000 * COUNT) / ingestMs);
const megabytes = ingests.map(({ logBytes, ingestMs }) => logBytes / 1_000 / ingestMs);
const rawMegabytes = ingests.map(({ logBytes }, i) => logBytes / 1_000 / rawMs[i]);
const loop = (name, which) => round(median(ingests.map((one) => one[name][which])), 2);
const delays = (name) => ({
  p50: loop(name, "p50"),
  p99: loop(name, "p99"),
  max: round(
    quantile(
      ingests.map((one) => one[name].max),
      1,
    ),
    2,
  ),
});
report(
  "ingest",
  {
    records: COUNT,
    rounds: ROUNDS,
    recordsPerSecond: perSecond.map((value) => Math.round(value)),
    recordsPerSecondMedian: Math.round(median(perSecond)),
    logMegabytesPerSecond: round(median(megabytes)),
    rawMegabytesPerSecond: round(median(rawMegabytes)),
    shareOfRaw: round(median(megabytes.map((value, i) => value / rawMegabytes[i])), 2),
    compactions: ingests.map(({ compactions }) => compactions),
    eventLoopDelayMs: {
      idle: delays("idleDelay"),
      ingest: delays("ingestDelay"),
      compact: delays("compactDelay"),
    },
    finalCompactMs: Math.round(median(ingests.map(({ compactMs }) => compactMs))),
    rssWhileIngestingMB: Math.round(median(ingests.map(({ rssMaxMB }) => rssMaxMB))),
    rssPerRecordBytes: Math.round(median(memories)),
  },
  loadBefore,
);
