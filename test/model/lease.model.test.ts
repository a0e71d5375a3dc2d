import { expect, test } from "vitest";

/*
 * Lease, seal and lane, explored breadth-first over every interleaving of three runs that each add
 * one record if it is absent (docs/specs/conditional-operations.md).
 *
 * A run reads the lease, seals the lane that it names, swaps, catches up, and appends, each as a
 * step of its own, so that it may stall or die between any two. One append may lose its answer and
 * arrive later. A run whose lane was sealed, or that lost an answer, begins again with a second
 * lane. After each step the record must have been added at most once.
 */

const RUNS = 3;
/** Of each run; the second is for when the first has ended. */
const LANES = 2;
const NONE = -1;

type Protocol =
  | "as specified"
  | "the seal is skipped"
  | "the lease is swapped before the seal"
  | "the log is read with the lease"
  | "what met a seal is appended to another lane"
  | "the own lane is not sealed after a lost answer"
  | "a partition is given back with a decision under way";

type Step = "read" | "seal" | "swap" | "catch up" | "append" | "done";

interface Run {
  readonly step: Step;
  /** 0 or 1: which of its lanes is in use. */
  readonly lane: number;
  /** Epoch of the lease that was read, and the lane it names. */
  readonly epoch: number;
  readonly named: number;
  readonly seesRecord: boolean;
}

interface State {
  readonly runs: readonly Run[];
  readonly epoch: number;
  /** The lane that the lease names. */
  readonly named: number;
  /** Lanes that hold the record, as bits, and those that are sealed. */
  readonly added: readonly number[];
  readonly sealed: number;
  /** Lanes to which an append is still on its way. */
  readonly late: number;
  readonly losses: number;
}

const FRESH: Run = { step: "read", lane: 0, epoch: 0, named: NONE, seesRecord: false };
const START: State = {
  runs: Array.from({ length: RUNS }, () => FRESH),
  epoch: 0,
  named: NONE,
  added: Array.from({ length: RUNS * LANES }, () => 0),
  sealed: 0,
  late: 0,
  losses: 0,
};

const LOSSES_MAX = 1;

function laneOf(run: number, { lane }: Run): number {
  return run * LANES + lane;
}

function* next(state: State, protocol: Protocol): Generator<State> {
  for (const [number, run] of state.runs.entries()) {
    for (const [after, more] of stepRun(state, number, run, protocol)) {
      yield { ...state, ...more, runs: state.runs.with(number, after) };
    }
  }
  for (let lane = 0; lane < RUNS * LANES; lane++) {
    if ((state.late & (1 << lane)) === 0) continue;
    yield { ...state, late: state.late & ~(1 << lane), ...append(state, lane) };
  }
}

function append({ added, sealed }: State, lane: number): Partial<State> {
  if ((sealed & (1 << lane)) !== 0) return {};
  return { added: added.with(lane, added[lane]! + 1) };
}

type Move = readonly [Run, Partial<State>?];

function* stepRun(state: State, number: number, run: Run, protocol: Protocol): Generator<Move> {
  const own = laneOf(number, run);
  const isSwapFirst = protocol === "the lease is swapped before the seal";
  switch (run.step) {
    case "read": {
      const { epoch, named } = state;
      const read = { ...run, epoch, named, seesRecord: holdsRecord(state) };
      yield [{ ...read, step: isSwapFirst ? "swap" : "seal" }];
      return;
    }
    case "seal":
      yield [{ ...run, step: isSwapFirst ? "catch up" : "swap" }, seal(state, run, own, protocol)];
      return;
    case "swap": {
      if (state.epoch !== run.epoch) {
        yield [{ ...run, step: "read" }];
        return;
      }
      const isBlind = protocol === "the log is read with the lease";
      const step = isSwapFirst ? "seal" : isBlind ? "append" : "catch up";
      yield [
        { ...run, step },
        { epoch: state.epoch + 1, named: own },
      ];
      return;
    }
    case "catch up":
      yield [{ ...run, step: "append", seesRecord: holdsRecord(state) }];
      return;
    case "append":
      yield* stepAppend(state, number, run, protocol);
      return;
    case "done":
      // Nothing is under way any more: it may give the partition back.
      if (state.named === own) yield [run, { epoch: state.epoch + 1, named: NONE }];
  }
}

function holdsRecord({ added }: State): boolean {
  return added.some((count) => count > 0);
}

function seal(state: State, run: Run, own: number, protocol: Protocol): Partial<State> {
  const { named } = run;
  const isOwnRun = named !== NONE && Math.floor(named / LANES) === Math.floor(own / LANES);
  const isSkipped =
    protocol === "the seal is skipped" ||
    (isOwnRun && protocol === "the own lane is not sealed after a lost answer");
  if (named === NONE || named === own || isSkipped) return {};
  return { sealed: state.sealed | (1 << named) };
}

function* stepAppend(state: State, number: number, run: Run, protocol: Protocol): Generator<Move> {
  const own = laneOf(number, run);
  if (run.seesRecord) {
    yield [{ ...run, step: "done" }];
    return;
  }
  if (protocol === "a partition is given back with a decision under way" && state.named === own) {
    yield [run, { epoch: state.epoch + 1, named: NONE }];
  }
  const again: Run = { ...FRESH, lane: run.lane + 1 };
  if ((state.sealed & (1 << own)) !== 0) {
    if (run.lane + 1 === LANES) yield [{ ...run, step: "done" }];
    else if (protocol === "what met a seal is appended to another lane") {
      yield [{ ...again, step: "append" }];
    } else yield [again];
    return;
  }
  yield [{ ...run, step: "done" }, append(state, own)];
  if (state.losses === LOSSES_MAX || run.lane + 1 === LANES) return;
  yield [again, { late: state.late | (1 << own), losses: state.losses + 1 }];
}

const STEPS: readonly Step[] = ["read", "seal", "swap", "catch up", "append", "done"];

function keyOf({ runs, epoch, named, added, sealed, late, losses }: State): string {
  const numbers = [epoch, named + 1, sealed, late, losses, ...added];
  for (const run of runs) {
    numbers.push(STEPS.indexOf(run.step), run.lane, run.epoch, run.named + 1);
    numbers.push(run.seesRecord ? 1 : 0);
  }
  return String.fromCharCode(...numbers);
}

function explore(protocol: Protocol): { readonly states: number; readonly isAddedTwice: boolean } {
  const seen = new Set<string>([keyOf(START)]);
  let frontier: State[] = [START];
  while (frontier.length > 0) {
    const following: State[] = [];
    for (const state of frontier) {
      for (const after of next(state, protocol)) {
        // Giving back and taking again could go on for ever, and nothing new comes of it.
        if (after.epoch > 2 * RUNS) continue;
        const key = keyOf(after);
        if (seen.has(key)) continue;
        seen.add(key);
        const count = after.added.reduce((sum, times) => sum + times, 0);
        if (count > 1) return { states: seen.size, isAddedTwice: true };
        following.push(after);
      }
    }
    frontier = following;
  }
  return { states: seen.size, isAddedTwice: false };
}

test("[L1] [L4] as specified, a record is added once, in any interleaving", () => {
  const { states, isAddedTwice } = explore("as specified");
  console.log(`lease, seal and lane: ${states} states, none bad`);
  expect(isAddedTwice).toBe(false);
  expect(states).toBeGreaterThan(10_000);
}, 120_000);

const WRONG: readonly Protocol[] = [
  "the seal is skipped",
  "the lease is swapped before the seal",
  "the log is read with the lease",
  "what met a seal is appended to another lane",
  "the own lane is not sealed after a lost answer",
  "a partition is given back with a decision under way",
];

for (const protocol of WRONG) {
  test(`[L1] [L3] [L4] [L5] if ${protocol}, a record is added twice`, () => {
    expect(explore(protocol).isAddedTwice).toBe(true);
  }, 120_000);
}
