/*
 * One campaign: a fleet of processes over a bucket on a real server, everything that goes wrong by a
 * seed, an end at which all agree, and the judgement of all that was written and read.
 * How to run it, and what it asks: docs/specs/fleet-campaign.md.
 */
import { mkdirSync } from "node:fs";
import { seededRandom } from "../../dist/base/random.js";
import { ACTORS, OUTSIDER, planChaos } from "./chaos-plan.mjs";
import { Fleet } from "./fleet.mjs";
import { readHistory } from "./history.mjs";
import { monotonicMs } from "./journal.mjs";
import { judge } from "./judge.mjs";
import { CLOCK_LAG_MS, World } from "./world.mjs";

/** How long after the last fault the fleet may take to come to rest. */
const REST_MS_MAX = 120_000;

/** How long a process may take to close while the store does not answer, before it is killed. */
const CLOSE_MS_MAX = 5_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {object} options
 * @param {string} options.folder Empty; journals, clocks and the server's objects go there.
 * @param {string} options.dist The built package that the processes run.
 * @param {number} options.seed
 * @param {number} options.durationMs Of the faults; starting and checking come on top.
 * @param {(line: string) => void} options.log
 * @param {AbortSignal} options.signal Ends everything at once.
 * @param {object[]} [options.actors] All that a fleet has, and one whose clock is off, by default.
 * @param {(fleet: Fleet, world: World) => Promise<void>} [options.provoke] Instead of the plan of the seed.
 * @param {object} [options.plan] Instead of the one that the seed makes of all processes.
 * @param {(fleet: Fleet, world: World) => () => unknown} [options.watch] Called when all run; what it
 *   returns is called, and awaited, when nothing goes wrong any more.
 * @param {string[]} [options.nodeOptions] Of the processes.
 */
export async function runCampaign(options) {
  const { folder, dist, seed, durationMs, log, signal, provoke, watch, nodeOptions } = options;
  const { actors = [...ACTORS, OUTSIDER] } = options;
  const random = seededRandom(seed);
  const names = actors.filter(({ isOff }) => isOff !== true).map(({ name }) => name);
  const plan = options.plan ?? planChaos({ durationMs, random, names });
  mkdirSync(folder, { recursive: true });
  const startMs = monotonicMs();
  const seconds = () => ((monotonicMs() - startMs) / 1_000).toFixed(1);
  const world = await World.start(folder).catch((error) => {
    const why = error.stderr?.trim() || error.message;
    throw Object.assign(new Error(`no S3 server: ${why}`), { code: "NO_SERVER" });
  });
  const fleet = new Fleet({ world, folder, dist, random, nodeOptions });
  const counts = {};
  const problems = [];
  try {
    const stopped = new Promise((_, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
    });
    const work = async () => {
      const errorMs = { ...plan.skewsMs, [OUTSIDER.name]: plan.offMs };
      await Promise.all(actors.map((actor) => fleet.add(actor, { errorMs: errorMs[actor.name] })));
      log(`${seconds()} s: ${fleet.names.length} processes run`);
      const unwatch = watch?.(fleet, world);
      if (provoke === undefined) await wreak({ fleet, world, plan, durationMs, counts, problems });
      else await provoke(fleet, world);
      await unwatch?.();
      log(`${seconds()} s: nothing goes wrong any more`);
      const report = (line) => log(`${seconds()} s: ${line}`);
      // A fleet that cannot come to rest is a finding like any other.
      await agree({ fleet, world, problems, log: report }).catch((error) => {
        problems.push(`the fleet does not come to rest: ${error.message}`);
      });
    };
    await Promise.race([work(), stopped]);
  } finally {
    for (const name of fleet.names) addCounts(counts, fleet.member(name).proxy.counts);
    await fleet.destroy();
    await world.stop();
  }
  const history = readHistory({ runs: fleet.runs, wallMsAt: (ms) => world.wallMsAt(ms) });
  problems.push(...history.wrong, ...judge(history), ...judgeCommits(history.events));
  const hasOutsider = actors.some(({ isOff }) => isOff === true);
  if (hasOutsider) problems.push(...judgeOutsider(history));
  log(`${seconds()} s: judged`);
  return { ...summaryOf(history, fleet), faults: counts, problems, seconds: Number(seconds()) };
}

/** Does what the plan says, each fault at its time, without waiting for the one before it. */
async function wreak({ fleet, world, plan, durationMs, counts, problems }) {
  const startMs = monotonicMs();
  const running = new Set();
  for (const fault of plan.faults) {
    await sleep(startMs + fault.atMs - monotonicMs());
    const done = FAULTS[fault.kind]({ fleet, world, ...fault }).then(
      (isDone) => {
        if (isDone !== false) counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
      },
      (error) => void problems.push(`${fault.kind} at ${fault.atMs} ms: ${error.message}`),
    );
    running.add(done);
    void done.finally(() => running.delete(done));
  }
  await sleep(startMs + durationMs - monotonicMs());
  await fleet.all((member) => {
    member.proxy.setWeather("clear");
    member.wake();
  });
  await Promise.all(running);
}

/** Each resolves when it is over; with `false` when there was nobody to do it to. */
const FAULTS = {
  async kill({ fleet, target, downMs, isRenamed }) {
    const member = fleet.member(target);
    if (!member.isRunning) return false;
    await member.kill();
    await sleep(downMs);
    return member.start({ isRenamed });
  },
  async close({ fleet, target, downMs }) {
    const member = fleet.member(target);
    if (!member.isRunning) return false;
    const isClosed = await member.close({ withinMs: CLOSE_MS_MAX });
    await sleep(downMs);
    await member.start();
    return isClosed;
  },
  async stop({ fleet, target, forMs }) {
    const member = fleet.member(target);
    if (!member.isRunning) return false;
    member.stop(forMs);
    return true;
  },
  async weather({ fleet, target, weather, forMs }) {
    const names = target === "*" ? fleet.names : [target];
    for (const name of names) fleet.member(name).proxy.setWeather(weather);
    await sleep(forMs);
    for (const name of names) fleet.member(name).proxy.setWeather("clear");
  },
  async skew({ world, target, skewMs }) {
    world.setError(target, skewMs);
  },
  async gateway({ world, downMs }) {
    world.killGateway();
    await sleep(downMs);
    await world.startGateway();
  },
  async jump({ fleet, world, byMs, isSuspended }) {
    if (isSuspended) await fleet.all((member) => member.stop(2 * CLOCK_LAG_MS));
    world.jump(byMs);
    await sleep(CLOCK_LAG_MS);
  },
};

/** All have to come to the same, at once and after a compaction, and every object has to verify. */
async function agree({ fleet, world, problems, log }) {
  await world.startGateway();
  await fleet.all(async (member) => {
    member.proxy.setWeather("clear");
    member.wake();
    await member.start();
  });
  await fleet.all((member) => member.order("stop", { withinMs: REST_MS_MAX }));
  log("all are at rest");
  const audits = await auditAll(fleet, "strong", ({ name }) => name !== OUTSIDER.name);
  const [first] = audits;
  const differs = ({ digest }) => digest !== first.digest;
  for (const audit of audits.filter(differs)) problems.push(disagreement(audit, first));
  await converge({ fleet, first, problems });
  log(`all agree on ${first.records} records`);
  await fleet.member("h1").order("compact");
  const auditor = await fleet.add({ name: "auditor", role: "reader", writes: 0, reads: 0 });
  const compacted = await auditAll(
    fleet,
    "strong",
    ({ name }) => name === "h1" || name === "auditor",
  );
  for (const audit of compacted.filter(differs)) problems.push(disagreement(audit, first));
  const { ok, problems: found } = await auditor.order("verify");
  const errors = found.filter(({ severity }) => severity === "error");
  for (const { key, problem } of errors) problems.push(`verify: ${key}: ${problem}`);
  if (ok !== (errors.length === 0)) problems.push("verify says both that all is well and that not");
  log("verified");
  await fleet.all((member) => member.close());
}

async function auditAll(fleet, level, isWanted) {
  const audits = await fleet.all(async (member) => {
    if (!isWanted(member)) return undefined;
    return { name: member.name, ...(await member.order("audit", { level })) };
  });
  return audits.filter((audit) => audit !== undefined);
}

function disagreement({ name, records, digest }, first) {
  return (
    `${name} ends with ${records} records (${digest.slice(0, 12)}), ` +
    `${first.name} with ${first.records} (${first.digest.slice(0, 12)})`
  );
}

/** Readers that only poll come to the same by themselves. */
async function converge({ fleet, first, problems }) {
  const untilMs = monotonicMs() + 20_000;
  for (;;) {
    const audits = await auditAll(fleet, "eventual", ({ name }) => name.startsWith("r"));
    const behind = audits.find(({ digest }) => digest !== first.digest);
    if (behind === undefined) return;
    if (monotonicMs() > untilMs) {
      problems.push(`20 s later ${disagreement(behind, first)}, by eventual reads`);
      return;
    }
    await sleep(500);
  }
}

/** A manifest's number is committed, and maintenance of an epoch taken, by one process. */
function judgeCommits(events) {
  const makers = new Map();
  const problems = [];
  for (const { type, number, run, actor } of events) {
    if (type !== "committed" && type !== "took-over") continue;
    const maker = makers.get(number);
    if (maker !== undefined && maker.run !== run) {
      problems.push(`manifest ${number} was committed by ${maker.actor} and by ${actor}`);
    }
    makers.set(number, { run, actor });
  }
  return problems;
}

/** It has to have tried, or else its silence would say nothing. */
function judgeOutsider({ operations }) {
  const own = operations.filter(({ isOff }) => isOff);
  if (own.length === 0) return [`${OUTSIDER.name} never tried to write`];
  const acked = own.filter(({ ackedMs }) => ackedMs !== undefined);
  return acked.map(({ name }) => `${name} was acknowledged, by a clock that is far off`);
}

function addCounts(counts, more) {
  for (const [kind, count] of Object.entries(more)) counts[kind] = (counts[kind] ?? 0) + count;
}

function summaryOf({ summary, events }, fleet) {
  const count = (type) => events.filter((event) => event.type === type).length;
  const collected = { segments: 0, slots: 0, manifests: 0 };
  for (const { report } of events.filter(({ type }) => type === "collected")) {
    for (const kind of Object.keys(collected)) collected[kind] += report[kind];
  }
  return {
    ...summary,
    runs: fleet.runs.length,
    takeovers: count("took-over"),
    commits: count("committed"),
    seals: count("sealed"),
    partitionsAcquired: count("partition_acquired"),
    partitionsTakenOver: events.filter(
      ({ type, from }) => type === "partition_acquired" && from !== undefined,
    ).length,
    fenced: count("fenced"),
    discarded: count("discarded"),
    left: count("instance_left"),
    collected,
  };
}
