import type { BlobBatch, TextBatch } from "../format/blob-column.ts";
import type { SegmentReader, TextColumnName } from "../format/segment-reader.ts";
import type { ResidualRow, SegmentColumns, VectorBatch } from "../format/segment-writer.ts";
import { ROW_DEAD, ROW_LIVE, SECTION, type SegmentRow } from "../format/segment.ts";
import type { PackedVersions } from "../format/version-column.ts";
import type { Version } from "../format/version.ts";
import { ROW_CLASSES, type MergeInput, type MergeLayout } from "./compaction-job-select.ts";
import type { Pacer } from "./pacer.ts";

/** Bytes of one column that are in memory at once. */
const BLOCK_BYTES = 4 << 20;

/** Rows of one block however short they are. */
const BLOCK_ROWS_MAX = 8192;

const BYTES_SECTIONS = {
  id: SECTION.idBytes,
  metadata: SECTION.metadataBytes,
  content: SECTION.contentBytes,
  attributes: SECTION.attributesBytes,
} as const satisfies Record<TextColumnName, number>;

/** Rows `[start, end)` of an input, of which `rows` stay. */
interface Block {
  readonly reader: SegmentReader;
  readonly start: number;
  readonly end: number;
  readonly rows: Uint32Array;
}

/** The columns of a merged segment, each read once from the inputs, block by block. */
export class MergeColumns implements SegmentColumns {
  readonly #pacer: Pacer;
  readonly #inputs: readonly MergeInput[];
  readonly #layout: MergeLayout;

  constructor(pacer: Pacer, inputs: readonly MergeInput[], layout: MergeLayout) {
    this.#pacer = pacer;
    this.#inputs = inputs;
    this.#layout = layout;
  }

  async *vectors(): AsyncGenerator<VectorBatch> {
    const rowBytes = (reader: SegmentReader): number => 4 * reader.meta.stride;
    for await (const { reader, start, end, rows } of this.#blocks(0, rowBytes)) {
      const bytes = await reader.vectorRows(start, end);
      yield closeGaps(bytes, start, rows, rowBytes(reader));
    }
    const rewritten = this.#layout.rewritten[0]!;
    if (rewritten.length > 0) yield rewritten.map(({ vector }) => vector!);
  }

  async *versions(): AsyncGenerator<readonly Version[] | PackedVersions> {
    for (const rowClass of ROW_CLASSES) {
      for await (const { reader, start, end, rows } of this.#blocks(rowClass, () => 16)) {
        const column = await reader.versionRows(start, end);
        yield column.gather(rows.map((row) => row - start));
      }
      yield this.#layout.rewritten[rowClass]!.map(({ version }) => version);
    }
  }

  *kinds(): Generator<Uint8Array> {
    const { liveRows, rowCount } = this.#layout;
    yield new Uint8Array(liveRows).fill(ROW_LIVE);
    yield new Uint8Array(rowCount - liveRows).fill(ROW_DEAD);
  }

  ids(): AsyncGenerator<TextBatch> {
    return this.#texts("id", (row) => row.id);
  }

  metadata(): AsyncGenerator<TextBatch> {
    return this.#texts("metadata", (row) => row.metadata);
  }

  content(): AsyncGenerator<TextBatch> {
    return this.#texts("content", (row) => row.content);
  }

  attributes(): AsyncGenerator<TextBatch> {
    return this.#texts("attributes", (row) => row.attributes);
  }

  /** Rewritten rows come last in their class, so their numbers follow from the counts. */
  *residual(): Generator<readonly ResidualRow[]> {
    const { vectorRows, liveRows, rowCount, rewritten } = this.#layout;
    for (const [rowClass, end] of [vectorRows, liveRows, rowCount].entries()) {
      const rows = rewritten[rowClass]!;
      yield rows.flatMap(({ residual }, i) =>
        residual === undefined ? [] : [{ row: end - rows.length + i, operations: residual }],
      );
    }
  }

  async *#texts(
    name: TextColumnName,
    textOf: (row: SegmentRow) => string,
  ): AsyncGenerator<TextBatch> {
    const rowBytes = (reader: SegmentReader): number =>
      reader.sections.length(BYTES_SECTIONS[name]) / reader.meta.rows + 4;
    for (const rowClass of ROW_CLASSES) {
      for await (const { reader, start, end, rows } of this.#blocks(rowClass, rowBytes)) {
        const column = await reader.textRows(name, start, end);
        const isWhole = rows.length === end - start;
        const batch: BlobBatch = isWhole
          ? column.slice(0, rows.length)
          : column.gather(rows.map((row) => row - start));
        yield batch;
      }
      const rewritten = this.#layout.rewritten[rowClass]!;
      if (rewritten.length > 0) yield rewritten.map(textOf);
    }
  }

  /** Stretches of each input that hold its copied rows of one class and fit into memory. */
  async *#blocks(
    rowClass: 0 | 1 | 2,
    rowBytes: (reader: SegmentReader) => number,
  ): AsyncGenerator<Block> {
    for (const { reader, copied } of this.#inputs) {
      const rows = copied[rowClass];
      const span = Math.ceil(BLOCK_BYTES / Math.max(1, rowBytes(reader)));
      const spanRows = Math.max(1, Math.min(BLOCK_ROWS_MAX, span));
      for (let i = 0; i < rows.length;) {
        if (this.#pacer.isDue()) await this.#pacer.breathe();
        const start = rows[i]!;
        let stop = i + 1;
        while (stop < rows.length && rows[stop]! < start + spanRows) stop++;
        yield { reader, start, end: rows[stop - 1]! + 1, rows: rows.subarray(i, stop) };
        i = stop;
      }
    }
  }
}

/** The given rows of a block that starts with row `start`, moved together in place. */
function closeGaps(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  rows: Uint32Array,
  rowBytes: number,
): Uint8Array {
  let to = 0;
  for (const row of rows) {
    const from = (row - start) * rowBytes;
    if (from !== to) bytes.copyWithin(to, from, from + rowBytes);
    to += rowBytes;
  }
  return bytes.subarray(0, to);
}
