import { expect, test } from "vitest";
import type { Operation } from "../format/operation.ts";
import { makeVersion, type LaneId, type Version } from "../format/version.ts";
import { foldFor } from "./record-fold.ts";
import type { RecordState } from "./record-state.ts";

const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;
const at = (millis: number): Version => makeVersion(millis, 0, LANE);
const put = (millis: number, more: Partial<Operation> = {}): Operation => ({
  kind: "put",
  id: "r",
  version: at(millis),
  content: "",
  metadata: `{"at":${millis}}`,
  ...more,
});
const fold = foldFor("vector-clock");
const stateOf = (...operations: Operation[]): RecordState =>
  operations.map(fold.stateOf).reduce(fold.merge);
const shown = (state: RecordState | undefined): readonly string[] =>
  state === undefined ? [] : fold.siblings(state).map(({ version }) => version);

test("[V3] a put that had expired when another was stamped is replaced by it, seen or not", () => {
  const expiring = put(1, { attributes: { expiresAtMs: 10 } });
  expect(shown(stateOf(expiring, put(9)))).toEqual([at(1), at(9)]);
  expect(shown(stateOf(expiring, put(10)))).toEqual([at(10)]);
  expect(shown(stateOf(expiring, { kind: "delete", id: "r", version: at(10) }))).toEqual([]);
});

test("[V2] siblings are dropped when all of them have expired by the floor, and not before", () => {
  const early = put(1, { attributes: { expiresAtMs: 10 } });
  const later = put(2, { attributes: { expiresAtMs: 20 } });
  expect(shown(fold.below(stateOf(early, later), at(19)))).toEqual([at(1), at(2)]);
  expect(fold.below(stateOf(early, later), at(20))).toBeUndefined();
  expect(shown(fold.below(stateOf(early, put(2)), at(99)))).toEqual([at(1), at(2)]);
});

test("[V2] at or below the floor a put is plain, and what it has seen is forgotten", () => {
  const state = stateOf(put(1), put(2, { seen: [at(1)] }));
  expect(fold.plain(state)).toBeUndefined();
  expect(fold.plain(fold.below(state, at(1))!)).toBeUndefined();
  expect(fold.plain(fold.below(state, at(2))!)).toEqual(put(2));
  const removed = stateOf(put(1), { kind: "delete", id: "r", version: at(2), seen: [at(1)] });
  expect(fold.below(removed, at(1))).toMatchObject({ patches: [{ kind: "delete" }] });
  expect(fold.below(removed, at(2))).toBeUndefined();
});

test("[V1] nobody has seen what is newer: such an entry takes nothing away", () => {
  expect(shown(stateOf(put(1, { seen: [at(1), at(2)] }), put(2)))).toEqual([at(1), at(2)]);
});

test("[V3] readers are shown 16 siblings, and a writer has seen all there are", () => {
  const state = stateOf(...Array.from({ length: 20 }, (_, i) => put(i + 1)));
  expect(shown(state)).toEqual(Array.from({ length: 16 }, (_, i) => at(i + 5)));
  expect(fold.known(state)).toHaveLength(20);
  expect(shown(fold.merge(state, stateOf(put(30, { seen: fold.known(state) }))))).toEqual([at(30)]);
});

test("a patch in a database of siblings is damage, and says of which record", () => {
  const patch = { kind: "patch", id: "r", version: at(1), metadata: "{}" } as const;
  expect(() => fold.stateOf(patch)).toThrow(
    expect.objectContaining({ code: "BRAINY_CORRUPT", message: expect.stringContaining('"r"') }),
  );
});
