import type { Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { RecordFold } from "./record-fold.ts";
import { stateOfResidual } from "./state-row.ts";
import { storeRange } from "./store-range.ts";

/** Segments with rows that a merge would drop or fold, because the floor has passed them since. */
export async function foldableSegments(
  store: ObjectStore,
  manifest: Manifest,
  fold: RecordFold,
): Promise<ReadonlySet<SegmentId>> {
  const foldable = new Set<SegmentId>();
  for (const segment of manifest.segments) {
    if (await isFoldable({ store, manifest, segment, fold })) foldable.add(segment.id);
  }
  return foldable;
}

async function isFoldable({
  store,
  manifest: { floor },
  segment,
  fold,
}: {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly segment: SegmentEntry;
  readonly fold: RecordFold;
}): Promise<boolean> {
  const reader = await SegmentReader.open(storeRange(store, segment), segment.key);
  const { liveRows, rows } = reader.meta;
  const residual = await reader.residual();
  for (const operations of residual.values()) {
    const state = stateOfResidual(operations, fold);
    const folded = fold.below(state, floor);
    if (folded === undefined || fold.weight(folded) < fold.weight(state)) return true;
  }
  if (liveRows === rows) return false;
  const dead = await reader.versionRows(liveRows, rows);
  for (let i = 0; i < rows - liveRows; i++) {
    if (!residual.has(liveRows + i) && dead.version(i) <= floor) return true;
  }
  return false;
}
