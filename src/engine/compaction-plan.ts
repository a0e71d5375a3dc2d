import type { Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import type { CompactionJob, CompactionLimits } from "./compaction.ts";
import { erasureStepMs, overdueSegments } from "./erasure.ts";
import type { LaneTail } from "./lane-ledger.ts";

/** When log becomes a segment, and when segments become fewer. */
export interface CompactionOptions extends CompactionLimits {
  /** Any of these makes a flush due. */
  readonly flushBytes: number;
  readonly flushSlots: number;
  readonly flushOperations: number;
  /** Segments of one size before they are merged; each row is rewritten once per size. */
  readonly mergeFanIn: number;
  /** No merge makes a larger segment. */
  readonly segmentBytesMax: number;
  /** Share of masked rows from which a segment is rewritten alone. */
  readonly maskedShareMax: number;
  /** Encoded masks of a segment up to this size are part of the manifest. Default: 3 KiB. */
  readonly maskBytesInlineMax?: number | undefined;
  /** What was deleted is in no object after this long. Spec: docs/specs/erasure.md. */
  readonly deletedGoneWithinMs: number;
}

/** What holds when nothing else is said. */
export const DEFAULT_COMPACTION: Omit<CompactionOptions, "partitionCount"> = {
  memoryBytesMax: 256 * 2 ** 20,
  flushBytes: 64 * 2 ** 20,
  flushSlots: 512,
  flushOperations: 100_000,
  mergeFanIn: 8,
  segmentBytesMax: 2 * 2 ** 30,
  maskedShareMax: 0.3,
  deletedGoneWithinMs: 7 * 24 * 3_600_000,
};

/** Sizes within this factor are alike. */
const TIER_FACTOR = 8;

/** Segments up to this size are all alike: what costs is their number. */
const SMALLEST_TIER_BYTES = 2 ** 20;

/**
 * What one row of an input holds in memory while its segment is merged, whatever its size: id,
 * version, hash, filter and maps. Vectors and texts pass through in blocks.
 */
const MERGE_ROW_BYTES = 200;

/** What there is to compact. */
export interface PlanInput {
  readonly manifest: Manifest;
  readonly tails: readonly LaneTail[];
  /** Operations in the tails, as far as known. */
  readonly tailOperations?: number | undefined;
  readonly options: CompactionOptions;
  /** `flush`: whatever the tail's size. `compact`: that, and one segment in the end. */
  readonly force?: "flush" | "compact" | undefined;
  /** Compacting: segments that have rows the floor has passed since they were written. */
  readonly foldable?: ReadonlySet<SegmentId> | undefined;
  /** Store time. Without it nothing is due for its age alone. */
  readonly storeMs?: number | undefined;
}

/** The next job, or `undefined` when there is nothing worth doing. */
export function planCompaction(input: PlanInput): CompactionJob | undefined {
  const { manifest, tails, options, force } = input;
  const limits: CompactionLimits = {
    memoryBytesMax: options.memoryBytesMax,
    partitionCount: options.partitionCount,
    conflictResolution: options.conflictResolution,
  };
  if (tails.length > 0 && (force !== undefined || isFlushDue(input))) {
    const lanes = tails.map(({ lane, from, to }) => ({ lane, from, to }));
    return { kind: "flush", base: manifest, lanes, limits };
  }
  const inputs =
    force === "compact" ? planCompact(input) : (planMerge(manifest, options) ?? planErasure(input));
  return inputs === undefined ? undefined : { kind: "merge", base: manifest, inputs, limits };
}

function isFlushDue(input: PlanInput): boolean {
  const { tails, tailOperations = 0, options, storeMs = 0 } = input;
  let slots = 0;
  let bytes = 0;
  for (const { slotBytes, sinceMs } of tails) {
    if (storeMs - sinceMs >= erasureStepMs(options)) return true;
    slots += slotBytes.length;
    for (const size of slotBytes) bytes += size;
  }
  return (
    bytes >= options.flushBytes ||
    slots >= options.flushSlots ||
    tailOperations >= options.flushOperations
  );
}

/** Enough segments of one size, smallest first; else one with too many masked rows. */
function planMerge(manifest: Manifest, options: CompactionOptions): SegmentId[] | undefined {
  const tiers = new Map<number, SegmentEntry[]>();
  for (const segment of manifest.segments) {
    const tier = tierOf(segment);
    const members = tiers.get(tier);
    if (members === undefined) tiers.set(tier, [segment]);
    else members.push(segment);
  }
  for (const tier of [...tiers.keys()].toSorted((a, b) => a - b)) {
    const members = tiers.get(tier) ?? [];
    if (members.length < options.mergeFanIn) continue;
    const inputs = packed(members, options);
    if (inputs.length > 1) return inputs.map(({ id }) => id);
  }
  const masked = manifest.segments.find(
    (segment) =>
      maskedRows(segment) > segment.rows * options.maskedShareMax &&
      packed([segment], options).length === 1,
  );
  return masked === undefined ? undefined : [masked.id];
}

/** One segment whose remains have waited long enough, and whose rewriting does away with some. */
function planErasure({ manifest, options, storeMs = 0 }: PlanInput): SegmentId[] | undefined {
  const overdue = overdueSegments(manifest, options, storeMs).find(
    (segment) =>
      (maskedRows(segment) > 0 || segment.maxVersion <= manifest.floor) &&
      packed([segment], options).length === 1,
  );
  return overdue === undefined ? undefined : [overdue.id];
}

/** As many as fit into one segment, smallest first; what does not fit with another stays. */
function planCompact({ manifest, options, foldable }: PlanInput): SegmentId[] | undefined {
  const bySize = manifest.segments.toSorted((a, b) => liveBytes(a) - liveBytes(b));
  const inputs = packed(bySize, options);
  if (inputs.length > 1) return inputs.map(({ id }) => id);
  const worth = bySize.find(
    (segment) =>
      (maskedRows(segment) > 0 || foldable?.has(segment.id) === true) &&
      packed([segment], options).length === 1,
  );
  return worth === undefined ? undefined : [worth.id];
}

/** The longest beginning of `segments` that one job may merge into one segment. */
function packed(segments: readonly SegmentEntry[], options: CompactionOptions): SegmentEntry[] {
  const inputs: SegmentEntry[] = [];
  let bytes = 0;
  let memory = 0;
  for (const segment of segments) {
    bytes += liveBytes(segment);
    memory += mergeMemoryBytes(segment);
    if (bytes > options.segmentBytesMax || memory > options.memoryBytesMax) break;
    inputs.push(segment);
  }
  return inputs;
}

/** What a merge holds in memory for one of its inputs. */
export function mergeMemoryBytes(segment: SegmentEntry): number {
  return segment.rows * MERGE_ROW_BYTES;
}

function tierOf(segment: SegmentEntry): number {
  const size = Math.max(liveBytes(segment), SMALLEST_TIER_BYTES);
  return Math.floor(Math.log(size / SMALLEST_TIER_BYTES) / Math.log(TIER_FACTOR));
}

function liveBytes(segment: SegmentEntry): number {
  return segment.bytes * (1 - maskedRows(segment) / Math.max(1, segment.rows));
}

function maskedRows({ deletions }: SegmentEntry): number {
  return deletions?.count ?? 0;
}
