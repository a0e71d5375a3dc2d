import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * A reader that catches up beside a writer that appends to a lane and a maintainer that covers and
 * collects, explored over every interleaving of the three (docs/specs/reading.md).
 *
 * Each request of a catch-up is a step: LIST of the log, look at the manifest in use, which is as
 * good as the newest while it exists, or at all, the segment of a new one, each slot. Manifests that were replaced, the segments that only they name and the slots that all
 * cover may go at any moment between two steps. Once a catch-up is complete, the reader has to have
 * all that was acknowledged before it began, and never less than it had. Readers write nothing, so
 * one stands for all.
 */

const WRONG = [
  ["the manifest is looked at before the log", "has less than was acknowledged"],
  ["the log is polled slot by slot without a look at the manifest", "has less than"],
  ["a slot that has vanished is taken for the end", "has less than was acknowledged"],
  ["a segment that has vanished is left out", "has less than"],
  ["the manifest in use is as good when it is gone", "has less than was acknowledged"],
] as const;

type Protocol = "as specified" | (typeof WRONG)[number][0];

const STEPS = ["idle", "list", "look", "open", "slots"] as const;

interface Reader {
  readonly step: (typeof STEPS)[number];
  /** The manifest it reads from, and the operations that it has, as bits. */
  readonly number: number;
  readonly has: number;
  /** Slots that the LIST showed, as bits; what had been acknowledged when the catch-up began. */
  readonly listed: number;
  readonly began: number;
  /** The manifest that it is to adopt. */
  readonly adopting: number;
}

interface Manifest {
  /** Slots below it are in its segment, which has its number. */
  readonly cover: number;
}

interface State {
  readonly manifests: readonly (Manifest | undefined)[];
  readonly appended: number;
  readonly slots: number;
  readonly segments: number;
  readonly reader: Reader;
  /** A reader had something once that it has no more, or missed something. */
  readonly fault: 0 | 1 | 2;
}

const APPENDED_MAX = IS_DEEP ? 5 : 4;
const NUMBERS_MAX = IS_DEEP ? 5 : 4;
const FAULTS = [
  undefined,
  "a reader has less than was acknowledged before it began",
  "a reader has less than it had",
];

const IDLE: Reader = { step: "idle", number: 0, has: 0, listed: 0, began: 0, adopting: 0 };
const START: State = {
  manifests: [{ cover: 0 }],
  appended: 0,
  slots: 0,
  segments: 1,
  reader: IDLE,
  fault: 0,
};

function below(count: number): number {
  return (1 << count) - 1;
}

function* moves(state: State, protocol: Protocol): Generator<Move<State>> {
  const { manifests, appended, slots, segments } = state;
  if (appended < APPENDED_MAX) {
    const after = { ...state, appended: appended + 1, slots: slots | (1 << appended) };
    yield [`slot ${appended} is acknowledged`, after];
  }
  const number = manifests.length;
  if (number <= NUMBERS_MAX && manifests[number - 1]!.cover < appended) {
    const after = {
      segments: segments | (1 << number),
      manifests: [...manifests, { cover: appended }],
    };
    yield [`manifest ${number} covers ${appended} slots`, { ...state, ...after }];
  }
  const oldest = manifests.findIndex((manifest) => manifest !== undefined);
  if (oldest < number - 1) {
    const after = { ...state, manifests: manifests.with(oldest, undefined) };
    yield [`manifest ${oldest} is deleted`, after];
  }
  for (let segment = 0; segment < number; segment++) {
    if (manifests[segment] !== undefined || (segments & (1 << segment)) === 0) continue;
    yield [`segment ${segment} is deleted`, { ...state, segments: segments & ~(1 << segment) }];
  }
  const first = Math.log2(slots & -slots);
  if (
    slots !== 0 &&
    manifests.every((manifest) => manifest === undefined || manifest.cover > first)
  ) {
    yield [`slot ${first} is deleted`, { ...state, slots: slots & ~(1 << first) }];
  }
  for (const [what, reader] of catchUp(state, state.reader, protocol)) {
    yield [`the reader ${what}`, { ...state, reader, fault: faultOf(state.reader, reader) }];
  }
}

/** Nothing is forgotten, and a catch-up that is complete lacks nothing. */
function faultOf(before: Reader, after: Reader): State["fault"] {
  if ((before.has & ~after.has) !== 0) return 2;
  const isComplete = before.step !== "idle" && after.step === "idle" && after.number >= 0;
  return isComplete && (before.began & ~after.has) !== 0 ? 1 : 0;
}

type ReaderStep = readonly [what: string, after: Reader];

function* catchUp(state: State, reader: Reader, protocol: Protocol): Generator<ReaderStep> {
  const isReversed = protocol === "the manifest is looked at before the log";
  const newest = state.manifests.length - 1;
  switch (reader.step) {
    case "idle": {
      const began = below(state.appended);
      if (protocol === "the log is polled slot by slot without a look at the manifest") {
        yield ["begins", { ...reader, began, step: "slots", listed: below(APPENDED_MAX) }];
      } else yield ["begins", { ...reader, began, step: isReversed ? "look" : "list" }];
      return;
    }
    case "list": {
      const listed = state.slots;
      yield ["lists the log", { ...reader, listed, step: isReversed ? "slots" : "look" }];
      return;
    }
    case "look": {
      const next = newest > reader.number ? "open" : isReversed ? "list" : "slots";
      const isUndisturbed = state.manifests[reader.number] !== undefined;
      if (isUndisturbed || protocol === "the manifest in use is as good when it is gone") {
        const after = isReversed ? "list" : "slots";
        yield [`finds its manifest ${reader.number} as it was`, { ...reader, step: after }];
      }
      yield [`finds manifest ${newest}`, { ...reader, adopting: newest, step: next }];
      return;
    }
    case "open":
      yield open(state, reader, protocol);
      return;
    case "slots":
      yield readSlots(state, reader, protocol);
  }
}

/** What the new manifest covers is in its segment; the slots that it does not cover stay. */
function open(state: State, reader: Reader, protocol: Protocol): ReaderStep {
  const number = reader.adopting;
  const manifest = state.manifests[number];
  const isThere = (state.segments & (1 << number)) !== 0;
  const mayLeaveOut = protocol === "a segment that has vanished is left out";
  if (manifest === undefined && !mayLeaveOut) {
    return [`does not find manifest ${number}`, { ...reader, step: "list" }];
  }
  if (!isThere && !mayLeaveOut) {
    return [`does not find segment ${number}`, { ...reader, step: "list" }];
  }
  const covered = below(manifest?.cover ?? reader.number);
  const has = isThere ? reader.has | covered : reader.has & ~covered;
  const step = protocol === "the manifest is looked at before the log" ? "list" : "slots";
  return [`adopts manifest ${number}`, { ...reader, number, has, step }];
}

/** Those listed and not there yet, in order, one at a time. */
function readSlots(state: State, reader: Reader, protocol: Protocol): ReaderStep {
  const wanted = reader.listed & ~reader.has;
  const slot = Math.log2(wanted & -wanted);
  const done: Reader = { ...IDLE, number: reader.number, has: reader.has };
  // What follows a gap is no part of the run; nothing after it is waited for here.
  const isNext = wanted !== 0 && (below(slot) & ~reader.has) === 0;
  if (!isNext) return ["has caught up", done];
  if ((state.slots & (1 << slot)) !== 0) {
    return [`reads slot ${slot}`, { ...reader, has: reader.has | (1 << slot) }];
  }
  const isEnd =
    protocol === "a slot that has vanished is taken for the end" ||
    protocol === "the log is polled slot by slot without a look at the manifest";
  if (isEnd) return [`takes slot ${slot} for the end`, done];
  return [`does not find slot ${slot}`, { ...reader, step: "list", listed: 0 }];
}

function encode(state: State): number[] {
  const { manifests, appended, slots, segments, fault } = state;
  const numbers = [appended, slots, segments, fault, manifests.length];
  for (const manifest of manifests) numbers.push(manifest?.cover ?? -1);
  const { step, number, has, listed, began, adopting } = state.reader;
  numbers.push(STEPS.indexOf(step), number, has, listed, began, adopting);
  return numbers;
}

function subject(protocol: Protocol): Subject<State> {
  return {
    name: "catching up",
    actors: "writer, maintainer, reader",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, protocol),
      violation: ({ fault }) => FAULTS[fault],
      encode,
    },
  };
}

test("[R1] [R6] a catch-up that is complete lacks nothing that was acknowledged before it began", () => {
  expectToHold(subject("as specified"), 350_000);
}, 1_200_000);

for (const [protocol, what] of WRONG) {
  test(`[R1] [R6] if ${protocol}, a reader lacks something`, () => {
    expectToFail(subject(protocol), what);
  }, 120_000);
}
