import { assert } from "../base/assert.ts";
import type { TextBatch } from "./blob-column.ts";
import type { OperationColumns } from "./operation-columns.ts";
import { writeSegment, type VectorBatch } from "./segment-writer.ts";
import type { ResidualRow, SegmentColumns, SegmentWriter } from "./segment-writer.ts";
import type { SegmentId } from "./manifest.ts";
import { ROW_DEAD, ROW_LIVE, strideOf } from "./segment.ts";
import type { SegmentRow } from "./segment.ts";
import type { PackedVersions } from "./version-column.ts";
import type { Version } from "./version.ts";

/** Rows and characters of one batch on its way into a column. */
const BATCH_ROWS = 4096;
const BATCH_CHARACTERS = 1 << 20;
/** Vectors of one batch: 3 MiB at dimension 768. */
const BATCH_VECTORS = 1024;

/** Plain puts of one slot, ascending: each of them is all there is of its record. */
export interface PlainRows {
  readonly columns: OperationColumns;
  readonly rows: Uint32Array;
}

/** What a segment of rows in memory is made of. */
export interface RowsOptions {
  readonly id: SegmentId;
  readonly databaseId: string;
  /** 0 when no row has a vector. */
  readonly dimension: number;
  /** Rows that are copied out of slots as they are; before the others of their class. */
  readonly plain?: readonly PlainRows[] | undefined;
  /** As in `SegmentWriterOptions`. */
  readonly breathe?: (() => Promise<void>) | undefined;
}

/** Rows of one class: live with a vector, live without one, dead. */
interface RowClass {
  readonly plain: readonly PlainRows[];
  readonly rows: readonly SegmentRow[];
  readonly count: number;
}

/** A segment of rows that are in memory: the tail, or a test's. */
export function segmentFromRows(
  rows: readonly SegmentRow[],
  { plain = [], ...options }: RowsOptions,
): SegmentWriter {
  const classes = [
    classOf(
      plain.map((one) => rowsWhere(one, true)),
      rows.filter((row) => row.live && row.vector !== undefined),
    ),
    classOf(
      plain.map((one) => rowsWhere(one, false)),
      rows.filter((row) => row.live && row.vector === undefined),
    ),
    classOf(
      [],
      rows.filter((row) => !row.live),
    ),
  ] as const;
  const vectorRows = classes[0].count;
  const rowCount = vectorRows + classes[1].count + classes[2].count;
  const columns = columnsOf(classes, options.dimension);
  return writeSegment({ ...options, rowCount, vectorRows, columns });
}

function rowsWhere({ columns, rows }: PlainRows, hasVector: boolean): PlainRows {
  return { columns, rows: rows.filter((row) => columns.hasVector(row) === hasVector) };
}

function classOf(plain: readonly PlainRows[], rows: readonly SegmentRow[]): RowClass {
  const kept = plain.filter((one) => one.rows.length > 0);
  return {
    plain: kept,
    rows,
    count: kept.reduce((sum, one) => sum + one.rows.length, rows.length),
  };
}

function columnsOf(classes: readonly [RowClass, RowClass, RowClass], dimension: number) {
  const texts = (name: "id" | "metadata" | "content" | "attributes") => () =>
    textBatches(classes, name);
  const residual = residualRows(classes);
  const [withVector, without, dead] = classes;
  const columns: SegmentColumns = {
    vectors: () => vectorBatches(withVector, dimension),
    versions: () => versionBatches(classes),
    kinds: () => [
      new Uint8Array(withVector.count + without.count).fill(ROW_LIVE),
      new Uint8Array(dead.count).fill(ROW_DEAD),
    ],
    ids: texts("id"),
    metadata: texts("metadata"),
    content: texts("content"),
    attributes: texts("attributes"),
    ...(residual.length > 0 ? { residual: () => [residual] } : {}),
  };
  return columns;
}

function residualRows(classes: readonly RowClass[]): ResidualRow[] {
  const residual: ResidualRow[] = [];
  let end = 0;
  for (const { rows, count } of classes) {
    end += count;
    for (const [i, { residual: operations }] of rows.entries()) {
      if (operations === undefined || operations.length === 0) continue;
      residual.push({ row: end - rows.length + i, operations });
    }
  }
  return residual;
}

function* vectorBatches({ plain, rows }: RowClass, dimension: number): Generator<VectorBatch> {
  for (const { columns, rows: numbers } of plain) yield* plainVectors(columns, numbers, dimension);
  for (let start = 0; start < rows.length; start += BATCH_VECTORS) {
    yield rows.slice(start, start + BATCH_VECTORS).map(({ vector }) => vector!);
  }
}

/** Without copying where rows follow each other and need no padding. */
function* plainVectors(
  columns: OperationColumns,
  rows: Uint32Array,
  dimension: number,
): Generator<VectorBatch> {
  assert(columns.dimension === dimension, "a slot's vectors have another dimension");
  const isPadded = strideOf(dimension) !== dimension;
  for (let i = 0; i < rows.length;) {
    let stop = i + 1;
    const limit = Math.min(rows.length, i + BATCH_VECTORS);
    while (stop < limit && rows[stop] === rows[i]! + stop - i) stop++;
    const vectors = columns.vectorsOf(rows[i]!, rows[stop - 1]! + 1);
    if (isPadded) yield Array.from({ length: stop - i }, (_, at) => columns.vector(rows[i + at]!)!);
    else yield new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
    i = stop;
  }
}

function* versionBatches(
  classes: readonly RowClass[],
): Generator<readonly Version[] | PackedVersions> {
  for (const { plain, rows } of classes) {
    for (const { columns, rows: numbers } of plain) yield columns.packedVersions(numbers);
    for (let start = 0; start < rows.length; start += BATCH_ROWS) {
      yield rows.slice(start, start + BATCH_ROWS).map((row) => row.version);
    }
  }
}

function* textBatches(
  classes: readonly RowClass[],
  name: "id" | "metadata" | "content" | "attributes",
): Generator<TextBatch> {
  for (const { plain, rows } of classes) {
    for (const { columns, rows: numbers } of plain) yield columns.texts(name, numbers);
    let batch: string[] = [];
    let characters = 0;
    for (const row of rows) {
      batch.push(row[name]);
      characters += row[name].length;
      if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue;
      yield batch;
      batch = [];
      characters = 0;
    }
    yield batch;
  }
}
