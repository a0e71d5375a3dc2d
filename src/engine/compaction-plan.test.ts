import { expect, test } from "vitest";
import { emptyManifest, type SegmentEntry, type SegmentId } from "../format/manifest.ts";
import { VERSION_ZERO, type LaneId } from "../format/version.ts";
import { compaction } from "../../test/support/fleet.ts";
import { planCompaction } from "./compaction-plan.ts";
import type { CompactionJob } from "./compaction.ts";
import type { LaneTail } from "./lane-ledger.ts";

const LANE = "01ARZ3NDEKTSV4RRFFQ69G5FAA" as LaneId;
const MIB = 2 ** 20;

function segment(id: string, bytes: number, rows = 1000, masked = 0): SegmentEntry {
  return {
    id: id as SegmentId,
    key: id,
    bytes,
    rows,
    vectorRows: rows,
    minVersion: VERSION_ZERO,
    maxVersion: VERSION_ZERO,
    ...(masked === 0 ? {} : { deletions: { count: masked, inline: "x" } }),
  };
}

function tail(slots: number, bytes: number): LaneTail[] {
  if (slots === 0) return [];
  const slotBytes = Array.from({ length: slots }, () => bytes);
  return [{ lane: LANE, from: 0, to: slots, slotBytes, sinceMs: 0 }];
}

function plan(
  segments: readonly SegmentEntry[],
  tails: readonly LaneTail[] = [],
  more: Partial<Parameters<typeof planCompaction>[0]> = {},
): CompactionJob | undefined {
  const manifest = { ...emptyManifest("db"), segments };
  return planCompaction({ manifest, tails, options: compaction({}), ...more });
}

function inputs(job: CompactionJob | undefined): readonly string[] {
  return job?.kind === "merge" ? job.inputs : [];
}

test("a flush is due by bytes, by slots, by operations or on demand, and not before", () => {
  expect(plan([], tail(511, 10))).toBeUndefined();
  expect(plan([], tail(512, 10))?.kind).toBe("flush");
  expect(plan([], tail(64, MIB))?.kind).toBe("flush");
  expect(plan([], tail(1, 10), { tailOperations: 100_000 })?.kind).toBe("flush");
  expect(plan([], tail(1, 10), { force: "flush" })?.kind).toBe("flush");
  expect(plan([], [], { force: "flush" })).toBeUndefined();
});

test("eight segments of one size are merged, and a large one is left alone", () => {
  const small = Array.from({ length: 8 }, (_, i) => segment(`s${i}`, MIB / 2));
  const large = segment("large", 600 * MIB);
  expect(inputs(plan([large, ...small.slice(1)]))).toEqual([]);
  expect(inputs(plan([large, ...small]))).toEqual(small.map(({ id }) => id));
});

test("a segment of which a third is masked is rewritten alone", () => {
  expect(inputs(plan([segment("a", MIB, 1000, 300)]))).toEqual([]);
  expect(inputs(plan([segment("a", MIB, 1000, 301)]))).toEqual(["a"]);
});

test("compacting merges all that fit into one segment, and then finds nothing to do", () => {
  const two = [segment("a", 300 * MIB), segment("b", MIB)];
  expect(inputs(plan(two, [], { force: "compact" }))).toEqual(["b", "a"]);
  const whole = segment("a", 301 * MIB);
  expect(plan([whole], [], { force: "compact" })).toBeUndefined();
  const foldable = new Set([whole.id]);
  expect(inputs(plan([whole], [], { force: "compact", foldable }))).toEqual(["a"]);
  const huge = [segment("a", 1500 * MIB), segment("b", 1500 * MIB)];
  expect(plan(huge, [], { force: "compact" })).toBeUndefined();
});

test("[CP4] no plan asks for more memory than a job may take", () => {
  const options = compaction({ memoryBytesMax: 1_000_000 });
  const four = Array.from({ length: 4 }, (_, i) => segment(`s${i}`, MIB, 2000));
  expect(inputs(plan(four, [], { force: "compact", options }))).toEqual(["s0", "s1"]);
});
