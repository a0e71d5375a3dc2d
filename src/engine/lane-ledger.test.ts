import { expect, test } from "vitest";
import { emptyManifest, type LaneEntry, type Manifest } from "../format/manifest.ts";
import { VERSION_ZERO, makeVersion, type LaneId, type Version } from "../format/version.ts";
import type { CoveredLane } from "./compaction.ts";
import {
  LANE_IDLE_MS,
  nextLedger,
  sealRequests,
  uncoveredTails,
  type LedgerInput,
} from "./lane-ledger.ts";

const A = "01ARZ3NDEKTSV4RRFFQ69G5FAA" as LaneId;
const B = "01ARZ3NDEKTSV4RRFFQ69G5FAB" as LaneId;
const NOW = 1_000_000_000;

function at(millis: number, lane = A): Version {
  return makeVersion(millis, 0, lane);
}

function entry(
  lane: LaneId,
  cursor: number,
  last: number,
  more: Partial<LaneEntry> = {},
): LaneEntry {
  return {
    lane,
    incarnation: "writer",
    openVersion: at(1, lane),
    cursor,
    lastVersion: at(last, lane),
    headSeenMs: NOW,
    head: cursor,
    ...more,
  };
}

/** Slots by lane; all were written at `modifiedMs`. */
function input(
  manifest: Partial<Manifest>,
  slots: Readonly<Record<string, readonly number[]>>,
  modifiedMs = NOW,
): LedgerInput {
  const lanes = new Map(
    Object.entries(slots).map(([lane, numbers]) => [
      lane as LaneId,
      numbers.map((number) => ({ number, bytes: 10, modifiedMs })),
    ]),
  );
  const listing = { lanes, storeMs: NOW, objectCount: 0 };
  return { manifest: { ...emptyManifest("db"), ...manifest }, listing };
}

function covers(lane: LaneId, cursor: number, last: number, sealSlot?: number): CoveredLane {
  const lastVersion = at(last, lane);
  return { lane, incarnation: "writer", openVersion: at(1, lane), cursor, lastVersion, sealSlot };
}

test("[J4] the floor is the least of the last greatest version and of what each lane brought", () => {
  const before = { maxVersion: at(50), lanes: [entry(A, 3, 50), entry(B, 2, 40)] };
  expect(nextLedger({ ...input(before, {}), covered: [] }).floor).toBe(at(40, B));
  const covered = [covers(B, 4, 90)];
  expect(nextLedger({ ...input(before, {}), covered }).floor).toBe(at(50));
});

test("[J4] a listed lane of which nothing is covered holds the floor where it is", () => {
  const before = { maxVersion: at(50), floor: at(7), lanes: [entry(A, 3, 50)] };
  expect(nextLedger({ ...input(before, { [B]: [0] }), covered: [] }).floor).toBe(at(7));
  // Its open record alone is enough to let the floor up to it.
  const covered = [covers(B, 0, 30)];
  expect(nextLedger({ ...input(before, { [B]: [0] }), covered }).floor).toBe(at(30, B));
});

test("[J4] the floor never falls, though a slow writer opens a lane below it", () => {
  const before = { maxVersion: at(50), floor: at(50), lanes: [entry(A, 3, 50)] };
  const covered = [covers(B, 0, 20)];
  expect(nextLedger({ ...input(before, { [B]: [0] }), covered }).floor).toBe(at(50));
});

test("[J4] a sealed lane holds the floor back until it is covered up to its seal", () => {
  const seal = { slot: 5, seenMs: 1 };
  const sealed = { maxVersion: at(50), lanes: [entry(A, 3, 30, { seal })] };
  expect(nextLedger({ ...input(sealed, {}), covered: [] }).floor).toBe(at(30));
  const covered = [covers(A, 5, 45, 5)];
  expect(nextLedger({ ...input(sealed, {}), covered }).floor).toBe(at(50));
});

test("[J5] a lane leaves the table when it is sealed, covered, passed, and its slots are gone", () => {
  const seal = { slot: 5, seenMs: 1 };
  const lanes = [entry(A, 5, 45, { seal })];
  const listed = (floor: number, slots: Readonly<Record<string, readonly number[]>>): number =>
    nextLedger({ ...input({ lanes, maxVersion: at(floor) }, slots), covered: [] }).lanes.length;
  expect(listed(44, { [A]: [5] })).toBe(1);
  expect(listed(45, { [A]: [4, 5] })).toBe(1);
  expect(listed(45, { [A]: [5] })).toBe(0);
  // A seal by the lane's own writer goes with the slots, and is waited for.
  const own = [entry(A, 5, 45, { seal: { slot: 5, seenMs: 0 } })];
  const left = input({ lanes: own, maxVersion: at(45) }, { [A]: [5] });
  expect(nextLedger({ ...left, covered: [] }).lanes).toHaveLength(1);
});

test("[M5] a cursor never moves back, whatever a result says", () => {
  const before = { maxVersion: at(50), lanes: [entry(A, 3, 50)] };
  const { lanes } = nextLedger({ ...input(before, {}), covered: [covers(A, 1, 10)] });
  expect(lanes[0]).toMatchObject({ cursor: 3, lastVersion: at(50) });
});

test("what a flush may cover is the unbroken run after the cursor", () => {
  const lanes = [entry(A, 3, 50)];
  const tails = uncoveredTails(input({ lanes }, { [A]: [2, 3, 4, 5, 7], [B]: [0, 1] }));
  expect(tails.map(({ lane, from, to }) => [lane, from, to])).toEqual([
    [A, 4, 6],
    [B, 0, 2],
  ]);
});

test("[C5] slots of an unknown lane without slot 0 are ignored", () => {
  const junk = input({ maxVersion: at(50), floor: VERSION_ZERO }, { [B]: [7] }, 0);
  expect(uncoveredTails(junk)).toEqual([]);
  expect(sealRequests(junk)).toEqual([]);
  expect(nextLedger({ ...junk, covered: [] }).floor).toBe(at(50));
});

test("lanes whose head has stood still for 15 minutes are to be sealed at the next slot", () => {
  const still = NOW - LANE_IDLE_MS;
  const lanes = [
    entry(A, 3, 50, { headSeenMs: still }),
    entry(B, 1, 40, { headSeenMs: still, seal: { slot: 1, seenMs: 1 } }),
  ];
  expect(sealRequests(input({ lanes }, {}))).toEqual([{ lane: A, slot: 4 }]);
  // Its head has moved since the manifest was made, just now.
  expect(sealRequests(input({ lanes }, { [A]: [3, 4] }))).toEqual([]);
  expect(sealRequests(input({ lanes }, { [A]: [3, 4] }, still))).toEqual([{ lane: A, slot: 5 }]);
  expect(sealRequests(input({}, { [B]: [0] }, still))).toEqual([{ lane: B, slot: 1 }]);
});

test("a lane with a gap is sealed in the gap, not behind it", () => {
  const still = NOW - LANE_IDLE_MS;
  expect(sealRequests(input({}, { [B]: [0, 3] }, still))).toEqual([{ lane: B, slot: 1 }]);
  const lanes = [entry(B, 0, 40, { head: 0, headSeenMs: still })];
  expect(sealRequests(input({ lanes }, { [B]: [0, 3] }))).toEqual([{ lane: B, slot: 1 }]);
});
