/*
 * A campaign that goes on for long, and is watched meanwhile: what processes that are never killed
 * hold, and what there is in the bucket, has to stay as it is, since the records are always the
 * same few. How to run it: docs/specs/fleet-campaign.md, section Soak.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { seededRandom } from "../../dist/base/random.js";
import { runCampaign } from "./campaign.mjs";
import { ACTORS, OUTSIDER, planChaos } from "./chaos-plan.mjs";
import { judgeFlatness } from "./flatness.mjs";
import { monotonicMs } from "./journal.mjs";

/** Those that live as long as the soak: a writer, the compacting hybrid, a cached and a plain reader. */
const LASTING = ["w2", "h1", "r1", "r3"];

/** Slower than a campaign, which has to meet everything in minutes. */
const PACE_MS = 450;
/**
 * How much rarer faults and calls of `compact()` are. Only one process calls it: each such call takes
 * maintenance away from another, and on a slow machine two would never let each other get done.
 */
const TIMES_RARER = 4;

const SAMPLE_EVERY_MS = 12_000;
/** A stopped process does not answer. */
const ANSWER_MS_MAX = 4_000;

/**
 * Every two minutes a day passes, so that what waits for its grace is collected as regularly; and a
 * quarter of an hour in between, so that lanes are sealed. After each of them whoever maintains looks
 * dead, and another takes over: between two of them there has to be time to get something done.
 */
const DAY_EVERY_MS = 120_000;
const DAY_MS = 25 * 3_600_000;
const SEAL_MS = 16 * 60_000;

const MIB = 2 ** 20;

/**
 * What may be called flat. What V8 holds after a collection moves by a mebibyte or two with what is
 * under way; resident memory by what the allocator keeps of a peak; descriptors and handles by the
 * connections that are kept alive; files and objects by what is made between two collections. In
 * half an hour 1 KiB for each call, or a handle, file or object every ten seconds, is several times
 * as much.
 */
const TOLERANCES = {
  heapUsed: { share: 0.1, units: 3 * MIB },
  external: { share: 0.15, units: 6 * MIB },
  rss: { share: 0.2, units: 32 * MIB },
  descriptors: { share: 0.15, units: 24 },
  handles: { share: 0.15, units: 24 },
  delayMs: { share: 1, units: 100 },
  cacheFiles: { share: 0.15, units: 12 },
  cacheBytes: { share: 0.15, units: 4 * MIB },
  objects: { share: 0.25, units: 60 },
  bytes: { share: 0.25, units: 2 * MIB },
};

/** What a bucket holds, by the beginning of its keys. */
const KINDS = [
  ["manifests", /^_brainy\/manifests\//],
  ["slots", /^_brainy\/wal\//],
  ["heartbeats", /^_brainy\/heartbeats\//],
  ["leases", /^_brainy\/leases\//],
  ["events", /^_brainy\/events\//],
  ["checkpoints", /^_brainy\/checkpoints\//],
  ["segments", /\.seg$/],
  ["deletions", /\.del$/],
];

/** The faults of a soak: those that end a process spare the lasting ones. */
export function planSoak({ durationMs, seed }) {
  const random = seededRandom(seed);
  const names = ACTORS.map(({ name }) => name);
  const plan = planChaos({ durationMs: durationMs / TIMES_RARER, random, names });
  const mortal = names.filter((name) => !LASTING.includes(name));
  const faults = plan.faults
    .filter(({ kind }) => kind !== "jump")
    .map((fault) => {
      const ends = fault.kind === "kill" || fault.kind === "close";
      const spared = ends && LASTING.includes(fault.target);
      const target = spared ? mortal[Math.floor(random.next() * mortal.length)] : fault.target;
      return { ...fault, atMs: fault.atMs * TIMES_RARER, target };
    });
  for (let atMs = DAY_EVERY_MS / 2; atMs < durationMs; atMs += DAY_EVERY_MS / 2) {
    const isDay = faults.filter(({ kind }) => kind === "jump").length % 2 === 1;
    const isSuspended = random.next() < 0.5;
    faults.push({ atMs, kind: "jump", byMs: isDay ? DAY_MS : SEAL_MS, isSuspended });
  }
  return { ...plan, faults: faults.toSorted((a, b) => a.atMs - b.atMs) };
}

/**
 * Runs it. Resolves with the summary of the campaign, whose problems are those of its judge and
 * what is not flat, and with all samples.
 */
export async function runSoak({ folder, dist, seed, durationMs, log, signal }) {
  const samples = [];
  const actors = [...ACTORS, OUTSIDER].map(({ compactsEveryMs, ...actor }) => ({
    ...actor,
    paceMs: PACE_MS,
    ...(actor.name === "h1" && { compactsEveryMs: TIMES_RARER * compactsEveryMs }),
  }));
  const summary = await runCampaign({
    folder,
    dist,
    seed,
    durationMs,
    log,
    signal,
    actors,
    plan: planSoak({ durationMs, seed }),
    nodeOptions: ["--expose-gc"],
    watch: (fleet, world) => watch({ fleet, world, samples, log }),
  });
  const series = seriesOf(samples);
  const judged = judgeSeries(series);
  const tooFew = judged.filter(({ flatness }) => flatness === undefined);
  const growing = judged.filter(({ flatness }) => flatness?.isFlat === false);
  for (const { of, what, flatness } of growing) {
    const { growth, allowed, first, last } = flatness;
    const round = (value) => Math.round(value);
    summary.problems.push(
      `${of}: ${what} is not flat: it grew by ${round(growth)} from ${round(first)} to ` +
        `${round(last)}, ${round(allowed)} are allowed`,
    );
  }
  return { summary, samples, judged, tooFew: tooFew.length, cores: coresOf(samples) };
}

/** Samples everything until what it returns is called. */
function watch({ fleet, world, samples, log }) {
  const startMs = monotonicMs();
  const ended = new AbortController();
  const work = async () => {
    for (let round = 1; !ended.signal.aborted; round++) {
      const atMs = monotonicMs() - startMs;
      const [processes, bucket] = await Promise.all([sampleProcesses(fleet), sampleBucket(world)]);
      const own = { rss: process.memoryUsage().rss, cpuMs: cpuMsOf(process.pid) };
      samples.push({ atMs, processes, bucket, own, gatewayCpuMs: cpuMsOf(world.gatewayPid) });
      if (round % 5 === 0) log(progressOf({ atMs, processes, bucket }));
      const waitMs = Math.max(0, startMs + round * SAMPLE_EVERY_MS - monotonicMs());
      await sleep(waitMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const working = work();
  return async () => {
    ended.abort();
    await working;
  };
}

function progressOf({ atMs, processes, bucket }) {
  const memory = Object.entries(processes).map(
    ([name, { rss, heapUsed }]) => `${name} ${Math.round(heapUsed / MIB)}/${Math.round(rss / MIB)}`,
  );
  const objects = bucket === undefined ? "no answer" : `${bucket.objects} objects`;
  return `${Math.round(atMs / 1_000)} s: ${objects}; heap/resident MiB: ${memory.join(", ")}`;
}

/** By name; without those that do not run or do not answer. */
async function sampleProcesses(fleet) {
  const found = {};
  await fleet.all(async (member) => {
    if (!member.isRunning) return;
    const { pid } = member;
    const sample = await member.order("sample", { withinMs: ANSWER_MS_MAX }).catch(() => undefined);
    if (sample !== undefined) found[member.name] = { pid, ...sample };
  });
  return found;
}

/** `undefined` while the gateway is gone. */
async function sampleBucket(world) {
  const { endpoint, bucket, accessKeyId, secretAccessKey } = world.storage();
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    // The store lives in another time than this process.
    systemClockOffset: world.wallMsAt(monotonicMs()) - Date.now(),
  });
  const counts = { objects: 0, bytes: 0 };
  try {
    let token;
    do {
      const answer = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: "db/", ContinuationToken: token }),
        { abortSignal: AbortSignal.timeout(ANSWER_MS_MAX) },
      );
      for (const { Key, Size } of answer.Contents ?? []) {
        const key = Key.slice("db/".length);
        const kind = KINDS.find(([, pattern]) => pattern.test(key))?.[0] ?? "others";
        counts[kind] = (counts[kind] ?? 0) + 1;
        counts.objects++;
        counts.bytes += Size;
      }
      token = answer.NextContinuationToken;
    } while (token !== undefined);
    return counts;
  } catch {
    return undefined;
  } finally {
    client.destroy();
  }
}

/** Processor time of a process that has not ended, by the kernel's count of hundredths. */
function cpuMsOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}

/** Each quantity of each lasting process, and of the bucket, as it went. */
function seriesOf(samples) {
  const series = [];
  for (const name of LASTING) {
    const own = samples.flatMap(({ atMs, processes }) =>
      processes[name] === undefined ? [] : [{ atMs, ...processes[name] }],
    );
    for (const what of Object.keys(TOLERANCES)) {
      const values = own
        .filter((sample) => sample[what] !== undefined)
        .map((sample) => ({ atMs: sample.atMs, value: sample[what] }));
      if (values.length > 0) series.push({ of: name, what, values });
    }
  }
  // A stretch has to hold a whole day of the fleet, or its low point is none.
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last.atMs - first.atMs < 12 * DAY_EVERY_MS) return series;
  const buckets = samples.filter(({ bucket }) => bucket !== undefined);
  const kinds = new Set(buckets.flatMap(({ bucket }) => Object.keys(bucket)));
  for (const what of kinds) {
    const values = buckets.map(({ atMs, bucket }) => ({ atMs, value: bucket[what] ?? 0 }));
    series.push({ of: "bucket", what, values });
  }
  return series;
}

function judgeSeries(series) {
  return series.map(({ of, what, values }) => {
    const tolerance = TOLERANCES[what] ?? TOLERANCES.objects;
    const greatest = Math.max(...values.map(({ value }) => value));
    return { of, what, count: values.length, greatest, flatness: judgeFlatness(values, tolerance) };
  });
}

/** Cores that all of it took, on average: processes, gateway, and this process with its proxies. */
function coresOf(samples) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last.atMs === first.atMs) return 0;
  let cpuMs = last.own.cpuMs - first.own.cpuMs;
  for (const [i, sample] of samples.slice(1).entries()) {
    const before = samples[i];
    // What was started in between has no sample before.
    cpuMs += Math.max(0, sample.gatewayCpuMs - before.gatewayCpuMs);
    for (const [name, { pid, cpuMs: now }] of Object.entries(sample.processes)) {
      const old = samples
        .slice(0, i + 1)
        .findLast(({ processes }) => processes[name] !== undefined);
      const isSame = old?.processes[name].pid === pid;
      cpuMs += isSame ? now - old.processes[name].cpuMs : now;
    }
  }
  return cpuMs / (last.atMs - first.atMs);
}
