import { segmentFromRows } from "../format/segment-from-rows.ts";
import type { SegmentEntry, SegmentId } from "../format/manifest.ts";
import type { SegmentRow } from "../format/segment.ts";
import type { Version } from "../format/version.ts";
import { storeSegment, type FlushJob, type JobContext } from "./compaction-job-context.ts";
import { FlushLookup } from "./compaction-job-lookup.ts";
import { readSlots } from "./compaction-job-slots.ts";
import { FlushTail } from "./compaction-job-tail.ts";
import type { CompactionResult } from "./compaction.ts";
import type { RecordState } from "./record-state.ts";
import { hasRemains, rowOfState } from "./state-row.ts";

/** Items of a cheap loop between two looks at the clock. */
const ITEMS_PER_LOOK = 256;

/**
 * Log into one segment: folds the operations of each record, merges them with the row an older
 * segment may have of it, writes the result and masks that row. A put that is all there is of its
 * record is copied column by column and never becomes an object.
 */
export async function runFlush(context: JobContext, job: FlushJob): Promise<CompactionResult> {
  const { pacer } = context;
  const { databaseId, floor, segments } = job.base;
  const tail = new FlushTail(context.fold, job.base);
  const slots = await readSlots(context, job, async (batch) => {
    tail.add(batch);
    if (pacer.isDue()) await pacer.breathe();
  });
  const lookup = new FlushLookup(context, tail);
  for (const segment of segments) await lookup.visit(segment);
  const rows = await foldRows(context, tail.states, floor);
  const plain = tail.plainRows();
  // Vectors may also come from older rows that the log only patches.
  const dimension =
    plain.find(({ columns }) => columns.dimension > 0)?.columns.dimension ??
    rows.find(({ vector }) => vector !== undefined)?.vector?.length ??
    0;
  const added: SegmentEntry[] = [];
  if (rows.length + plain.length > 0) {
    const options = { databaseId, dimension, plain };
    added.push(await storeSegment(context, (id) => segmentFromRows(rows, { ...options, id })));
  }
  return {
    removed: [],
    added,
    masked: lookup.masked,
    moved: new Map<SegmentId, Uint32Array>(),
    lanes: slots.lanes,
    junkCount: tail.junkCount,
    hasRemains: rows.some((row) => hasRemains(row, job.base.floor)),
  };
}

async function foldRows(
  { pacer, fold }: JobContext,
  states: ReadonlyMap<string, RecordState>,
  floor: Version,
): Promise<SegmentRow[]> {
  const rows: SegmentRow[] = [];
  let looked = 0;
  for (const [id, state] of states) {
    if (++looked % ITEMS_PER_LOOK === 0 && pacer.isDue()) await pacer.breathe();
    const folded = fold.below(state, floor);
    if (folded !== undefined) rows.push(rowOfState(id, folded, fold));
  }
  return rows;
}
