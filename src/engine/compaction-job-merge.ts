import { BrainyError, corrupt } from "../base/errors.ts";
import type { SegmentEntry, SegmentId } from "../format/manifest.ts";
import { writeSegment } from "../format/segment-writer.ts";
import type { SegmentRow } from "../format/segment.ts";
import {
  openSegment,
  storeSegment,
  type JobContext,
  type MergeJob,
} from "./compaction-job-context.ts";
import { MergeColumns } from "./compaction-job-columns.ts";
import {
  ROW_CLASSES,
  selectRows,
  type MergeInput,
  type MergeLayout,
} from "./compaction-job-select.ts";
import { mergeMemoryBytes } from "./compaction-plan.ts";
import { hasRemains } from "./state-row.ts";
import { ROW_DROPPED, type CompactionResult } from "./compaction.ts";

/**
 * Several segments into one, column by column: rows that stay are copied in blocks and never
 * decoded. Only rows with operations that may be folded now become records on the way.
 */
export async function runMerge(context: JobContext, job: MergeJob): Promise<CompactionResult> {
  const segments = inputsOf(job);
  const inputs: MergeInput[] = [];
  for (const segment of segments) {
    const reader = await openSegment(context, segment);
    inputs.push(await selectRows(context, segment, reader, job.base.floor));
  }
  const layout = layOut(inputs);
  const added: SegmentEntry[] = [];
  if (layout.rowCount > 0) {
    const { rowCount, vectorRows } = layout;
    const { databaseId } = job.base;
    const dimension = dimensionOf(inputs, layout);
    const columns = new MergeColumns(context.pacer, inputs, layout);
    added.push(
      await storeSegment(context, (id) =>
        writeSegment({ id, databaseId, dimension, rowCount, vectorRows, columns }),
      ),
    );
  }
  return {
    removed: job.inputs,
    added,
    masked: new Map<SegmentId, Uint32Array>(),
    moved: new Map(inputs.map(({ segment }, i) => [segment.id, layout.moved[i]!])),
    lanes: [],
    junkCount: 0,
    hasRemains:
      inputs.some(({ copied: [, , tombstones] }) => tombstones.length > 0) ||
      layout.rewritten.some((rows) => rows.some((row) => hasRemains(row, job.base.floor))),
  };
}

function inputsOf({ base, inputs, limits }: MergeJob): SegmentEntry[] {
  const known = new Map(base.segments.map((segment) => [segment.id, segment]));
  let memory = 0;
  const segments = inputs.map((id) => {
    const segment = known.get(id);
    if (segment === undefined) throw new Error(`invariant violated: ${id} is not in the base`);
    memory += mergeMemoryBytes(segment);
    return segment;
  });
  if (memory <= limits.memoryBytesMax) return segments;
  throw new BrainyError(
    "BRAINY_LIMIT",
    `merging ${inputs.length} segments takes ${memory} bytes, ${limits.memoryBytesMax} are allowed`,
  );
}

/** Class by class: of each input the rows that are copied, then all that are written anew. */
function layOut(inputs: readonly MergeInput[]): MergeLayout {
  const moved = inputs.map(({ segment }) => new Uint32Array(segment.rows).fill(ROW_DROPPED));
  const rewritten: SegmentRow[][] = [];
  const ends: number[] = [];
  let next = 0;
  for (const rowClass of ROW_CLASSES) {
    for (const [i, input] of inputs.entries()) {
      for (const row of input.copied[rowClass]) moved[i]![row] = next++;
    }
    const rows: SegmentRow[] = [];
    for (const [i, input] of inputs.entries()) {
      for (const { row, to } of input.rewritten) {
        if (rowClassOf(to) !== rowClass) continue;
        moved[i]![row] = next++;
        rows.push(to);
      }
    }
    rewritten.push(rows);
    ends.push(next);
  }
  const [vectorRows = 0, liveRows = 0, rowCount = 0] = ends;
  return { rowCount, vectorRows, liveRows, rewritten, moved };
}

function rowClassOf({ live, vector }: SegmentRow): 0 | 1 | 2 {
  if (!live) return 2;
  return vector === undefined ? 1 : 0;
}

function dimensionOf(inputs: readonly MergeInput[], { rewritten }: MergeLayout): number {
  let dimension = 0;
  for (const { reader, copied } of inputs) {
    if (copied[0].length === 0) continue;
    dimension ||= reader.meta.dimension;
    if (reader.meta.dimension !== dimension) {
      throw corrupt(reader.where, `has ${reader.meta.dimension} dimensions, not ${dimension}`);
    }
  }
  return dimension || (rewritten[0]![0]?.vector?.length ?? 0);
}
