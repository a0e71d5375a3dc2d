// Records a second that 1, 2 and 4 writer processes put into one bucket of a real S3 server on this
// machine, and requests for 1,000 of them; each beside a loop of plain PUTs of the same bytes by as
// many processes, right after it. BRAINY_BENCH_COUNT: records of each writer (100,000).
import { spawn } from "node:child_process";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { DIMENSIONS, report, round } from "./support/report.mjs";
import { newBucket, s3Server, sum, usd } from "./support/s3.mjs";

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 100_000);
const WRITERS = [1, 2, 4];
const loadBefore = loadavg();
const server = s3Server();

/** Starts so many children, waits until all are ready, lets them go at once, and gives their results. */
async function together(count, mode, storage, bytes) {
  const script = fileURLToPath(new URL("support/throughput-child.mjs", import.meta.url));
  const children = Array.from({ length: count }, (_, i) => {
    const args = [
      script,
      mode,
      String(i),
      String(COUNT),
      JSON.stringify(storage),
      String(bytes ?? 0),
    ];
    return spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  });
  const inboxes = children.map(inboxOf);
  await Promise.all(inboxes.map((next) => next()));
  const startMs = performance.now();
  for (const child of children) child.send("go");
  const all = await Promise.all(inboxes.map((next) => next()));
  const seconds = (performance.now() - startMs) / 1_000;
  const requests = await Promise.all(inboxes.map((next) => next()));
  return { all, seconds, requests };
}

/** Messages of a child in their order, also those that come before anybody waits. */
function inboxOf(child) {
  const waiting = [];
  const come = [];
  child.on("message", (message) => {
    const wake = waiting.shift();
    if (wake === undefined) come.push(message);
    else wake.resolve(message);
  });
  child.on("exit", (code) => {
    for (const { reject } of waiting) reject(new Error(`a writer ended with ${code}`));
  });
  return () =>
    come.length > 0
      ? Promise.resolve(come.shift())
      : new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

const runs = [];
for (const writers of WRITERS) {
  const brainy = await together(writers, "brainy", await newBucket(server));
  const requests = sum(brainy.requests);
  const bytes = Math.ceil(brainy.all.reduce((total, one) => total + one.logBytes, 0) / writers);
  const slots = Math.ceil(brainy.all.reduce((total, one) => total + one.slots, 0) / writers);
  const plain = await together(writers, `plain:${slots}`, await newBucket(server), bytes);
  const total = writers * COUNT;
  runs.push({
    writers,
    records: total,
    recordsPerSecond: round(total / brainy.seconds, 0),
    megabytesPerSecond: round((writers * bytes) / 1e6 / brainy.seconds),
    plainMegabytesPerSecond: round((writers * bytes) / 1e6 / plain.seconds),
    shareOfPlain: round(plain.seconds / brainy.seconds, 2),
    requestsPer1000Records: Object.fromEntries(
      Object.entries(requests).map(([kind, n]) => [kind, round((1_000 * n) / total, 3)]),
    ),
    usdPerMillionRecords: round((usd(requests) * 1e6) / total, 5),
  });
}
report("throughput", { dimensions: DIMENSIONS, recordsEach: COUNT, runs }, loadBefore);
