import fc from "fast-check";
import { expect, test } from "vitest";
import type { Operation } from "../format/operation.ts";
import { makeVersion, type LaneId, type Version } from "../format/version.ts";
import {
  foldBelow,
  mergeStates,
  stateOf,
  visibleRecord,
  type RecordState,
} from "./record-state.ts";

const LANE = "01ARZ3NDEKTSV4RRFFQ69G5FAA" as LaneId;

function at(millis: number): Version {
  return makeVersion(millis, 0, LANE);
}

/** An operation is a function of its version, as in a log: one version, one operation. */
const operation = fc
  .record({
    millis: fc.integer({ min: 1, max: 30 }),
    kind: fc.constantFrom("put" as const, "patch" as const, "patch" as const, "delete" as const),
    key: fc.constantFrom("a", "b"),
    unset: fc.boolean(),
    content: fc.boolean(),
    expires: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  })
  .map(({ millis, kind, key, unset, content, expires }): Operation => {
    const version = at(millis);
    if (kind === "delete") return { kind, version, id: "x" };
    return {
      kind,
      version,
      id: "x",
      metadata: JSON.stringify({ [key]: millis }),
      content: kind === "put" || content ? `c${millis}` : undefined,
      attributes: {
        ...(expires === undefined ? {} : { expiresAtMs: expires }),
        ...(kind === "patch" && unset ? { unset: ["a"] } : {}),
      },
    };
  });

const operations = fc.uniqueArray(operation, {
  minLength: 1,
  maxLength: 8,
  selector: ({ version }) => version,
});

function fold(all: readonly Operation[]): RecordState {
  return all.map(stateOf).reduce(mergeStates);
}

test("[J1] the fold is a join: order, duplication and batching do not show", () => {
  fc.assert(
    fc.property(operations, fc.array(fc.nat()), fc.nat(), (all, picks, cut) => {
      const expected = fold(all);
      const shuffled = [...picks.map((pick) => all[pick % all.length]!), ...all.toReversed()];
      expect(fold(shuffled)).toEqual(expected);
      const at = cut % all.length;
      const halves = [all.slice(0, at), all.slice(at)].filter((half) => half.length > 0);
      expect(halves.map(fold).reduce(mergeStates)).toEqual(expected);
    }),
  );
});

test("[J2] what is folded below the floor behaves the same with everything that may still come", () => {
  fc.assert(
    fc.property(operations, fc.integer({ min: 0, max: 31 }), (all, millis) => {
      const floor = at(millis);
      const below = all.filter(({ version }) => version <= floor);
      const above = all.filter(({ version }) => version > floor);
      fc.pre(below.length > 0);
      const folded = foldBelow(fold(below), floor);
      const later = above.map(stateOf);
      const states = folded === undefined ? later : [folded, ...later];
      const seen = states.length === 0 ? undefined : visibleRecord(states.reduce(mergeStates));
      const expected = visibleRecord(fold(all));
      const isOver = (expected?.attributes?.expiresAtMs ?? Infinity) <= millis;
      // What had expired by the floor may be gone, for nobody could see it any more.
      if (!isOver || seen !== undefined) expect(seen).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

test("[J2] a patch over a delete has no effect, and does not bring the record back", () => {
  const all: Operation[] = [
    { kind: "put", version: at(1), id: "x", metadata: '{"a":1}', content: "c" },
    { kind: "delete", version: at(2), id: "x" },
    { kind: "patch", version: at(3), id: "x", metadata: '{"a":2}' },
  ];
  expect(visibleRecord(fold(all))).toBeUndefined();
  expect(foldBelow(fold(all), at(3))).toBeUndefined();
  expect(foldBelow(fold(all.slice(0, 2)), at(1))).toEqual(fold(all.slice(1, 2)));
});
