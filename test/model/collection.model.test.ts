import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * Collection beside commits, takeovers and a checkpoint, explored over every interleaving of two
 * maintainers and one maker of a checkpoint (docs/specs/collection.md).
 *
 * A flush covers what was appended and writes one segment with all of the data; commits are atomic
 * here, and have a model of their own. Whatever manifest was replaced may go at any moment. Each
 * look of a collector is a step, and so are its deletes, so that it may stall or die between any
 * two; the other maintainer may take over and collect meanwhile. Readers hold whatever manifest
 * exists: what it names and does not cover has to be there.
 */

const WRONG = [
  ["checkpoints are read before manifests", "a checkpoint names what is gone"],
  ["what may go is listed after what is needed was read", "names what is gone"],
  ["a slot goes when the newest manifest covers it", "a reader's manifest names what is gone"],
  ["a segment goes when the newest manifest does not name it", "a reader's manifest names"],
  ["a checkpoint counts without a look at its manifest", "a checkpoint names what is gone"],
  ["a checkpoint pins no slots", "a checkpoint names what is gone"],
] as const;

type Protocol = "as specified" | (typeof WRONG)[number][0];

interface Manifest {
  readonly holder: number;
  /** Slots below it are in the segment. */
  readonly cover: number;
  readonly segment: number;
}

const COLLECT_STEPS = ["list", "verify", "manifests", "checkpoints", "slots", "segments"] as const;

/** A maintainer that collects: what it is about to do, and what it may delete as far as it knows. */
interface Collector {
  /** "list": has not begun. */
  readonly step: (typeof COLLECT_STEPS)[number];
  readonly slots: number;
  readonly segments: number;
}

const MAKER_STEPS = ["list", "manifest", "create", "look", "done"] as const;

interface Maker {
  readonly step: (typeof MAKER_STEPS)[number];
  /** Slots when it began; those that it listed. */
  readonly began: number;
  readonly listed: number;
  readonly pin: Pin | undefined;
}

/** What a checkpoint names. */
interface Pin {
  readonly number: number;
  readonly cover: number;
  readonly segment: number;
  /** Slots beyond the manifest, as bits. */
  readonly tail: number;
}

interface State {
  readonly manifests: readonly (Manifest | undefined)[];
  /** Slots that were ever appended, a number; those and the segments that are there, as bits. */
  readonly appended: number;
  readonly slots: number;
  readonly segments: number;
  readonly collectors: readonly Collector[];
  readonly maker: Maker;
  readonly checkpoint: Pin | undefined;
}

const NUMBERS_MAX = IS_DEEP ? 4 : 3;
const APPENDED_MAX = IS_DEEP ? 3 : 2;

const IDLE: Collector = { step: "list", slots: 0, segments: 0 };
const START: State = {
  manifests: [{ holder: 0, cover: 0, segment: 0 }],
  appended: 0,
  slots: 0,
  segments: 1,
  collectors: [IDLE, IDLE],
  maker: { step: "list", began: 0, listed: 0, pin: undefined },
  checkpoint: undefined,
};

function below(count: number): number {
  return (1 << count) - 1;
}

function* moves(state: State, protocol: Protocol): Generator<Move<State>> {
  const { manifests, appended, slots, segments } = state;
  if (appended < APPENDED_MAX) {
    const after = { ...state, appended: appended + 1, slots: slots | (1 << appended) };
    yield [`slot ${appended} is appended`, after];
  }
  const number = manifests.length;
  const newest = manifests[number - 1]!;
  if (number <= NUMBERS_MAX) {
    const flushed: Manifest = { ...newest, cover: appended, segment: number };
    if (appended > newest.cover && state.collectors[newest.holder]!.step === "list") {
      yield [
        `maintainer ${newest.holder} flushes into manifest ${number}`,
        { ...state, segments: segments | (1 << number), manifests: [...manifests, flushed] },
      ];
    }
    const taken: Manifest = { ...newest, holder: 1 - newest.holder };
    yield [
      `maintainer ${taken.holder} takes over in manifest ${number}`,
      { ...state, manifests: [...manifests, taken] },
    ];
  }
  const oldest = manifests.findIndex((manifest) => manifest !== undefined);
  if (oldest < number - 1) {
    yield [
      `manifest ${oldest} is deleted`,
      { ...state, manifests: manifests.with(oldest, undefined) },
    ];
  }
  for (const [index, collector] of state.collectors.entries()) {
    yield* collect(state, index, collector, protocol);
  }
  yield* make(state, protocol);
}

function* collect(
  state: State,
  index: number,
  collector: Collector,
  protocol: Protocol,
): Generator<Move<State>> {
  const become = (after: Collector, more: Partial<State> = {}): State => ({
    ...state,
    ...more,
    collectors: state.collectors.with(index, after),
  });
  const me = `maintainer ${index}`;
  const { slots, segments } = collector;
  const isHolder = state.manifests.at(-1)!.holder === index;
  const isListedLast = protocol === "what may go is listed after what is needed was read";
  if (collector.step !== "list") yield [`${me} dies`, become(IDLE)];
  switch (collector.step) {
    case "list": {
      if (!isHolder) return;
      const all = isListedLast
        ? { slots: below(APPENDED_MAX), segments: below(NUMBERS_MAX + 1) }
        : { slots: state.slots, segments: state.segments };
      yield [`${me} lists slots and segments`, become({ ...all, step: "verify" })];
      return;
    }
    case "verify": {
      const first =
        protocol === "checkpoints are read before manifests" ? "checkpoints" : "manifests";
      yield isHolder
        ? [`${me} is the holder`, become({ ...collector, step: first })]
        : [`${me} is the holder no more`, become(IDLE)];
      return;
    }
    case "manifests": {
      const step = protocol === "checkpoints are read before manifests" ? "slots" : "checkpoints";
      yield [
        `${me} reads manifests`,
        become({ ...withoutNeeded(state, collector, protocol), step }),
      ];
      return;
    }
    case "checkpoints": {
      const pin = state.checkpoint;
      const isFirst = protocol === "checkpoints are read before manifests";
      const tail = protocol === "a checkpoint pins no slots" ? 0 : (pin?.tail ?? 0);
      const segment = pin === undefined ? 0 : 1 << pin.segment;
      const left = { slots: slots & ~tail, segments: segments & ~segment };
      const step = isFirst ? "manifests" : "slots";
      yield [`${me} reads checkpoints`, become({ ...left, step })];
      return;
    }
    case "slots": {
      const listed = isListedLast ? slots & state.slots : slots;
      const more = { slots: state.slots & ~listed };
      yield [`${me} deletes slots`, become({ ...collector, slots: 0, step: "segments" }, more)];
      return;
    }
    case "segments":
      yield [`${me} deletes segments`, become(IDLE, { segments: state.segments & ~segments })];
  }
}

/** A slot is needed by each manifest that does not cover it, a segment by each that names it. */
function withoutNeeded(
  { manifests }: State,
  { slots, segments }: Collector,
  protocol: Protocol,
): { readonly slots: number; readonly segments: number } {
  const newest = manifests.at(-1)!;
  const all = manifests.filter((manifest) => manifest !== undefined);
  const forSlots = protocol === "a slot goes when the newest manifest covers it" ? [newest] : all;
  const forSegments =
    protocol === "a segment goes when the newest manifest does not name it" ? [newest] : all;
  return {
    slots: forSlots.reduce((left, { cover }) => left & below(cover), slots),
    segments: forSegments.reduce((left, { segment }) => left & ~(1 << segment), segments),
  };
}

function* make(state: State, protocol: Protocol): Generator<Move<State>> {
  const { maker, manifests, slots } = state;
  switch (maker.step) {
    case "list":
      yield [
        "the maker lists the log",
        { ...state, maker: { ...maker, step: "manifest", began: state.appended, listed: slots } },
      ];
      return;
    case "manifest": {
      const number = manifests.length - 1;
      const { cover, segment } = manifests[number]!;
      const pin = { number, cover, segment, tail: tailOf(maker.listed, cover) };
      yield [
        `the maker reads manifest ${number}`,
        { ...state, maker: { ...maker, step: "create", pin } },
      ];
      return;
    }
    case "create":
      yield [
        "the maker creates the checkpoint",
        { ...state, checkpoint: maker.pin, maker: { ...maker, step: "look" } },
      ];
      return;
    case "look": {
      const { pin } = maker;
      const isThere = manifests[pin!.number] !== undefined;
      if (isThere || protocol === "a checkpoint counts without a look at its manifest") {
        yield ["the checkpoint counts", { ...state, maker: { ...maker, step: "done" } }];
      } else {
        const maker = START.maker;
        yield ["the maker begins again", { ...state, checkpoint: undefined, maker }];
      }
      return;
    }
    case "done":
  }
}

/** The unbroken run of slots from `cover` on. */
function tailOf(slots: number, cover: number): number {
  let tail = 0;
  for (let slot = cover; (slots & (1 << slot)) !== 0; slot++) tail |= 1 << slot;
  return tail;
}

function violation({
  manifests,
  appended,
  slots,
  segments,
  maker,
  checkpoint,
}: State): string | undefined {
  for (const manifest of manifests) {
    if (manifest === undefined) continue;
    const uncovered = below(appended) & ~below(manifest.cover);
    const isWhole = (segments & (1 << manifest.segment)) !== 0 && (uncovered & ~slots) === 0;
    if (!isWhole) return "a reader's manifest names what is gone";
  }
  if (maker.step !== "done" || checkpoint === undefined) return undefined;
  const { cover, segment, tail } = checkpoint;
  const isThere = (segments & (1 << segment)) !== 0 && (tail & ~slots) === 0;
  if (!isThere) return "a checkpoint names what is gone";
  const isWhole = (below(maker.began) & ~(below(cover) | tail)) === 0;
  return isWhole ? undefined : "a checkpoint is not whole";
}

function encode(state: State): number[] {
  const { manifests, appended, slots, segments, collectors, maker, checkpoint } = state;
  const numbers = [appended, slots, segments, manifests.length];
  for (const manifest of manifests) {
    if (manifest === undefined) numbers.push(-1);
    else numbers.push(manifest.holder, manifest.cover, manifest.segment);
  }
  for (const collector of collectors) {
    numbers.push(COLLECT_STEPS.indexOf(collector.step), collector.slots, collector.segments);
  }
  numbers.push(MAKER_STEPS.indexOf(maker.step), maker.began, maker.listed);
  for (const pin of [maker.pin, checkpoint]) {
    if (pin === undefined) numbers.push(-1);
    else numbers.push(pin.number, pin.cover, pin.segment, pin.tail);
  }
  return numbers;
}

function subject(protocol: Protocol): Subject<State> {
  return {
    name: "collection and checkpoints",
    actors: "2 maintainers, maker",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, protocol),
      violation,
      encode,
    },
  };
}

test("[C1] [M2] [C4] as specified, nothing that is named or pinned is deleted", () => {
  expectToHold(subject("as specified"), 900_000);
}, 1_200_000);

for (const [protocol, what] of WRONG) {
  test(`[C1] [M2] [C4] if ${protocol}, something that is needed is deleted`, () => {
    expectToFail(subject(protocol), what);
  }, 120_000);
}
