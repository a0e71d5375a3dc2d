import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";
import {
  OPEN,
  OWN_SEAL,
  SEAL,
  SLOTS,
  ageSlot,
  isJunk,
  kindOf,
  ledgerAfter,
  slotOf,
  unbroken,
  versionOf,
  type Ledger,
  type LedgerRules,
  type Slots,
} from "./lane-ledger-model.ts";

/*
 * The life of a lane, explored over every interleaving of a writer of two operations, whoever seals
 * lanes, and the holder that covers, retires and collects them (docs/specs/log.md).
 *
 * The writer may be suspended at any step for as long as it takes, two days included; its requests
 * and those of sealers may go unanswered and arrive at any time after. When it finds out that its
 * lane has ended it goes on in a second one. The ages of objects and answers are counted in half
 * days up to two: apart by less than 12 h is at most one, old enough to be collected is two. The
 * holder lists and commits, and lists and deletes slot by slot, as separate steps, and may die
 * between any two. Others write and are covered at any moment, which raises the greatest version.
 */

/** The ways to get it wrong, what comes of each, and how many answers have to be lost for that. */
const WRONG = [
  ["a slow PUT is not followed by a look at the manifest", "acknowledged operation is lost", 1],
  ["two direct answers count however far apart they are", "acknowledged operation is lost", 0],
  ["a seal is collected before it is old", "acknowledged operation is lost", 0],
  ["a lane is retired before the floor passes it", "acknowledged operation is lost", 0],
  ["a lane without a beginning is read", "a reader waits", 0],
  ["a seal that is met proves that the slot is absent", "twice", 1],
  ["an open record below the manifest is written behind", "twice", 0],
  ["what an earlier PUT may have written is appended again", "twice", 1],
  ["a slot of a retired lane is not looked for", "twice", 0],
  ["a conflict counts as lost", "twice", 1],
  ["what was not answered is appended to another lane", "twice", 1],
  ["slot n+1 follows an undecided slot n", "lost", 1],
] as const;

type Protocol = "as specified" | (typeof WRONG)[number][0];

interface Rules {
  readonly protocol: Protocol;
  /** Of the writer. */
  readonly operations: number;
  /** PUTs of the writer that are not answered, seals sent, times that others are covered. */
  readonly losses: number;
  readonly seals: number;
  readonly others: number;
}

/** The writer's: the first until it ends, then the second. */
const LANES = 2;
const OPERATIONS_MAX = 2;
const HALF_DAYS_MAX = 2;

const PHASES = ["stamp", "put", "look", "catch up", "check", "verify", "close", "done"] as const;

interface Writer {
  readonly phase: (typeof PHASES)[number];
  readonly lane: number;
  /** The slot in hand; 0 is the open record. */
  readonly number: number;
  readonly openVersion: number;
  readonly clock: number;
  /** What the slot in hand is stamped with. */
  readonly version: number;
  /** Half days since a PUT was answered by success, if the last one was. */
  readonly directAge: number;
  /** The operation in hand. */
  readonly operation: number;
  /** PUTs sent of the slot in hand: 1, or 2 for more; whether one was not answered. */
  readonly attempts: number;
  readonly isUnanswered: boolean;
  /** A seal was found in its place. */
  readonly isLost: boolean;
}

/**
 * A PUT that was not answered, or a seal on its way. A request takes effect within 12 h of being
 * sent or never; a seal is not sent yet while its sealer sleeps, and may come at any time.
 */
interface Late {
  readonly age: number;
  readonly lane: number;
  readonly number: number;
  readonly slot: number;
}

interface State {
  readonly writer: Writer;
  readonly lanes: readonly Slots[];
  readonly ledger: Ledger;
  readonly late: readonly Late[];
  /** What the holder has listed and is to cover; or slots, as bits, that it is to delete. */
  readonly listed: readonly Slots[] | undefined;
  readonly deleting: readonly number[] | undefined;
  /** Operations that were acknowledged, as bits. */
  readonly acknowledged: number;
  /** Copies of operations that some reader may have seen: a bit for each operation and lane. */
  readonly shown: number;
  readonly losses: number;
  readonly seals: number;
  readonly others: number;
}

const EMPTY: Slots = Array.from({ length: SLOTS }, () => 0);
const START: State = {
  writer: {
    phase: "stamp",
    lane: 0,
    number: 0,
    openVersion: 0,
    clock: 1,
    version: 0,
    directAge: HALF_DAYS_MAX,
    operation: 0,
    attempts: 0,
    isUnanswered: false,
    isLost: false,
  },
  lanes: Array.from({ length: LANES }, () => EMPTY),
  ledger: {
    floor: 0,
    maxVersion: 0,
    entries: Array.from({ length: LANES }, () => undefined),
    covered: 0,
  },
  late: [],
  listed: undefined,
  deleting: undefined,
  acknowledged: 0,
  shown: 0,
  losses: 0,
  seals: 0,
  others: 0,
};

function ledgerRules({ protocol }: Rules): LedgerRules {
  return {
    retiresEarly: protocol === "a lane is retired before the floor passes it",
    readsJunk: protocol === "a lane without a beginning is read",
  };
}

function* moves(state: State, rules: Rules): Generator<Move<State>> {
  for (const [what, after] of allMoves(state, rules)) {
    yield [what, { ...after, shown: after.shown | copies(after, rules).shown }];
  }
}

function* allMoves(state: State, rules: Rules): Generator<Move<State>> {
  for (const [what, writer, more] of writerSteps(state, rules)) {
    yield [`the writer ${what}`, { ...state, ...more, writer }];
  }
  for (const [i, { lane, number, slot }] of state.late.entries()) {
    const late = state.late.toSpliced(i, 1);
    const what = `${kindOf(slot) === SEAL ? "a seal" : "a PUT"} of slot ${number} of lane ${lane}`;
    yield [`${what} arrives`, { ...state, late, lanes: put(state.lanes, lane, number, slot) }];
  }
  yield* sealerMoves(state, rules);
  yield* holderMoves(state, rules);
  const aged = state.lanes.map((slots) => slots.map(ageSlot));
  const directAge = Math.min(HALF_DAYS_MAX, state.writer.directAge + 1);
  const late = state.late
    .map((one) => (kindOf(one.slot) === SEAL ? one : { ...one, age: one.age + 1 }))
    .filter(({ age }) => age < HALF_DAYS_MAX);
  const isOlder =
    state.late.some(({ slot }) => kindOf(slot) !== SEAL) ||
    directAge > state.writer.directAge ||
    aged.some((slots, lane) => slots.some((slot, n) => slot !== state.lanes[lane]![n]));
  if (isOlder) {
    const writer = { ...state.writer, directAge };
    yield ["half a day passes", { ...state, writer, lanes: aged, late }];
  }
}

/** Create if absent. */
function put(
  lanes: readonly Slots[],
  lane: number,
  number: number,
  slot: number,
): readonly Slots[] {
  const slots = lanes[lane]!;
  return slots[number] === 0 ? lanes.with(lane, slots.with(number, slot)) : lanes;
}

type WriterStep = readonly [what: string, after: Writer, more?: Partial<State>];

function* writerSteps(state: State, rules: Rules): Generator<WriterStep> {
  const { writer } = state;
  const { number, clock, lane } = writer;
  switch (writer.phase) {
    case "stamp": {
      const version = clock + 1;
      const what = number === 0 ? `opens lane ${lane}` : `stamps operation ${writer.operation}`;
      const fresh = { attempts: 0, isUnanswered: false, isLost: false };
      const stamped = { ...writer, ...fresh, version, clock: version };
      yield [`${what} at ${version}`, { ...stamped, phase: "put" }];
      return;
    }
    case "put":
      yield* putSteps(state, rules);
      return;
    case "look":
      yield* lookSteps(state, rules);
      return;
    case "catch up": {
      const { maxVersion } = state.ledger;
      const above = { ...writer, clock: Math.max(clock, maxVersion) };
      const isLow = maxVersion >= writer.version;
      if (isLow && rules.protocol !== "an open record below the manifest is written behind") {
        yield ["finds its open record too low", inNextLane(above)];
        return;
      }
      const opened = { ...above, openVersion: writer.version, phase: "stamp", number: 1 } as const;
      yield ["catches up", opened];
      return;
    }
    case "check":
      yield checkStep(state, rules);
      return;
    case "verify":
      yield verifyStep(state, rules);
      return;
    case "close": {
      const slot = slotOf(OWN_SEAL, writer.version);
      const lanes = put(state.lanes, lane, number, slot);
      yield ["closes its lane", { ...writer, phase: "done" }, { lanes }];
      return;
    }
    case "done":
  }
}

function inNextLane(writer: Writer): Writer {
  const lane = writer.lane + 1;
  if (lane === LANES) return { ...writer, phase: "done" };
  return { ...writer, phase: "stamp", lane, number: 0, directAge: HALF_DAYS_MAX };
}

/** The operation in hand is through, whatever became of it. */
function afterOperation(writer: Writer, { operations }: Rules): Writer {
  const operation = writer.operation + 1;
  return { ...writer, operation, phase: operation === operations ? "close" : "stamp" };
}

/** Its outcome is unknown: nothing may follow it in this lane. */
function givenUp(writer: Writer, { operations }: Rules): Writer {
  if (writer.number === 0) return inNextLane(writer);
  const operation = writer.operation + 1;
  if (operation === operations) return { ...writer, operation, phase: "done" };
  return inNextLane({ ...writer, operation });
}

function acknowledged(
  writer: Writer,
  state: State,
  rules: Rules,
): readonly [Writer, Partial<State>] {
  const bits = state.acknowledged | (1 << writer.operation);
  return [{ ...afterOperation(writer, rules), number: writer.number + 1 }, { acknowledged: bits }];
}

function slotInHand({ number, operation, version }: Writer): number {
  return slotOf(number === 0 ? OPEN : operation, version);
}

function* putSteps(state: State, rules: Rules): Generator<WriterStep> {
  const { lane, number, directAge, attempts } = state.writer;
  const slot = slotInHand(state.writer);
  const sent: Writer = { ...state.writer, attempts: Math.min(2, attempts + 1) };
  const key = `slot ${number} of lane ${lane}`;
  if (state.losses < rules.losses) {
    const late = [...state.late, { age: 0, lane, number, slot }];
    const unanswered = { late, losses: state.losses + 1 };
    const looks: Writer = { ...sent, phase: "look", isUnanswered: true };
    const isMoved = rules.protocol === "what was not answered is appended to another lane";
    yield [`gets no answer to ${key}`, isMoved ? inNextLane(sent) : looks, unanswered];
  }
  if (state.lanes[lane]![number] !== 0) {
    const isLost = rules.protocol === "a conflict counts as lost" && number > 0;
    yield [`meets ${key}`, isLost ? inNextLane(sent) : { ...sent, phase: "look" }];
    return;
  }
  const lanes = put(state.lanes, lane, number, slot);
  const direct: Writer = { ...sent, directAge: 0 };
  if (number === 0) {
    yield [`puts ${key}`, { ...direct, phase: "catch up" }, { lanes }];
    return;
  }
  const isPlain =
    directAge < HALF_DAYS_MAX ||
    rules.protocol === "a slow PUT is not followed by a look at the manifest" ||
    (rules.protocol === "two direct answers count however far apart they are" && attempts === 0);
  if (!isPlain) {
    yield [`puts ${key}`, { ...direct, phase: "check" }, { lanes }];
    return;
  }
  const [writer, more] = acknowledged(direct, state, rules);
  yield [`puts ${key}, acknowledged`, writer, { lanes, ...more }];
}

/** Its own bytes: won. A seal: lost. Nothing: sent again, or given up as unknown. */
function* lookSteps(state: State, rules: Rules): Generator<WriterStep> {
  const { writer } = state;
  const { lane, number } = writer;
  const found = state.lanes[lane]![number]!;
  const key = `slot ${number} of lane ${lane}`;
  if (found === 0) {
    yield [`does not find ${key}`, { ...writer, phase: "put" }];
    const isGoingOn = rules.protocol === "slot n+1 follows an undecided slot n" && number > 0;
    const after: Writer = isGoingOn
      ? { ...afterOperation(writer, rules), number: number + 1 }
      : givenUp(writer, rules);
    yield [`gives ${key} up`, after];
    return;
  }
  const isLost = !isOwn(found, writer);
  const decided: Writer = { ...writer, directAge: HALF_DAYS_MAX, phase: "check", isLost };
  if (!isLost) {
    yield [`finds its ${key}`, number === 0 ? { ...decided, phase: "catch up" } : decided];
    return;
  }
  const isProof = rules.protocol === "a seal that is met proves that the slot is absent";
  yield [`finds a seal at ${key}`, isProof ? inNextLane(writer) : decided];
}

/** What a manifest read after the slot was decided says of it: `LogWriter.#isInLog`. */
function checkStep(state: State, rules: Rules): WriterStep {
  const { protocol } = rules;
  const { writer, ledger } = state;
  const { lane, number, isLost, openVersion, attempts, isUnanswered } = writer;
  const isInLog: WriterStep = [
    "reads the manifest, acknowledges",
    ...acknowledged(writer, state, rules),
  ];
  const isAbsent: WriterStep = ["reads the manifest: it is in no log", inNextLane(writer)];
  if (protocol === "a slow PUT is not followed by a look at the manifest") return isInLog;
  const entry = ledger.entries[lane];
  if (entry !== undefined) {
    const isCovered = entry.seal >= 0 ? number < entry.seal : !isLost || number <= entry.cursor;
    return isCovered ? isInLog : isAbsent;
  }
  if (ledger.floor < openVersion) return isLost ? isAbsent : isInLog;
  if (protocol === "what an earlier PUT may have written is appended again") return isAbsent;
  if (isLost && !isUnanswered) return isAbsent;
  if (!isLost && attempts === 1) {
    if (protocol === "a slot of a retired lane is not looked for") return isAbsent;
    return ["reads the manifest: the lane was retired", { ...writer, phase: "verify" }];
  }
  return ["cannot tell what became of it", givenUp(writer, rules)];
}

/** Sent once: if it is there it was never covered, since lanes are retired without their slots. */
function verifyStep(state: State, rules: Rules): WriterStep {
  const { writer } = state;
  const found = state.lanes[writer.lane]![writer.number]!;
  if (isOwn(found, writer)) return ["finds its slot, which is junk", inNextLane(writer)];
  return ["cannot tell what became of it", givenUp(writer, rules)];
}

function isOwn(found: number, writer: Writer): boolean {
  return versionOf(found) === writer.version && kindOf(found) === kindOf(slotInHand(writer));
}

/** Any lane that is not sealed, at the slot after its head; the seal may take its time. */
function* sealerMoves(state: State, rules: Rules): Generator<Move<State>> {
  if (state.seals === rules.seals) return;
  for (const [lane, slots] of state.lanes.entries()) {
    const entry = state.ledger.entries[lane];
    if (entry !== undefined && entry.seal >= 0) continue;
    const from = (entry?.cursor ?? -1) + 1;
    const end = unbroken(slots, from);
    if (end === 0 || end === SLOTS) continue;
    const head = end === from ? slotOf(OPEN, entry!.lastVersion) : slots[end - 1]!;
    if (kindOf(head) === SEAL || kindOf(head) === OWN_SEAL) continue;
    const seal = { age: 0, lane, number: end, slot: slotOf(SEAL, versionOf(head)) };
    const late = [...state.late, seal];
    yield [`a seal is sent to lane ${lane}`, { ...state, late, seals: state.seals + 1 }];
  }
}

function* holderMoves(state: State, rules: Rules): Generator<Move<State>> {
  const { listed, deleting, lanes, ledger } = state;
  if (deleting !== undefined) {
    const lane = deleting.findIndex((bits) => bits !== 0);
    const number = 31 - Math.clz32(deleting[lane]! & -deleting[lane]!);
    const left = deleting.with(lane, deleting[lane]! & ~(1 << number));
    const isLast = left.every((bits) => bits === 0);
    const after = lanes.with(lane, lanes[lane]!.with(number, 0));
    const next = { ...state, deleting: isLast ? undefined : left, lanes: after };
    yield [`slot ${number} of lane ${lane} is deleted`, next];
    yield ["the collector dies", { ...state, deleting: undefined }];
    return;
  }
  if (listed === undefined) {
    yield ["the holder lists the log", { ...state, listed: lanes }];
    return;
  }
  const next = ledgerAfter({ ledger, listed, present: lanes }, ledgerRules(rules));
  if (next !== undefined && next !== ledger) {
    yield ["the holder commits", { ...state, listed: undefined, ledger: next }];
  }
  if (next !== undefined && state.others < rules.others) {
    const maxVersion = Math.max(next.maxVersion, state.writer.clock) + 1;
    const others = { others: state.others + 1, ledger: { ...next, maxVersion } };
    const what = `the holder commits, with what others wrote at ${maxVersion}`;
    yield [what, { ...state, listed: undefined, ...others }];
  }
  const garbage = listed.map((slots, lane) => collectable(state, slots, lane, rules));
  if (garbage.some((bits) => bits !== 0)) {
    yield ["the holder is to collect", { ...state, listed: undefined, deleting: garbage }];
  }
  yield ["the holder dies", { ...state, listed: undefined }];
}

/** `collectableSlots`, as bits; what is left of ended lanes may go at any age but for seals. */
function collectable({ ledger }: State, slots: Slots, lane: number, rules: Rules): number {
  const entry = ledger.entries[lane];
  if (entry === undefined && !isJunk(slots, ledgerRules(rules))) return 0;
  let bits = 0;
  for (const [number, slot] of slots.entries()) {
    if (slot === 0) continue;
    const isAfterSeal = entry !== undefined && entry.seal >= 0 && number > entry.seal;
    if (entry !== undefined && number > entry.cursor && !isAfterSeal) continue;
    const isKept =
      kindOf(slot) === SEAL && rules.protocol !== "a seal is collected before it is old";
    if (!isKept || slot >= slotOf(0, 0, HALF_DAYS_MAX)) bits |= 1 << number;
  }
  return bits;
}

/** What a reader that opens now sees: `Follower.#readLog`. */
function copies(
  { lanes, ledger }: State,
  rules: Rules,
): { readonly shown: number; readonly gap: boolean } {
  let shown = ledger.covered;
  let gap = false;
  for (const [lane, slots] of lanes.entries()) {
    const entry = ledger.entries[lane];
    if (entry === undefined && isJunk(slots, ledgerRules(rules))) continue;
    const from = (entry?.cursor ?? -1) + 1;
    const end = unbroken(slots, from);
    for (const [number, slot] of slots.entries()) {
      if (number < from || slot === 0 || versionOf(slot) <= ledger.floor) continue;
      if (number > end) gap = true;
      else if (kindOf(slot) < OPEN) shown |= 1 << (kindOf(slot) * LANES + lane);
    }
  }
  return { shown, gap };
}

function violation(state: State, rules: Rules): string | undefined {
  const { shown, gap } = copies(state, rules);
  if ((state.shown & ~shown) !== 0) return "what a reader saw is lost";
  for (let operation = 0; operation < OPERATIONS_MAX; operation++) {
    const seen = (shown >> (operation * LANES)) & ((1 << LANES) - 1);
    const isKnown = (state.acknowledged & (1 << operation)) !== 0;
    if (isKnown && seen === 0) return "an acknowledged operation is lost";
    if ((seen & (seen - 1)) !== 0) return "an operation is there twice";
  }
  return gap ? "a reader waits for what is lost" : undefined;
}

function encode(state: State): number[] {
  const { phase, lane, number, openVersion, clock } = state.writer;
  const { version, directAge, operation, attempts } = state.writer;
  const { floor, maxVersion, entries, covered } = state.ledger;
  const numbers = [PHASES.indexOf(phase), lane, number, openVersion, clock, version, directAge];
  const { isUnanswered, isLost } = state.writer;
  numbers.push(
    operation,
    attempts,
    isUnanswered ? 1 : 0,
    isLost ? 1 : 0,
    floor,
    maxVersion,
    covered,
    state.acknowledged,
    state.shown,
  );
  numbers.push(state.losses, state.seals, state.others);
  for (const slots of state.lanes) numbers.push(...slots);
  for (const entry of entries) {
    if (entry === undefined) numbers.push(-1);
    else numbers.push(entry.cursor, entry.lastVersion, entry.seal, entry.isOwnSeal ? 1 : 0);
  }
  numbers.push(state.late.length);
  for (const late of state.late) numbers.push(late.age, late.lane, late.number, late.slot);
  for (const slots of state.listed ?? []) numbers.push(...slots);
  numbers.push(-2, ...(state.deleting ?? []));
  return numbers;
}

function subject(rules: Rules): Subject<State> {
  const { protocol, operations, losses } = rules;
  return {
    name: `lanes, ${operations} operations and ${losses} lost answers`,
    actors: "writer, sealer, holder",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, rules),
      violation: (state) => violation(state, rules),
      encode,
    },
  };
}

const BOUNDS = IS_DEEP
  ? [{ operations: 2, losses: 1, seals: 1, others: 1 }]
  : [
      { operations: 2, losses: 0, seals: 1, others: 1 },
      { operations: 1, losses: 1, seals: 1, others: 1 },
    ];

for (const bounds of BOUNDS) {
  const within = `${bounds.operations} operations, ${bounds.losses} lost answers`;
  test(`[W1] [W2] [W3] [W5] [C5] what is acknowledged is read once, in any interleaving: ${within}`, () => {
    expectToHold(subject({ protocol: "as specified", ...bounds }), 350_000);
  }, 1_200_000);
}

for (const [protocol, what, losses] of WRONG) {
  test(`[W1] [W2] [W3] if ${protocol}, an operation is lost or doubled`, () => {
    const bounds = { operations: 1, losses, seals: 1, others: 1 };
    expectToFail(subject({ protocol, ...bounds }), what);
  }, 120_000);
}
