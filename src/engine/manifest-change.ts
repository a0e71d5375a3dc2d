import type { DeletionEntry, Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import { maxVersion, type LaneId, type Version } from "../format/version.ts";
import { ROW_DROPPED, type CompactionResult } from "./compaction.ts";
import type { Ledger } from "./lane-ledger.ts";

/*
 * What a compaction made against one manifest means for a newer one: invariant M1 of
 * docs/specs/manifest.md. Pure, so that every interleaving can be tested against a naive model.
 */

/** Masked rows of segments, ascending. A segment without an entry has none. */
export type DeletionSets = ReadonlyMap<SegmentId, Uint32Array>;

/** A result on top of one particular manifest. */
export interface ManifestChange {
  readonly segments: readonly SegmentEntry[];
  /** Complete sets of masked rows, for the segments where they are not those of the manifest. */
  readonly masks: DeletionSets;
  readonly maxVersion: Version;
  /** The new segment, where it holds more than readers see. */
  readonly withRemains: SegmentId | undefined;
}

/** A result, the manifest it was made from and the one it is for. */
export interface ChangeInput {
  /** What the job read. */
  readonly base: Manifest;
  /** What the change is to be committed on. */
  readonly newest: Manifest;
  /** Masked rows in `newest` of every segment that `result` removes or masks. */
  readonly deletions: DeletionSets;
  readonly result: CompactionResult;
}

/** `undefined`: the result does not hold any more and is thrown away. */
export function applyResult(input: ChangeInput): ManifestChange | undefined {
  const { base, newest, result } = input;
  const listed = new Set(newest.segments.map(({ id }) => id));
  if (!result.removed.every((id) => listed.has(id))) return undefined;
  if (result.lanes.length > 0 && !continuesCursors(base, newest, result)) return undefined;
  const masks = new Map<SegmentId, Uint32Array>();
  for (const [id, rows] of result.masked) {
    if (rows.length === 0) continue;
    // Merged away meanwhile: the row lives on under another number, unmasked.
    if (!listed.has(id)) return undefined;
    masks.set(id, unionRows(input.deletions.get(id), rows));
  }
  carryMasks(input, masks);
  return {
    segments: nextSegments(newest, result, masks),
    masks,
    maxVersion: greatestVersion(newest.maxVersion, result),
    withRemains: result.hasRemains ? result.added[0]?.id : undefined,
  };
}

/**
 * Whether `newest` covers exactly what `base` did. If it covers more, other rows have appeared
 * since the job looked its ids up, and two rows of one id could stay unmasked.
 */
function continuesCursors(base: Manifest, newest: Manifest, result: CompactionResult): boolean {
  const before = new Map<LaneId, number>(base.lanes.map(({ lane, cursor }) => [lane, cursor]));
  const now = new Map<LaneId, number>(newest.lanes.map(({ lane, cursor }) => [lane, cursor]));
  for (const [lane, cursor] of now) if (before.get(lane) !== cursor) return false;
  return result.lanes.every(
    ({ lane, cursor }) => now.get(lane) === before.get(lane) && cursor > (now.get(lane) ?? -1),
  );
}

/** Every row that is masked in an input is masked where the merge has put it. */
function carryMasks(input: ChangeInput, masks: Map<SegmentId, Uint32Array>): void {
  const { deletions, result } = input;
  const [output] = result.added;
  if (output === undefined || result.removed.length === 0) return;
  const carried: number[] = [];
  for (const [id, moved] of result.moved) {
    for (const row of deletions.get(id) ?? []) {
      const target = moved[row] ?? ROW_DROPPED;
      if (target !== ROW_DROPPED) carried.push(target);
    }
  }
  if (carried.length > 0) masks.set(output.id, Uint32Array.from(carried).sort());
}

/** Kept in order of their making; a segment whose rows are all masked is listed no more. */
function nextSegments(
  newest: Manifest,
  result: CompactionResult,
  masks: DeletionSets,
): SegmentEntry[] {
  const removed = new Set(result.removed);
  return [...newest.segments, ...result.added].filter(
    ({ id, rows }) => !removed.has(id) && masks.get(id)?.length !== rows,
  );
}

function greatestVersion(before: Version, { added, lanes }: CompactionResult): Version {
  let greatest = before;
  for (const segment of added) greatest = maxVersion(greatest, segment.maxVersion);
  for (const { lastVersion } of lanes) greatest = maxVersion(greatest, lastVersion);
  return greatest;
}

/** Two ascending lists in one; neither is changed. */
export function unionRows(a: Uint32Array | undefined, b: Uint32Array): Uint32Array {
  if (a === undefined || a.length === 0) return b;
  const union = new Uint32Array(a.length + b.length);
  union.set(a);
  union.set(b, a.length);
  union.sort();
  let count = 0;
  for (const row of union) {
    if (count === 0 || union[count - 1] !== row) union[count++] = row;
  }
  return union.slice(0, count);
}

/** Everything about the next manifest that is decided outside the change itself. */
export interface NextManifest {
  readonly newest: Manifest;
  /** Absent when only lanes and floor move. */
  readonly change?: ManifestChange | undefined;
  /** The stored form of `change.masks`. */
  readonly deletions?: ReadonlyMap<SegmentId, DeletionEntry> | undefined;
  readonly ledger: Ledger;
  readonly dimensions: number | undefined;
  readonly nonce: string;
  readonly createdMs: number;
}

/** The manifest after `newest`, with the same epoch and holder. */
export function nextManifest(next: NextManifest): Manifest {
  const { newest, change, ledger, deletions, nonce, createdMs } = next;
  const segments = (change?.segments ?? newest.segments).map((segment) => {
    const entry = deletions?.get(segment.id);
    const masked = entry === undefined ? segment : { ...segment, deletions: entry };
    if (entry === undefined && segment.id !== change?.withRemains) return masked;
    return { ...masked, remainsSinceMs: segment.remainsSinceMs ?? createdMs };
  });
  return {
    ...newest,
    number: newest.number + 1,
    nonce,
    createdMs,
    floor: ledger.floor,
    lanes: ledger.lanes,
    segments,
    maxVersion: change?.maxVersion ?? newest.maxVersion,
    dimensions: newest.dimensions ?? next.dimensions,
  };
}
