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
import {
  foldBelow,
  isExpired,
  mergeStates,
  stateOf,
  stateVersion,
  visibleRecord,
  type RecordState,
} from "./record-state.ts";

const LANES = ["01JCZ0M3V8Q6T4R2W0Y9X7S5P3", "01JCZ0M3V8Q6T4R2W0Y9X7S5P4"] as LaneId[];

/** A version of one of twenty moments, so that histories interleave and floors cut them. */
const version = (at: number): Version => makeVersion(1_000 + at, at % 3, LANES[at % 2]!);

const attributes: fc.Arbitrary<Attributes> = fc.record(
  {
    type: fc.constantFrom("a", "b"),
    domain: fc.constantFrom("x", "y"),
    expiresAtMs: fc.integer({ min: 1_000, max: 1_030 }),
  },
  { requiredKeys: [] },
);
const metadata = fc
  .dictionary(fc.constantFrom("k", "l", "m", "__proto__"), fc.nat(3), { maxKeys: 3 })
  .map((object) => JSON.stringify(object));

const change: fc.Arbitrary<Omit<Operation, "version">> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    id: fc.constant("r"),
    content: fc.constantFrom("", '{"text":"p"}'),
    metadata,
    attributes,
  }),
  fc.record(
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
  ),
  fc.record({ kind: fc.constant("delete" as const), id: fc.constant("r") }),
);

/** Operations of one record, each with a version of its own, in any order. */
const histories = fc
  .uniqueArray(fc.nat(19), { minLength: 1, maxLength: 10 })
  .chain((moments) =>
    fc.tuple(...moments.map((at) => change.map((made) => ({ ...made, version: version(at) })))),
  );
const floors = fc.integer({ min: -1, max: 20 }).map((at) => (at < 0 ? VERSION_ZERO : version(at)));

const fold = (operations: readonly Operation[]): RecordState | undefined =>
  operations.length === 0 ? undefined : operations.map(stateOf).reduce(mergeStates);
const join = (a: RecordState | undefined, b: RecordState | undefined): RecordState | undefined =>
  a === undefined || b === undefined ? (a ?? b) : mergeStates(a, b);
const visible = (state: RecordState | undefined) =>
  state === undefined ? undefined : visibleRecord(state);

/** What a reader sees when its clock, which is never behind the floor, has come to `nowMs`. */
function visibleAt(state: RecordState | undefined, nowMs: number) {
  const seen = visible(state);
  return seen === undefined || isExpired(seen.attributes, nowMs) ? undefined : seen;
}

test("[J1] merging is commutative, associative and idempotent", () => {
  fc.assert(
    fc.property(histories, histories, histories, (a, b, c) => {
      // One version, one operation: what shares a version is the same everywhere.
      const known = new Map<Version, Operation>();
      const of = (history: readonly Operation[]): RecordState =>
        fold(
          history.map((operation) => {
            const first = known.get(operation.version) ?? operation;
            known.set(operation.version, first);
            return first;
          }),
        )!;
      const [x, y, z] = [of(a), of(b), of(c)];
      expect(mergeStates(x, y)).toEqual(mergeStates(y, x));
      expect(mergeStates(mergeStates(x, y), z)).toEqual(mergeStates(x, mergeStates(y, z)));
      expect(mergeStates(x, x)).toEqual(x);
      expect(mergeStates(mergeStates(x, y), y)).toEqual(mergeStates(x, y));
    }),
  );
});

test("[J1] arrival order, duplication and batching do not show", () => {
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
      const batches = bounds.slice(1).map((end, i) => fold(arrived.slice(bounds[i], end)));
      expect(batches.reduce(join)).toEqual(fold(history));
    }),
  );
});

test("a state is what the newest put or delete and the patches after it make, in version order", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const ordered = history.toSorted((x, y) => (x.version < y.version ? -1 : 1));
      const bases = ordered.filter(({ kind }) => kind !== "patch");
      const base = bases.at(-1);
      const patches = ordered.filter(
        ({ kind, version: own }) => kind === "patch" && own > (base?.version ?? VERSION_ZERO),
      );
      const state = fold(history)!;
      expect(state).toEqual({ base, patches });
      expect(stateVersion(state)).toBe(ordered.at(-1)!.version);
    }),
  );
});

test("[J2] folding at or below the floor cannot be told from not folding, whatever comes above it", () => {
  fc.assert(
    fc.property(histories, histories, floors, (before, later, floor) => {
      const above = later.filter((operation) => operation.version > floor);
      const known = new Set(before.map((operation) => operation.version));
      const fresh = above.filter((operation) => !known.has(operation.version));
      const state = fold(before)!;
      const folded = foldBelow(state, floor);
      const [short, whole] = [join(folded, fold(fresh)), join(state, fold(fresh))];
      for (let nowMs = Math.max(999, versionMillis(floor)); nowMs < 1_035; nowMs++) {
        expect(visibleAt(short, nowMs)).toEqual(visibleAt(whole, nowMs));
      }
    }),
    { numRuns: 500 },
  );
});

test("[J2] folding twice, or at a floor that rose in between, is folding at the last one", () => {
  fc.assert(
    fc.property(histories, floors, floors, (history, one, other) => {
      const [low, high] = one < other ? [one, other] : [other, one];
      const state = fold(history)!;
      const once = foldBelow(state, low);
      const twice = once && foldBelow(once, high);
      const nowMs = versionMillis(high);
      expect(visibleAt(twice, nowMs)).toEqual(visibleAt(foldBelow(state, high), nowMs));
      expect(once && foldBelow(once, low)).toEqual(once);
    }),
  );
});

test("[J2] at the highest floor nothing is left but the record itself", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const floor = version(25);
      const folded = foldBelow(fold(history)!, floor);
      const seen = visible(fold(history));
      if (seen === undefined || isExpired(seen.attributes, 1_025)) {
        expect(folded).toBeUndefined();
      } else {
        expect(folded).toMatchObject({ base: { kind: "put", version: seen.version }, patches: [] });
      }
    }),
  );
});

const put = (at: number, more: Partial<Operation> = {}): Operation => ({
  kind: "put",
  id: "r",
  version: version(at),
  content: "",
  metadata: '{"k":1}',
  ...more,
});
const patch = (at: number, more: Partial<Operation>): Operation => ({
  kind: "patch",
  id: "r",
  version: version(at),
  ...more,
});

test("a patch over a delete, or over nothing, has no effect", () => {
  const late = patch(9, { metadata: '{"k":2}' });
  expect(visible(stateOf(late))).toBeUndefined();
  const removed: Operation = { kind: "delete", id: "r", version: version(5) };
  expect(visible(fold([put(1), removed, late]))).toBeUndefined();
});

test("a patch that comes before its put waits for it, below the floor too", () => {
  const late = patch(9, { metadata: '{"l":2}' });
  const kept = foldBelow(stateOf(late), version(8));
  expect(visible(join(kept, stateOf(put(8))))?.metadata).toBe('{"k":1,"l":2}');
  expect(foldBelow(stateOf(late), version(9))).toBeUndefined();
});

test("vector and content are replaced together, so that one author's never meet another's", () => {
  const vector = Float32Array.of(1);
  const made = put(1, { vector, content: '{"text":"old"}' });
  const metadataOnly = visible(fold([made, patch(2, { metadata: '{"k":2}' })]));
  expect(metadataOnly).toMatchObject({ vector, content: '{"text":"old"}' });
  const both = visible(fold([made, patch(2, { content: '{"text":"new"}' })]));
  expect(both).toMatchObject({ vector: undefined, content: '{"text":"new"}' });
});

test("a patch stamped at or after the expiry changes nothing, not even the expiry", () => {
  const made = put(1, { attributes: { expiresAtMs: 1_010 } });
  const longer = { attributes: { expiresAtMs: 1_020 } };
  const visibleWith = (at: number) => visible(fold([made, patch(at, longer)]));
  expect(visibleWith(9)?.attributes?.expiresAtMs).toBe(1_020);
  expect(visibleWith(10)?.attributes?.expiresAtMs).toBe(1_010);
});

test("metadata keys are plain data, whatever their names", () => {
  const made = put(1, { metadata: '{"__proto__":1,"k":1}' });
  const seen = visible(fold([made, patch(2, { metadata: '{"__proto__":2}' })]));
  expect(seen?.metadata).toBe('{"__proto__":2,"k":1}');
});
