import type { SegmentEntry } from "../format/manifest.ts";
import { decodeAttributes } from "../format/operation-attributes.ts";
import type { SegmentReader } from "../format/segment-reader.ts";
import type { SegmentRow } from "../format/segment.ts";
import { SECTION } from "../format/segment.ts";
import { versionKey } from "../format/version-column.ts";
import { versionMillis, type Version } from "../format/version.ts";
import type { JobContext } from "./compaction-job-context.ts";
import { loadDeletions } from "./deletion-store.ts";
import { isExpired } from "./record-state.ts";
import { RowSet } from "./row-set.ts";
import { rowOfState, stateOfResidual } from "./state-row.ts";

/** Rows that are looked at together. */
const BLOCK_ROWS = 8192;

/** One segment of a merge, and which of its rows stay. */
export interface MergeInput {
  readonly segment: SegmentEntry;
  readonly reader: SegmentReader;
  /** Rows that are copied as they are, ascending: with a vector, without, dead. */
  readonly copied: readonly [Uint32Array, Uint32Array, Uint32Array];
  /** Rows that had operations, and what those fold to now. */
  readonly rewritten: readonly { readonly row: number; readonly to: SegmentRow }[];
}

/** Live rows with a vector, live rows without, dead rows. */
export const ROW_CLASSES = [0, 1, 2] as const;

/** Which rows become which. */
export interface MergeLayout {
  readonly rowCount: number;
  readonly vectorRows: number;
  readonly liveRows: number;
  /** Rows that are written anew, by class; each class comes after the copied rows of it. */
  readonly rewritten: readonly (readonly SegmentRow[])[];
  /** For each input, its rows' new numbers. */
  readonly moved: readonly Uint32Array[];
}

/**
 * Drops what is masked, and at or below the floor what is deleted or expired; folds what is at or
 * below it. Reads the attributes, the dead rows' versions and the residual operations.
 */
export async function selectRows(
  context: JobContext,
  segment: SegmentEntry,
  reader: SegmentReader,
  floor: Version,
): Promise<MergeInput> {
  const { pacer, store, fold } = context;
  const { rows, vectorRows, liveRows } = reader.meta;
  const masked = new RowSet(rows, await loadDeletions(store, segment));
  const residual = await reader.residual();
  const expired = await expiredRows(context, reader, floor);
  const floorKey = versionKey(floor);
  const dead = await reader.versionRows(liveRows, rows);
  const rewritten: { row: number; to: SegmentRow }[] = [];
  const copied: number[][] = [[], [], []];
  for (let row = 0; row < rows; row++) {
    if (row % BLOCK_ROWS === 0 && pacer.isDue()) await pacer.breathe();
    if (masked.has(row)) continue;
    const operations = residual.get(row);
    if (operations !== undefined) {
      const state = fold.below(stateOfResidual(operations, fold), floor);
      if (state !== undefined) {
        rewritten.push({ row, to: rowOfState(operations[0]!.id, state, fold) });
      }
    } else if (row < liveRows) {
      if (!expired.has(row)) copied[row < vectorRows ? 0 : 1]!.push(row);
    } else if (dead.compare(row - liveRows, floorKey) > 0) copied[2]!.push(row);
  }
  const [withVector = [], without = [], tombstones = []] = copied;
  return {
    segment,
    reader,
    rewritten,
    copied: [Uint32Array.from(withVector), Uint32Array.from(without), Uint32Array.from(tombstones)],
  };
}

/** Rows at or below the floor whose time was over by then. */
async function expiredRows(
  { pacer, fold }: JobContext,
  reader: SegmentReader,
  floor: Version,
): Promise<ReadonlySet<number>> {
  const expired = new Set<number>();
  if (!fold.dropsExpired) return expired;
  if (reader.sections.length(SECTION.attributesBytes) === 0) return expired;
  const floorMs = versionMillis(floor);
  const floorKey = versionKey(floor);
  const { liveRows } = reader.meta;
  for (let start = 0; start < liveRows; start += BLOCK_ROWS) {
    if (pacer.isDue()) await pacer.breathe();
    const end = Math.min(liveRows, start + BLOCK_ROWS);
    const column = await reader.textRows("attributes", start, end);
    const texts = column.texts();
    const versions = texts.some(hasExpiry) ? await reader.versionRows(start, end) : undefined;
    if (versions === undefined) continue;
    for (const [i, text] of texts.entries()) {
      if (!hasExpiry(text) || versions.compare(i, floorKey) > 0) continue;
      if (isExpired(decodeAttributes(text, reader.where), floorMs)) expired.add(start + i);
    }
  }
  return expired;
}

function hasExpiry(text: string): boolean {
  return text.includes('"expiresAtMs"');
}
