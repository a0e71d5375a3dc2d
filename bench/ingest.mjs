// 200,000 records of 384 dimensions and three metadata fields through `addMany`, every slot
// synced before it is acknowledged, compaction on; beside a loop that only writes and syncs the
// same bytes, and beside the same without compaction. All take turns, so that a busy moment of the
// machine falls on each.
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { inFolder, inFreshProcess, median, report, round } from "./support/report.mjs";

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
const uncompacted = [];
const rawMs = [];
const memories = [];
await inFolder(async (root) => {
  for (let round = 0; round < ROUNDS; round++) {
    const folder = join(root, `round-${round}`);
    const ingest = inFreshProcess("support/ingest-child.mjs", folder, String(COUNT));
    ingests.push(ingest);
    rawMs.push(writeAndSync(join(root, "raw"), ingest.logBytes));
    const other = join(root, `uncompacted-${round}`);
    const flag = "no-compaction";
    uncompacted.push(inFreshProcess("support/ingest-child.mjs", other, String(COUNT), flag));
    rmSync(other, { recursive: true });
    memories.push(inFreshProcess("support/reopen-child.mjs", folder).rssPerRecordBytes);
    rmSync(folder, { recursive: true });
  }
});

const perSecondOf = ({ ingestMs }) => (1_000 * COUNT) / ingestMs;
const megabytesOf = ({ logBytes, ingestMs }) => logBytes / 1_000 / ingestMs;
const perSecond = ingests.map(perSecondOf);
const megabytes = ingests.map(megabytesOf);
const rawMegabytes = ingests.map(({ logBytes }, i) => logBytes / 1_000 / rawMs[i]);
const shareOfRaw = (runs) =>
  round(median(runs.map((run, i) => megabytesOf(run) / rawMegabytes[i])), 2);

/** Microseconds of processor time a record: of the thread that ingests, and of all threads. */
function microseconds(runs) {
  const perRecord = (milliseconds) => round(median(milliseconds) * (1_000 / COUNT), 2);
  return {
    thread: perRecord(runs.map(({ threadMs }) => threadMs)),
    process: perRecord(runs.map(({ processMs }) => processMs)),
  };
}

/** Medians of the rounds; of the longest delays the longest. */
function delays(runs, name) {
  const all = runs.map((run) => run[name]);
  return {
    p50: round(median(all.map(({ p50 }) => p50)), 2),
    p99: round(median(all.map(({ p99 }) => p99)), 2),
    max: round(Math.max(...all.map(({ max }) => max)), 2),
  };
}

report(
  "ingest",
  {
    records: COUNT,
    rounds: ROUNDS,
    recordsPerSecond: perSecond.map((value) => Math.round(value)),
    recordsPerSecondMedian: Math.round(median(perSecond)),
    logMegabytesPerSecond: round(median(megabytes)),
    rawMegabytesPerSecond: round(median(rawMegabytes)),
    shareOfRaw: shareOfRaw(ingests),
    processorMicrosecondsPerRecord: microseconds(ingests),
    compactions: ingests.map(({ compactions }) => compactions),
    withoutCompaction: {
      recordsPerSecondMedian: Math.round(median(uncompacted.map(perSecondOf))),
      logMegabytesPerSecond: round(median(uncompacted.map(megabytesOf))),
      shareOfRaw: shareOfRaw(uncompacted),
      processorMicrosecondsPerRecord: microseconds(uncompacted),
    },
    eventLoopDelayMs: {
      idle: delays(ingests, "idleDelay"),
      ingest: delays(ingests, "ingestDelay"),
      ingestWithoutCompaction: delays(uncompacted, "ingestDelay"),
      compact: delays(ingests, "compactDelay"),
    },
    finalCompactMs: Math.round(median(ingests.map(({ compactMs }) => compactMs))),
    rssWhileIngestingMB: Math.round(median(ingests.map(({ rssMaxMB }) => rssMaxMB))),
    rssPerRecordBytes: Math.round(median(memories)),
  },
  loadBefore,
);
