import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * The floor, explored over every interleaving of three writers of one record, a compactor and seals
 * at any moment (docs/specs/merge.md).
 *
 * Writer 0 puts, writer 1 deletes, writer 2 puts with a clock that is behind; each opens a lane,
 * reads, stamps and appends as four separate steps, so each may stall anywhere. It opens a second
 * lane when it meets a seal, and when it dies and starts again, with the clock it had at first; the
 * slot that it had sent by then may arrive later. The compactor reads the manifest, lists and
 * commits as three steps, may die between them, and may leave out one lane. After each step readers
 * must see the fold of what was appended.
 */

const [OPEN, PUT, DELETE, SEAL] = [0, 1, 2, 3] as const;
const WRITERS = 3;
const LANES = 2 * WRITERS;
const NEVER = -1;
const FOR_EVER = 1 << 15;

const AS_SPECIFIED = "least of those and of the manifest before";

type Rule = "when every listed lane is covered" | "least over unsealed lanes" | typeof AS_SPECIFIED;

interface Bounds {
  readonly rule: Rule;
  readonly opensFirst: boolean;
  readonly commits: number;
  readonly seals: number;
  readonly deaths: number;
}

/** Version and kind of one slot in one number: versions compare as numbers. */
function slotOf(version: number, kind: number): number {
  return version * 4 + kind;
}

interface State {
  /** Of each writer: what it does next, its clock, the version it has stamped. */
  readonly writers: readonly (readonly [step: number, clock: number, stamped: number])[];
  readonly lanes: readonly (readonly number[])[];
  readonly floor: number;
  readonly maxVersion: number;
  /** The record's row, `NEVER` when there is none. */
  readonly row: number;
  readonly cursors: readonly number[];
  readonly commits: number;
  readonly seals: number;
  readonly deaths: number;
  /** Of each writer: a slot of its first lane that is still on its way; 0 for none. */
  readonly late: readonly number[];
  /** Slots of each lane that the compactor has listed; empty unless it is at work. */
  readonly listed: readonly number[];
  readonly isReading: boolean;
}

const CLOCKS = [2, 5, 0];
const KINDS = [PUT, DELETE, PUT];

const START: State = {
  writers: CLOCKS.map((clock) => [0, clock, 0] as const),
  lanes: Array.from({ length: LANES }, () => []),
  floor: 0,
  maxVersion: 0,
  row: NEVER,
  cursors: Array.from({ length: LANES }, () => 0),
  commits: 0,
  seals: 0,
  deaths: 0,
  late: CLOCKS.map(() => 0),
  listed: [],
  isReading: false,
};

function stampOf(writer: number, clock: number): number {
  return (clock + 1) * WRITERS + writer;
}

function versionOf(slot: number): number {
  return slot >> 2;
}

function isSealed(slots: readonly number[]): boolean {
  return slots.length > 0 && (slots.at(-1)! & 3) === SEAL;
}

function* moves(state: State, bounds: Bounds): Generator<Move<State>> {
  for (let writer = 0; writer < WRITERS; writer++) {
    yield* stepWriter(state, writer, bounds);
    yield* arrive(state, writer);
  }
  for (const [lane, slots] of state.lanes.entries()) {
    if (state.seals === bounds.seals || slots.length === 0 || isSealed(slots)) continue;
    const sealed = [...slots, slotOf(versionOf(slots.at(-1)!), SEAL)];
    yield [
      `lane ${lane} is sealed`,
      { ...state, seals: state.seals + 1, lanes: state.lanes.with(lane, sealed) },
    ];
  }
  if (state.listed.length > 0) yield* commit(state, bounds);
  else if (state.isReading) {
    const listed = state.lanes.map((slots) => slots.length);
    yield ["the compactor lists the log", { ...state, isReading: false, listed }];
  } else if (state.commits < bounds.commits) {
    yield ["the compactor reads the manifest", { ...state, isReading: true }];
  }
  if (state.listed.length > 0 || state.isReading) {
    yield ["the compactor dies", { ...state, isReading: false, listed: [] }];
  }
}

/** A slot that was sent before its writer died: it is there, or the lane was sealed before. */
function* arrive(state: State, writer: number): Generator<Move<State>> {
  const slot = state.late[writer]!;
  if (slot === 0) return;
  const late = state.late.with(writer, 0);
  const slots = state.lanes[writer]!;
  const lanes = isSealed(slots) ? state.lanes : state.lanes.with(writer, [...slots, slot]);
  yield [`what writer ${writer} sent before it died arrives`, { ...state, late, lanes }];
}

/** Steps 0 to 3 in the first lane, 4 to 7 in the second, 8: done. */
function* stepWriter(state: State, writer: number, bounds: Bounds): Generator<Move<State>> {
  const [step, clock, stamped] = state.writers[writer]!;
  if (step === 8) return;
  const lane = step < 4 ? writer : writer + WRITERS;
  const slots = state.lanes[lane]!;
  const become = (values: readonly [number, number, number], more: Partial<State> = {}): State => ({
    ...state,
    ...more,
    writers: state.writers.with(writer, values),
  });
  const append = (slot: number): Partial<State> => ({
    lanes: state.lanes.with(lane, [...slots, slot]),
  });
  if (step > 0 && step < 4 && state.deaths < bounds.deaths) {
    const deaths = state.deaths + 1;
    yield [`writer ${writer} dies`, become([4, CLOCKS[writer]!, 0], { deaths })];
    if (step === 3) {
      const late = state.late.with(writer, slotOf(stamped, KINDS[writer]!));
      yield [
        `writer ${writer} dies with a slot on its way`,
        become([4, CLOCKS[writer]!, 0], { deaths, late }),
      ];
    }
  }
  switch (step % 4) {
    case 0: {
      const version = stampOf(writer, clock);
      yield bounds.opensFirst
        ? [
            `writer ${writer} opens lane ${lane} at ${version}`,
            become([step + 1, clock + 1, 0], append(slotOf(version, OPEN))),
          ]
        : [`writer ${writer} begins`, become([step + 1, clock, 0])];
      return;
    }
    case 1: {
      const seen = Math.floor(state.maxVersion / WRITERS);
      yield [`writer ${writer} reads`, become([step + 1, Math.max(clock, seen), 0])];
      return;
    }
    case 2:
      yield [
        `writer ${writer} stamps ${stampOf(writer, clock)}`,
        become([step + 1, clock + 1, stampOf(writer, clock)]),
      ];
      return;
    default: {
      if (isSealed(slots)) {
        yield [`writer ${writer} meets a seal`, become([step < 4 ? 4 : 8, clock, 0])];
        return;
      }
      const what = KINDS[writer] === DELETE ? "delete" : "put";
      yield [
        `writer ${writer} appends its ${what} at ${stamped}`,
        become([8, clock, 0], append(slotOf(stamped, KINDS[writer]!))),
      ];
      return;
    }
  }
}

/** Covers what was listed, or all of it but one lane. */
function* commit(state: State, bounds: Bounds): Generator<Move<State>> {
  yield ["the compactor commits", committed(state, bounds, NEVER)];
  for (let lane = 0; lane < LANES; lane++) {
    if (state.listed[lane]! <= state.cursors[lane]!) continue;
    yield [`the compactor commits, without lane ${lane}`, committed(state, bounds, lane)];
  }
}

function committed(state: State, { rule }: Bounds, leftOut: number): State {
  let { row, maxVersion } = state;
  let least = FOR_EVER;
  const cursors = state.cursors.map((before, lane) => {
    const cursor = lane === leftOut ? before : state.listed[lane]!;
    const slots = state.lanes[lane]!.slice(0, cursor);
    for (const slot of slots.slice(before)) {
      maxVersion = Math.max(maxVersion, versionOf(slot));
      const kind = slot & 3;
      if ((kind === PUT || kind === DELETE) && slot > row) row = slot;
    }
    const isOpen = state.listed[lane]! > 0 && !isSealed(slots);
    if (isOpen) least = Math.min(least, cursor === 0 ? state.floor : versionOf(slots.at(-1)!));
    return cursor;
  });
  const floor = Math.max(state.floor, floorBy(rule, state, least, leftOut));
  const isDropped = row !== NEVER && (row & 3) === DELETE && versionOf(row) <= floor;
  return {
    ...state,
    row: isDropped ? NEVER : row,
    floor,
    maxVersion,
    cursors,
    commits: state.commits + 1,
    listed: [],
  };
}

function floorBy(rule: Rule, state: State, least: number, leftOut: number): number {
  if (rule === "when every listed lane is covered") return leftOut === NEVER ? FOR_EVER : 0;
  if (rule === "least over unsealed lanes") return least;
  return Math.min(least, state.maxVersion);
}

/** What readers see is what was appended, and nothing uncovered is at or below the floor. */
function violation(state: State, { rule, opensFirst }: Bounds): string | undefined {
  let expected = NEVER;
  let seen = state.row;
  for (const [lane, slots] of state.lanes.entries()) {
    for (const [number, slot] of slots.entries()) {
      if ((slot & 3) !== PUT && (slot & 3) !== DELETE) continue;
      expected = Math.max(expected, slot);
      if (number < state.cursors[lane]!) continue;
      seen = Math.max(seen, slot);
      const isWhole = opensFirst && rule === AS_SPECIFIED;
      if (isWhole && versionOf(slot) <= state.floor) return "an acknowledged operation is junk";
    }
  }
  const visible = (slot: number): number => (slot !== NEVER && (slot & 3) === PUT ? slot : NEVER);
  return visible(expected) === visible(seen) ? undefined : "deleted data is back";
}

function encode(state: State): number[] {
  const { floor, maxVersion, row, commits, seals, deaths, isReading } = state;
  const numbers = [floor, maxVersion, row, commits, seals, deaths, isReading ? 1 : 0];
  for (const writer of state.writers) numbers.push(...writer);
  for (const slots of state.lanes) numbers.push(slots.length, ...slots);
  numbers.push(...state.late, ...state.cursors, ...state.listed);
  return numbers;
}

function subject(bounds: Bounds): Subject<State> {
  return {
    name: `the floor, ${bounds.commits} commits, ${bounds.seals} seals, ${bounds.deaths} deaths`,
    actors: "3 writers, compactor, sealer",
    rule: `${bounds.rule}, ${bounds.opensFirst ? "with" : "without"} open records`,
    model: {
      start: START,
      moves: (state) => moves(state, bounds),
      violation: (state) => violation(state, bounds),
      encode,
    },
  };
}

/** All at once take several million states. */
const BOUNDS = IS_DEEP
  ? [
      { commits: 3, seals: 2, deaths: 0 },
      { commits: 2, seals: 1, deaths: 1 },
    ]
  : [
      { commits: 3, seals: 1, deaths: 0 },
      { commits: 2, seals: 0, deaths: 1 },
    ];

const WEAKER = [
  ["when every listed lane is covered", false],
  ["when every listed lane is covered", true],
  ["least over unsealed lanes", false],
  ["least over unsealed lanes", true],
  [AS_SPECIFIED, false],
] as const;

for (const [rule, opensFirst] of WEAKER) {
  const writers = opensFirst ? "with an open record" : "without an open record";
  test(`[J3] dropping tombstones ${rule}, ${writers}, brings deleted data back`, () => {
    const bounds = { commits: 3, seals: 1, deaths: 1 };
    expectToFail(subject({ rule, opensFirst, ...bounds }), "deleted data is back");
  }, 120_000);
}

for (const bounds of BOUNDS) {
  const within = `${bounds.commits} commits, ${bounds.seals} seals, ${bounds.deaths} deaths`;
  test(`[J3] the floor with open records brings nothing back, in any interleaving: ${within}`, () => {
    expectToHold(subject({ rule: AS_SPECIFIED, opensFirst: true, ...bounds }), 500_000);
  }, 1_200_000);
}
