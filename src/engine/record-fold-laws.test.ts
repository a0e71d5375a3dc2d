import fc from "fast-check";
import { expect, test } from "vitest";
import type { Attributes, Operation } from "../format/operation.ts";
import {
  VERSION_ZERO,
  makeVersion,
  versionMillis,
  type LaneId,
  type Version,
} from "../format/version.ts";
import { foldFor, type RecordFold } from "./record-fold.ts";
import { isExpired, type RecordState } from "./record-state.ts";

/*
 * The laws of docs/specs/conflicts.md, for the folds that go by what authors have read. Histories
 * are causal: an author has seen some of what came before, and what those had seen or not.
 */

const LANES = ["01JCZ0M3V8Q6T4R2W0Y9X7S5P3", "01JCZ0M3V8Q6T4R2W0Y9X7S5P4"] as LaneId[];
const MOMENTS = 16;
const version = (at: number): Version => makeVersion(1_000 + at, at % 3, LANES[at % 2]!);

const attributes: fc.Arbitrary<Attributes> = fc.record(
  {
    type: fc.constantFrom("a", "b"),
    domain: fc.constantFrom("x", "y"),
    expiresAtMs: fc.integer({ min: 1_000, max: 1_020 }),
  },
  { requiredKeys: [] },
);
const metadata = fc
  .dictionary(fc.constantFrom("k", "l", "m", "__proto__"), fc.nat(3), { maxKeys: 3 })
  .map((object) => JSON.stringify(object));
const put = fc.record({
  kind: fc.constant("put" as const),
  id: fc.constant("r"),
  content: fc.constantFrom("", '{"text":"p"}'),
  metadata,
  attributes,
});
const patch = fc.record(
  {
    kind: fc.constant("patch" as const),
    id: fc.constant("r"),
    content: fc.constantFrom("", '{"text":"q"}'),
    metadata,
    attributes: fc
      .tuple(
        attributes,
        fc.subarray(["k", "m"]),
        fc.subarray(["type", "domain", "expiresAtMs"] as const),
      )
      .map(([set, unset, clear]) => ({ ...set, unset, clear })),
  },
  { requiredKeys: ["kind", "id"] },
);
const remove = fc.record({ kind: fc.constant("delete" as const), id: fc.constant("r") });

interface Mode {
  readonly name: "vector-clock" | "crdt";
  readonly fold: RecordFold;
  readonly change: fc.Arbitrary<Omit<Operation, "version">>;
}
const MODES: readonly Mode[] = [
  {
    name: "vector-clock",
    fold: foldFor("vector-clock"),
    change: fc.oneof({ weight: 3, arbitrary: put }, { weight: 1, arbitrary: remove }),
  },
  { name: "crdt", fold: foldFor("crdt"), change: fc.oneof(put, patch, remove) },
];

const foldAll = (fold: RecordFold, operations: readonly Operation[]): RecordState | undefined =>
  operations.length === 0
    ? undefined
    : operations.map((operation) => fold.stateOf(operation)).reduce(fold.merge);
const join = (
  fold: RecordFold,
  a: RecordState | undefined,
  b: RecordState | undefined,
): RecordState | undefined => (a === undefined || b === undefined ? (a ?? b) : fold.merge(a, b));

/**
 * Each author has read some of what came before it, in segments and in the log, and says of it
 * what the fold says that it knows: what the engine writes, and nothing that it could not write.
 */
function historiesOf({ fold, change }: Mode): fc.Arbitrary<readonly Operation[]> {
  const drafts = fc
    .uniqueArray(fc.nat(MOMENTS - 1), { minLength: 1, maxLength: 9 })
    .chain((moments) =>
      fc.tuple(
        ...moments
          .toSorted((a, b) => a - b)
          .map((at) =>
            fc.tuple(
              fc.constant(at),
              change,
              fc.nat(2 ** 9 - 1),
              fc.integer({ min: -1, max: at - 1 }),
            ),
          ),
      ),
    );
  return drafts.map((all) => {
    const history: Operation[] = [];
    for (const [at, draft, reads, floorAt] of all) {
      // Whoever has adopted a manifest has read all at or below its floor, as far as it is kept.
      const floor = floorAt < 0 ? VERSION_ZERO : version(floorAt);
      const covered = foldAll(
        fold,
        history.filter(({ version: own }) => own <= floor),
      );
      const folded = covered && fold.below(covered, floor);
      const tail = history.filter(({ version: own }, i) => own > floor && (reads & (1 << i)) !== 0);
      const state = join(fold, folded, foldAll(fold, tail));
      const seen = state === undefined ? [] : fold.known(state);
      history.push({ ...draft, version: version(at), ...(seen.length > 0 && { seen }) });
    }
    return history;
  });
}

/** All that a reader can be shown when its clock, never behind the floor, has come to `nowMs`. */
function answer(fold: RecordFold, state: RecordState | undefined, nowMs: number): unknown {
  const visible = state && fold.visible(state);
  if (visible === undefined || isExpired(visible.attributes, nowMs)) return undefined;
  return { visible: bare(visible), siblings: fold.siblings(state!).map(bare) };
}

/** What an author had seen is no part of a record. */
function bare({ seen: _seen, ...record }: Operation): unknown {
  return { ...record, attributes: plainAttributes(record.attributes) };
}

function plainAttributes(given: Attributes = {}): unknown {
  return Object.entries(given).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const floors = fc
  .integer({ min: -1, max: MOMENTS })
  .map((at) => (at < 0 ? VERSION_ZERO : version(at)));

for (const mode of MODES) {
  const { name, fold } = mode;
  const histories = historiesOf(mode);

  test(`[V1] ${name}: merging is commutative, associative and idempotent`, () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(), (history, one, other) => {
        const part = (bits: number): RecordState =>
          foldAll(
            fold,
            history.filter((_, i) => (bits & (1 << i)) !== 0),
          ) ?? fold.stateOf(history[0]!);
        const [x, y, z] = [part(one), part(other), part(one ^ other)];
        expect(fold.merge(x, y)).toEqual(fold.merge(y, x));
        expect(fold.merge(fold.merge(x, y), z)).toEqual(fold.merge(x, fold.merge(y, z)));
        expect(fold.merge(x, x)).toEqual(x);
        expect(fold.merge(fold.merge(x, y), y)).toEqual(fold.merge(x, y));
      }),
    );
  });

  test(`[V1] ${name}: arrival order, duplication and batching do not show`, () => {
    const arrivals = histories.chain((history) =>
      fc.tuple(
        fc.constant(history),
        fc.shuffledSubarray([...history, ...history], { minLength: history.length * 2 }),
        fc.array(fc.nat(20), { maxLength: 4 }),
      ),
    );
    fc.assert(
      fc.property(arrivals, ([history, arrived, cuts]) => {
        const bounds = [0, ...cuts.map((at) => at % arrived.length), arrived.length].toSorted(
          (x, y) => x - y,
        );
        const batches = bounds
          .slice(1)
          .map((end, i) => foldAll(fold, arrived.slice(bounds[i], end)));
        expect(batches.reduce((a, b) => join(fold, a, b))).toEqual(foldAll(fold, history));
      }),
    );
  });

  test(`[V2] ${name}: folding at or below the floor cannot be told from not folding`, () => {
    const withArrivals = fc.tuple(histories, floors, floors, fc.nat());
    fc.assert(
      fc.property(withArrivals, ([history, one, other, late]) => {
        const [low, high] = one < other ? [one, other] : [other, one];
        // All at or below the floor is there; of the rest some comes before it is folded.
        const isThere = (at: number): boolean =>
          history[at]!.version <= high || (late & (1 << at)) !== 0;
        const before = history.filter((_, i) => isThere(i));
        const after = history.filter((_, i) => !isThere(i));
        const first = before.filter(({ version: own }) => own <= low);
        const once = first.length === 0 ? undefined : fold.below(foldAll(fold, first)!, low);
        const rest = foldAll(
          fold,
          before.filter(({ version: own }) => own > low),
        );
        const met = join(fold, once, rest);
        const folded = met && fold.below(met, high);
        const short = join(fold, folded, foldAll(fold, after));
        const whole = foldAll(fold, history);
        for (let nowMs = Math.max(999, versionMillis(high)); nowMs < 1_025; nowMs++) {
          expect(answer(fold, short, nowMs)).toEqual(answer(fold, whole, nowMs));
        }
        expect(folded && fold.below(folded, high)).toEqual(folded);
        if (folded !== undefined) {
          expect(fold.weight(folded)).toBeLessThanOrEqual(fold.weight(met!));
        }
      }),
      { numRuns: 800 },
    );
  });
}
