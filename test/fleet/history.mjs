/*
 * All journals of a campaign as one history: operations, one for each record that a call wrote, and
 * reads in the order of their ends.
 */
import { readJournal } from "./journal.mjs";

/** Codes that say that nothing was written. Of everything else the outcome is open. */
const CERTAIN_FAILURES = new Set([
  "BRAINY_NOT_FOUND",
  "BRAINY_INVALID_ARGUMENT",
  "BRAINY_CONFLICT",
  "BRAINY_NOT_OWNER",
]);

/** How much later than its writer's end a request may have been stamped, at the most. */
const STAMP_MARGIN_MS = 2_000;
/** And by how much clocks may be ahead then: twice their skew, and some. */
const CLOCK_MARGIN_MS = 1_500;

/**
 * @param {object} options
 * @param {{ journal: string, run: number, actor: string, isOff: boolean, endedMs: number }[]} options.runs
 * @param {(monotonicMs: number) => number} options.wallMsAt Time of the fleet, its jumps included.
 */
export function readHistory({ runs, wallMsAt }) {
  const operations = [];
  const reads = [];
  const events = [];
  const wrong = [];
  const summary = {
    calls: 0,
    acknowledged: 0,
    open: 0,
    refused: 0,
    withWrongClock: 0,
    conditional: 0,
    reads: 0,
    readsFailed: 0,
  };
  for (const { journal, run, actor, isOff, endedMs } of runs) {
    const started = new Map();
    for (const line of readJournal(journal)) {
      if (line.k === "start") started.set(line.n, { ...line, endMs: endedMs, versions: [] });
      else if (line.k === "end") {
        Object.assign(started.get(line.n), { ...line, t: started.get(line.n).t, endMs: line.t });
      } else if (line.k === "read") reads.push({ ...line, run, actor });
      else if (line.k === "failed") summary.readsFailed++;
      else if (line.k === "event") events.push({ ...line, run, actor });
      else if (line.k === "wrong") wrong.push(`${actor} (run ${run}): ${line.message}`);
    }
    for (const call of started.values()) {
      summary.calls++;
      if (isOff) summary.withWrongClock++;
      else if (call.ok === true) summary.acknowledged++;
      else if (CERTAIN_FAILURES.has(call.code)) summary.refused++;
      else summary.open++;
      if (call.ok !== true && CERTAIN_FAILURES.has(call.code)) continue;
      operations.push(...operationsOf({ call, run, actor, isOff, wallMsAt }));
      if (call.was !== undefined) {
        summary.conditional++;
        if (call.ok === true) reads.push(conditionOf({ call, run, actor }));
      }
    }
  }
  summary.reads = reads.filter(({ what }) => !what.startsWith("condition")).length;
  reads.sort((a, b) => a.t1 - b.t1);
  return { operations, reads, events, wrong, summary };
}

function operationsOf({ call, run, actor, isOff, wallMsAt }) {
  const versions = new Map(call.versions);
  return call.ids.map((id, i) => {
    const version = versions.get(id);
    return {
      name: `${actor} ${run}.${call.n}`,
      run,
      isOff,
      id,
      kind: call.op,
      /** What it was done upon, if it asked: `[id]` for nothing, else what `sightingOf` makes. */
      was: call.was,
      value: call.v + i,
      startMs: call.t,
      endMs: call.endMs,
      /** Where it is not known, nothing that is newer than this can be it. */
      stampMsMax: Math.ceil(wallMsAt(call.endMs + STAMP_MARGIN_MS) + CLOCK_MARGIN_MS),
      version,
      // A batch of a call that failed in the end counts from the end of the call.
      ackedMs: version === undefined ? undefined : call.endMs,
    };
  });
}

/** That a condition held is as good as a strong read of the record. */
function conditionOf({ call, run, actor }) {
  const { n, t, endMs, was } = call;
  return { run, actor, what: `condition of ${n}`, level: "strong", t0: t, t1: endMs, seen: [was] };
}
