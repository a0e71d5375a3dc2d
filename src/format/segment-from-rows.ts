import { writeSegment } from "./segment-writer.ts";
import type { ResidualRow, SegmentWriter } from "./segment-writer.ts";
import type { SegmentId } from "./manifest.ts";
import { ROW_DEAD, ROW_LIVE } from "./segment.ts";
import type { SegmentRow } from "./segment.ts";
import type { Version } from "./version.ts";

/** Rows and characters of one batch on its way into a column. */
const BATCH_ROWS = 4096;
const BATCH_CHARACTERS = 1 << 20;
/** Vectors of one batch: 3 MiB at dimension 768. */
const BATCH_VECTORS = 1024;

/** A segment of rows that are in memory: the tail, or a test's. */
export function segmentFromRows(
  rows: readonly SegmentRow[],
  options: {
    readonly id: SegmentId;
    readonly databaseId: string;
    /** 0 when no row has a vector. */
    readonly dimension: number;
    /** As in `SegmentWriterOptions`. */
    readonly breathe?: (() => Promise<void>) | undefined;
  },
): SegmentWriter {
  const ordered = orderRows(rows);
  const vectorRows = ordered.findIndex((row) => !row.live || row.vector === undefined);
  const texts = (textOf: (row: SegmentRow) => string) => () => textBatches(ordered, textOf);
  const residual = residualRows(ordered);
  return writeSegment({
    ...options,
    rowCount: ordered.length,
    vectorRows: vectorRows === -1 ? ordered.length : vectorRows,
    columns: {
      vectors: () => vectorBatches(ordered),
      versions: () => versionBatches(ordered),
      kinds: () => [Uint8Array.from(ordered, (row) => (row.live ? ROW_LIVE : ROW_DEAD))],
      ids: texts((row) => row.id),
      metadata: texts((row) => row.metadata),
      content: texts((row) => row.content),
      attributes: texts((row) => row.attributes),
      ...(residual.length > 0 ? { residual: () => [residual] } : {}),
    },
  });
}

/** Live rows with a vector, live rows without, dead rows; as given within each. */
export function orderRows(rows: readonly SegmentRow[]): SegmentRow[] {
  return [
    ...rows.filter((row) => row.live && row.vector !== undefined),
    ...rows.filter((row) => row.live && row.vector === undefined),
    ...rows.filter((row) => !row.live),
  ];
}

function residualRows(rows: readonly SegmentRow[]): ResidualRow[] {
  const residual: ResidualRow[] = [];
  for (const [row, { residual: operations }] of rows.entries()) {
    if (operations !== undefined && operations.length > 0) residual.push({ row, operations });
  }
  return residual;
}

function* vectorBatches(rows: readonly SegmentRow[]): Generator<Float32Array[]> {
  let batch: Float32Array[] = [];
  for (const { live, vector } of rows) {
    if (!live || vector === undefined) break;
    batch.push(vector);
    if (batch.length < BATCH_VECTORS) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

function* versionBatches(rows: readonly SegmentRow[]): Generator<Version[]> {
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    yield rows.slice(start, start + BATCH_ROWS).map((row) => row.version);
  }
}

function* textBatches(
  rows: readonly SegmentRow[],
  textOf: (row: SegmentRow) => string,
): Generator<string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const row of rows) {
    const text = textOf(row);
    batch.push(text);
    characters += text.length;
    if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  yield batch;
}
