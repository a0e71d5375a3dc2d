import { corrupt } from "../base/errors.ts";
import { segmentFromRows } from "../format/segment-from-rows.ts";
import type { Manifest, SegmentEntry, SegmentId } from "../format/manifest.ts";
import type { Operation } from "../format/operation.ts";
import type { SegmentRow } from "../format/segment.ts";
import { storeSegment, type FlushJob, type JobContext } from "./compaction-job-context.ts";
import { FlushLookup } from "./compaction-job-lookup.ts";
import { readSlots, type SlotBatch } from "./compaction-job-slots.ts";
import type { CompactionResult } from "./compaction.ts";
import type { RecordFold } from "./record-fold.ts";
import type { RecordState } from "./record-state.ts";
import { isAbove, rowOfState } from "./state-row.ts";

/** Items of a cheap loop between two looks at the clock. */
const ITEMS_PER_LOOK = 256;

/**
 * Log into one segment: folds the operations of each record, merges them with the row an older
 * segment may have of it, writes the result and masks that row.
 */
export async function runFlush(context: JobContext, job: FlushJob): Promise<CompactionResult> {
  const { pacer } = context;
  const tail = new TailStates(context.fold, job.base);
  const slots = await readSlots(context, job, async (batch) => {
    tail.add(batch);
    if (pacer.isDue()) await pacer.breathe();
  });
  const lookup = new FlushLookup(context, tail.states);
  for (const segment of job.base.segments) await lookup.visit(segment);
  const rows = await foldRows(context, tail.states, job);
  const { databaseId } = job.base;
  // Vectors may also come from older rows that the log only patches.
  const dimension = rows.find(({ vector }) => vector !== undefined)?.vector?.length ?? 0;
  const added: SegmentEntry[] = [];
  if (rows.length > 0) {
    added.push(
      await storeSegment(context, (id) => segmentFromRows(rows, { id, databaseId, dimension })),
    );
  }
  return {
    removed: [],
    added,
    masked: lookup.masked,
    moved: new Map<SegmentId, Uint32Array>(),
    lanes: slots.lanes,
    junkCount: tail.junkCount,
    hasRemains: rows.some(({ live, residual }) => !live || isAbove(residual, job.base.floor)),
  };
}

/** The fold of the operations that a flush has read. */
class TailStates {
  readonly states = new Map<string, RecordState>();
  readonly #fold: RecordFold;
  readonly #floor: string;
  #dimension: number | undefined;
  /** Operations at or below the floor: nothing may appear there any more. */
  junkCount = 0;

  constructor(fold: RecordFold, { floor, dimensions }: Manifest) {
    this.#fold = fold;
    this.#floor = floor;
    this.#dimension = dimensions;
  }

  add({ operations, where }: SlotBatch): void {
    const { stateOf, merge } = this.#fold;
    for (const operation of operations) {
      if (operation.version <= this.#floor) {
        this.junkCount++;
        continue;
      }
      this.#checkDimension(operation, where);
      const before = this.states.get(operation.id);
      const state = stateOf(operation);
      this.states.set(operation.id, before === undefined ? state : merge(before, state));
    }
  }

  #checkDimension({ vector, id }: Operation, where: string): void {
    if (vector === undefined) return;
    this.#dimension ??= vector.length;
    if (vector.length === this.#dimension) return;
    const lengths = `${vector.length} dimensions, not ${this.#dimension}`;
    throw corrupt(where, `the vector of ${JSON.stringify(id)} has ${lengths}`);
  }
}

async function foldRows(
  { pacer, fold }: JobContext,
  states: ReadonlyMap<string, RecordState>,
  { base }: FlushJob,
): Promise<SegmentRow[]> {
  const rows: SegmentRow[] = [];
  let looked = 0;
  for (const [id, state] of states) {
    if (++looked % ITEMS_PER_LOOK === 0 && pacer.isDue()) await pacer.breathe();
    const folded = fold.below(state, base.floor);
    if (folded !== undefined) rows.push(rowOfState(id, folded, fold));
  }
  return rows;
}
