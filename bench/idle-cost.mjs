// One instance that nobody asks anything, on a real S3 server, for BRAINY_BENCH_MINUTES (20): what it
// sends, and what that comes to in 30 days at public prices. It becomes idle after ten minutes; both
// parts are counted, and the idle one is what a month is made of. The aim is at most 0.50 USD.
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { dist, report, round } from "./support/report.mjs";
import { difference, newBucket, requestsOf, s3Server, usd } from "./support/s3.mjs";

const MINUTES = Number(process.env.BRAINY_BENCH_MINUTES ?? 20);
/** When an instance counts as idle, and its last look at its former pace. */
const IDLE_AFTER_MINUTES = 11;
const MONTH_MINUTES = 30 * 24 * 60;
const loadBefore = loadavg();
const { Brainy } = await import(dist("index.js"));

const storage = await newBucket(s3Server());
const brain = new Brainy({ storage, distributed: { role: "hybrid", instanceId: "idle" } });
await brain.addMany([
  [1, 2],
  [3, 4],
]);
await brain.compact();

/** Requests of so many minutes, and of a month like them. */
async function watch(minutes) {
  const before = requestsOf(brain);
  await sleep(minutes * 60_000);
  const requests = difference(requestsOf(brain), before);
  return {
    minutes: round(minutes),
    requests,
    usdPerMonth: round((usd(requests) * MONTH_MINUTES) / minutes, 4),
  };
}

const isLong = MINUTES > IDLE_AFTER_MINUTES;
const waiting = await watch(isLong ? IDLE_AFTER_MINUTES : MINUTES);
const idle = isLong ? await watch(MINUTES - IDLE_AFTER_MINUTES) : undefined;
await brain.close();
const isCheapEnough = idle === undefined ? undefined : idle.usdPerMonth <= 0.5;
report(
  "idle-cost",
  { unasked: waiting, idle: idle ?? "too short a run to become idle", isCheapEnough },
  loadBefore,
);
process.exitCode = isCheapEnough === false ? 1 : 0;
