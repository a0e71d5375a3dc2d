/*
 * Kills a writing process again and again over one folder, and judges after each kill what is
 * left: nothing acknowledged is lost, nothing deleted is back, every object verifies.
 *
 * Minutes or a day pass between the runs: the times of all files are set back, so that manifests
 * outlive their retention, lanes of the dead are sealed, and what nobody needs is collected. A lane
 * whose last slot a manifest has seen keeps the time noted there, so some stay open and pile up.
 */
import { fork } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../dist/base/random.js";
import { Brainy } from "../../dist/index.js";
import { fold, isRecord, parts, readJournal, recordOf } from "./crash-model.mjs";

const WRITER = fileURLToPath(new URL("crash-writer.mjs", import.meta.url));
/** Moments that a kill may wait for, as the writer announces them. */
const PHASES = ["open", "compact", "took-over", "committed", "index_updated", "collected"];
/** Those of them that come once in a run. */
const SINGLE_PHASES = new Set(["open", "took-over"]);
/** Milliseconds until a run is killed whatever it waits for. */
const RUN_MS_MAX = 4_000;
/** How much older the folder is made between two runs. */
const AGES_MS = [0, 60_000, 3 * 60_000, 20 * 60_000, 20 * 60_000, 25 * 3_600_000];

/**
 * @param {object} options
 * @param {string} options.folder Empty; the database is made in `db` under it.
 * @param {number} options.kills
 * @param {number} options.seed
 * @param {(line: string) => void} [options.log]
 */
export async function runCampaign({ folder, kills, seed, log = () => {} }) {
  const random = seededRandom(seed);
  const campaign = { folder: join(folder, "db"), random, states: new Map() };
  const summary = {
    kills: 0,
    started: 0,
    acknowledged: 0,
    lost: 0,
    resurrected: 0,
    wrong: 0,
    operationErrors: 0,
    verifyErrors: 0,
    verifyWarnings: 0,
    collected: { segments: 0, slots: 0, manifests: 0 },
    sealed: 0,
    discarded: 0,
    lanesMax: 0,
    records: 0,
    killedAt: {},
    reopenMs: [],
    problems: [],
  };
  mkdirSync(campaign.folder, { recursive: true });
  for (let run = 1; run <= kills; run++) {
    const journal = join(folder, `journal-${run}`);
    const instant = await killOne(campaign, { run, journal });
    summary.kills++;
    summary.killedAt[instant] = (summary.killedAt[instant] ?? 0) + 1;
    const text = existsSync(journal) ? readFileSync(journal, "utf8") : "";
    await judge(campaign, summary, { run, ...readJournal(text) });
    log(line(run, instant, summary));
    setBack(campaign.folder, AGES_MS[Math.floor(random.next() * AGES_MS.length)]);
  }
  const times = summary.reopenMs.toSorted((a, b) => a - b);
  const rounded = (ms) => Math.round(ms * 10) / 10;
  return {
    ...summary,
    reopenMs: { p50: rounded(times[Math.floor(times.length / 2)]), max: rounded(times.at(-1)) },
  };
}

/** Runs a writer to its end by SIGKILL. Resolves with what the kill waited for. */
async function killOne({ folder, random }, { run, journal }) {
  const seed = Math.floor(random.next() * 2 ** 32);
  const isEager = random.next() < 0.5;
  const settings = { folder, journal, run, seed, isEager };
  const phase = random.next() < 0.5 ? PHASES[Math.floor(random.next() * PHASES.length)] : "loaded";
  // As many kills between 5 and 50 ms as between 150 and 1,500.
  const delayMs =
    phase === "loaded" ? 5 * 300 ** random.next() : random.next() < 0.3 ? 0 : 40 * random.next();
  const isSingle = phase === "loaded" || SINGLE_PHASES.has(phase);
  const repeats = isSingle ? 1 : 1 + Math.floor(3 * random.next());
  const child = fork(WRITER, [JSON.stringify(settings)], {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  let complaint = "";
  child.stderr.on("data", (chunk) => (complaint += chunk));
  let instant = `${phase}, late`;
  const kill = () => child.kill("SIGKILL");
  const late = setTimeout(kill, RUN_MS_MAX);
  let seen = 0;
  child.on("message", (message) => {
    if (message.phase !== phase || ++seen !== repeats) return;
    instant = phase;
    setTimeout(kill, delayMs);
  });
  const [code, signal] = await new Promise((resolve) => {
    child.once("close", (...ended) => resolve(ended));
  });
  clearTimeout(late);
  if (signal !== "SIGKILL")
    throw new Error(`the writer ended by itself, with ${code}: ${complaint}`);
  return instant;
}

/** Reopens, compares every record with what it may be, verifies, and takes what is there as known. */
async function judge(campaign, summary, { run, operations, notes }) {
  const { allowed, acknowledged } = expectations(campaign.states, operations);
  summary.started += operations.length;
  summary.acknowledged += acknowledged;
  for (const { word, text } of notes) {
    if (word === "error") {
      summary.operationErrors++;
      summary.problems.push(`run ${run}: ${text}`);
    } else if (word === "collected") {
      const [segments, slots, manifests] = text.split(" ").map(Number);
      summary.collected.segments += segments;
      summary.collected.slots += slots;
      summary.collected.manifests += manifests;
    } else if (word in summary) summary[word]++;
  }
  const { found, reopenMs } = await reopen(campaign, summary, run);
  summary.reopenMs.push(reopenMs);
  for (const id of new Set([...allowed.keys(), ...found.keys()])) {
    const candidates = allowed.get(id) ?? [undefined];
    const record = found.get(id);
    if (candidates.some((candidate) => isRecord(candidate, record))) continue;
    const kind =
      record === undefined
        ? "lost"
        : candidates.some((one) => one !== undefined)
          ? "wrong"
          : "resurrected";
    // An older state than the acknowledged one means that the newer operations are lost.
    summary[kind === "wrong" ? "lost" : kind]++;
    if (kind === "wrong") summary.wrong++;
    summary.problems.push(
      `run ${run}: ${id} is ${kind}: ${JSON.stringify(record && recordOf(record))}, ` +
        `not ${candidates.map((one) => JSON.stringify(one)).join(" or ")}`,
    );
  }
  campaign.states = new Map([...found].map(([id, record]) => [id, recordOf(record)]));
  summary.records = found.size;
  const wal = join(campaign.folder, "_brainy", "wal");
  const lanes = existsSync(wal) ? readdirSync(wal).length : 0;
  summary.lanesMax = Math.max(summary.lanesMax, lanes);
}

/** Makes all files of a folder older. Nothing runs meanwhile. */
function setBack(folder, byMs) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const time = new Date(statSync(path).mtimeMs - byMs);
    utimesSync(path, time, time);
  }
}

/** What each record may be: what was acknowledged, with or without what was under way. */
function expectations(states, operations) {
  const known = new Map(states);
  const underWay = [];
  let acknowledged = 0;
  // In the order of their starts, which for one record is the order of their effects.
  for (const operation of operations) {
    if (!operation.isAcked) underWay.push(...parts(operation));
    else {
      acknowledged++;
      for (const part of parts(operation)) known.set(part.id, fold(known.get(part.id), part));
    }
  }
  const allowed = new Map([...known].map(([id, record]) => [id, [record]]));
  for (const part of underWay) {
    const record = known.get(part.id);
    allowed.set(part.id, [record, fold(record, part)]);
  }
  return { allowed, acknowledged };
}

async function reopen({ folder }, summary, run) {
  const startMs = performance.now();
  const brain = new Brainy({
    storage: folder,
    // Readers and writers alike: every other time nothing may be written.
    readOnly: run % 2 === 0,
    pollInterval: 0,
  });
  try {
    const count = await brain.count();
    const reopenMs = performance.now() - startMs;
    const found = new Map();
    for (let cursor; ;) {
      const page = await brain.list({ limit: 1_000, ...(cursor && { cursor }) });
      for (const record of page.records) {
        if (found.has(record.id)) summary.problems.push(`run ${run}: ${record.id} is listed twice`);
        found.set(record.id, record);
      }
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    if (count !== found.size) {
      summary.problems.push(`run ${run}: ${count} counted, ${found.size} listed`);
    }
    await searchSome(brain, found, summary, run);
    const report = await brain.verify();
    for (const { severity, key, problem } of report.problems) {
      if (severity === "warning") summary.verifyWarnings++;
      if (severity !== "error") continue;
      summary.verifyErrors++;
      summary.problems.push(`run ${run}: verify: ${key}: ${problem}`);
    }
    return { found, reopenMs };
  } finally {
    await brain.close();
  }
}

/** The index and the records are two things that a crash could part. */
async function searchSome(brain, found, summary, run) {
  for (const record of [...found.values()].slice(0, 20)) {
    const hits = await brain.search(record.vector, 1, { include: ["vector"] });
    if (hits.length === 1 && hits[0].distance < 1e-6) continue;
    summary.problems.push(`run ${run}: searching ${record.id}'s vector found ${hits[0]?.id}`);
  }
}

function line(run, instant, { acknowledged, lost, resurrected, verifyErrors, reopenMs, lanesMax }) {
  return (
    `kill ${run} (${instant}): ${acknowledged} acknowledged, ${lost} lost, ` +
    `${resurrected} resurrected, ${verifyErrors} verify errors, ` +
    `reopened in ${reopenMs.at(-1).toFixed(1)} ms, up to ${lanesMax} lanes`
  );
}
