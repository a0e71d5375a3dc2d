import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * Lease, seal and lane, explored over every interleaving of three runs that each add one record if
 * it is absent (docs/specs/conditional-operations.md).
 *
 * A run reads the lease, seals the lane that it names, swaps, catches up, and appends, each as a
 * step of its own, so that it may stall or die between any two; one that died starts again with a
 * second lane. An append or a swap may lose its answer and arrive later, after its sender died or
 * gave it up. A run whose lane was sealed, or that lost an answer to an append, begins again with a
 * second lane. After each step the record must have been added at most once.
 */

const RUNS = 3;
/** Of each run; the second is for when the first has ended. */
const LANES = 2;
const NONE = -1;

const WRONG = [
  "the seal is skipped",
  "the lease is swapped before the seal",
  "the log is read with the lease",
  "what met a seal is appended to another lane",
  "the own lane is not sealed after a lost answer",
  "a partition is given back with a decision under way",
  "a swap that was not answered counts as won",
] as const;

type Protocol = "as specified" | (typeof WRONG)[number];

const STEPS = ["read", "seal", "swap", "catch up", "append", "done"] as const;

interface Run {
  readonly step: (typeof STEPS)[number];
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
  /** Lanes to which an append is still on its way, as bits. */
  readonly late: number;
  /** Of each lane: 1 + the epoch that a swap to it, which is still on its way, is to replace. */
  readonly lateSwaps: readonly number[];
  readonly losses: number;
}

const FRESH: Run = { step: "read", lane: 0, epoch: 0, named: NONE, seesRecord: false };
const NOTHING: readonly number[] = Array.from({ length: RUNS * LANES }, () => 0);
const START: State = {
  runs: Array.from({ length: RUNS }, () => FRESH),
  epoch: 0,
  named: NONE,
  added: NOTHING,
  sealed: 0,
  late: 0,
  lateSwaps: NOTHING,
  losses: 0,
};

/** Answers lost and deaths of one exploration. */
const LOSSES_MAX = IS_DEEP ? 2 : 1;
/** Giving back and taking again could go on for ever, and nothing new comes of it. */
const EPOCH_MAX = 2 * RUNS;

function laneOf(run: number, { lane }: Run): number {
  return run * LANES + lane;
}

function* moves(state: State, protocol: Protocol): Generator<Move<State>> {
  for (const [number, run] of state.runs.entries()) {
    for (const [what, after, more] of stepRun(state, number, run, protocol)) {
      if ((more?.epoch ?? 0) > EPOCH_MAX) continue;
      yield [`run ${number} ${what}`, { ...state, ...more, runs: state.runs.with(number, after) }];
    }
    if (state.losses === LOSSES_MAX || run.lane + 1 === LANES || run.step === "done") continue;
    const again: Run = { ...FRESH, lane: run.lane + 1 };
    const losses = state.losses + 1;
    const runs = state.runs.with(number, again);
    yield [`run ${number} dies and starts again`, { ...state, losses, runs }];
  }
  for (let lane = 0; lane < RUNS * LANES; lane++) yield* arrive(state, lane);
}

/** What was sent and not answered takes effect, if it still can. */
function* arrive(state: State, lane: number): Generator<Move<State>> {
  if ((state.late & (1 << lane)) !== 0) {
    const late = state.late & ~(1 << lane);
    yield [`an append to lane ${lane} arrives`, { ...state, late, ...append(state, lane) }];
  }
  const swap = state.lateSwaps[lane]!;
  if (swap === 0) return;
  const lateSwaps = state.lateSwaps.with(lane, 0);
  const won = swap - 1 === state.epoch ? { epoch: state.epoch + 1, named: lane } : {};
  if ((won.epoch ?? 0) > EPOCH_MAX) return;
  yield [`a swap of epoch ${swap - 1} to lane ${lane} arrives`, { ...state, lateSwaps, ...won }];
}

function append({ added, sealed }: State, lane: number): Partial<State> {
  if ((sealed & (1 << lane)) !== 0) return {};
  return { added: added.with(lane, added[lane]! + 1) };
}

type RunStep = readonly [what: string, after: Run, more?: Partial<State>];

function* stepRun(state: State, number: number, run: Run, protocol: Protocol): Generator<RunStep> {
  const own = laneOf(number, run);
  const isSwapFirst = protocol === "the lease is swapped before the seal";
  switch (run.step) {
    case "read": {
      const { epoch, named } = state;
      const read = { ...run, epoch, named, seesRecord: holdsRecord(state) };
      const what = `reads the lease of epoch ${epoch}, lane ${named}`;
      yield [what, { ...read, step: isSwapFirst ? "swap" : "seal" }];
      return;
    }
    case "seal":
      yield [
        `seals what the lease of epoch ${run.epoch} names`,
        { ...run, step: isSwapFirst ? "catch up" : "swap" },
        seal(state, run, own, protocol),
      ];
      return;
    case "swap":
      yield* stepSwap(state, run, own, protocol);
      return;
    case "catch up":
      yield ["catches up", { ...run, step: "append", seesRecord: holdsRecord(state) }];
      return;
    case "append":
      yield* stepAppend(state, number, run, protocol);
      return;
    case "done":
      // Nothing is under way any more: it may give the partition back.
      if (state.named === own) {
        yield ["gives the lease back", run, { epoch: state.epoch + 1, named: NONE }];
      }
  }
}

/** Not answered, it is on its way, and the lease is read again before anything else is done. */
function* stepSwap(state: State, run: Run, own: number, protocol: Protocol): Generator<RunStep> {
  const isSwapFirst = protocol === "the lease is swapped before the seal";
  const isBlind = protocol === "the log is read with the lease";
  const step = isSwapFirst ? "seal" : isBlind ? "append" : "catch up";
  if (state.epoch === run.epoch) {
    const swapped = { epoch: state.epoch + 1, named: own };
    yield [`swaps the lease to epoch ${swapped.epoch}, lane ${own}`, { ...run, step }, swapped];
  } else yield ["finds another lease than it read", { ...run, step: "read" }];
  if (state.losses === LOSSES_MAX || state.lateSwaps[own] !== 0) return;
  const losses = state.losses + 1;
  const lateSwaps = state.lateSwaps.with(own, run.epoch + 1);
  const after = protocol === "a swap that was not answered counts as won" ? step : "read";
  yield ["gets no answer to its swap", { ...run, step: after }, { lateSwaps, losses }];
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

function* stepAppend(
  state: State,
  number: number,
  run: Run,
  protocol: Protocol,
): Generator<RunStep> {
  const own = laneOf(number, run);
  if (run.seesRecord) {
    yield ["sees the record", { ...run, step: "done" }];
    return;
  }
  if (protocol === "a partition is given back with a decision under way" && state.named === own) {
    yield ["gives the lease back", run, { epoch: state.epoch + 1, named: NONE }];
  }
  const again: Run = { ...FRESH, lane: run.lane + 1 };
  if ((state.sealed & (1 << own)) !== 0) {
    if (run.lane + 1 === LANES) yield ["meets a seal and ends", { ...run, step: "done" }];
    else if (protocol === "what met a seal is appended to another lane") {
      yield ["meets a seal", { ...again, step: "append" }];
    } else yield ["meets a seal and begins again", again];
    return;
  }
  yield ["appends", { ...run, step: "done" }, append(state, own)];
  if (state.losses === LOSSES_MAX || run.lane + 1 === LANES) return;
  const lost = { late: state.late | (1 << own), losses: state.losses + 1 };
  yield ["gets no answer to its append and begins again", again, lost];
}

function violation({ added }: State): string | undefined {
  const count = added.reduce((sum, times) => sum + times, 0);
  return count > 1 ? "the record is added twice" : undefined;
}

/** What is known of one run and its lanes. */
function weigh({ runs, named, added, sealed, late, lateSwaps }: State, number: number): number {
  const run = runs[number]!;
  const isOwn = (lane: number): number =>
    Math.floor(lane / LANES) === number ? 1 + (lane % LANES) : 0;
  let weight = STEPS.indexOf(run.step) * 2 + (run.seesRecord ? 1 : 0);
  weight = ((weight * 2 + run.lane) * 3 + isOwn(named)) * 3 + isOwn(run.named);
  weight = weight * (EPOCH_MAX + 1) + run.epoch;
  for (let lane = number * LANES; lane < (number + 1) * LANES; lane++) {
    const bits = ((sealed >> lane) & 1) * 2 + ((late >> lane) & 1);
    weight = (weight * 4 + bits) * (EPOCH_MAX + 2) + lateSwaps[lane]! + added[lane]!;
  }
  return weight;
}

/** Runs do the same things, so a state is written with them in any order. */
function encode(state: State, order: readonly number[]): number[] {
  const places = order.map((_, run) => order.indexOf(run));
  const laneAt = (lane: number): number =>
    lane === NONE ? NONE : places[Math.floor(lane / LANES)]! * LANES + (lane % LANES);
  const { runs, epoch, named, added, sealed, late, lateSwaps, losses } = state;
  const numbers = [epoch, laneAt(named), losses];
  for (const number of order) {
    const run = runs[number]!;
    numbers.push(STEPS.indexOf(run.step), run.lane, run.epoch, laneAt(run.named));
    numbers.push(run.seesRecord ? 1 : 0);
    for (let lane = number * LANES; lane < (number + 1) * LANES; lane++) {
      numbers.push(added[lane]!, lateSwaps[lane]!, (sealed >> lane) & 1, (late >> lane) & 1);
    }
  }
  return numbers;
}

function subject(protocol: Protocol): Subject<State> {
  return {
    name: "partition leases",
    actors: "3 runs",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, protocol),
      violation,
      encode,
      alike: { count: RUNS, weigh },
    },
  };
}

test("[L1] [L4] as specified, a record is added once, in any interleaving", () => {
  expectToHold(subject("as specified"), 350_000);
}, 1_200_000);

for (const protocol of WRONG) {
  test(`[L1] [L3] [L4] [L5] if ${protocol}, a record is added twice`, () => {
    expectToFail(subject(protocol), "the record is added twice");
  }, 120_000);
}
