import type { Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { foldBelow } from "./record-state.ts";
import { operationCount, stateOfResidual } from "./state-row.ts";
import { storeRange } from "./store-range.ts";

/** Segments with rows that a merge would drop or fold, because the floor has passed them since. */
export async function foldableSegments(
  store: ObjectStore,
  manifest: Manifest,
): Promise<ReadonlySet<SegmentId>> {
  const foldable = new Set<SegmentId>();
  for (const segment of manifest.segments) {
    if (await isFoldable(store, manifest, segment)) foldable.add(segment.id);
  }
  return foldable;
}

async function isFoldable(
  store: ObjectStore,
  { floor }: Manifest,
  segment: SegmentEntry,
): Promise<boolean> {
  const reader = await SegmentReader.open(storeRange(store, segment), segment.key);
  const { liveRows, rows } = reader.meta;
  const residual = await reader.residual();
  for (const operations of residual.values()) {
    const state = stateOfResidual(operations);
    const folded = foldBelow(state, floor);
    if (folded === undefined || operationCount(folded) < operationCount(state)) return true;
  }
  if (liveRows === rows) return false;
  const dead = await reader.versionRows(liveRows, rows);
  for (let i = 0; i < rows - liveRows; i++) {
    if (!residual.has(liveRows + i) && dead.version(i) <= floor) return true;
  }
  return false;
}
