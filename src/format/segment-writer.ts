import { assert } from "../base/assert.ts";
import { encodeText } from "../base/bytes.ts";
import { BrainyError } from "../base/errors.ts";
import { BLOB_BYTES_MAX, toBlobBatch } from "./blob-column.ts";
import type { TextBatch } from "./blob-column.ts";
import { ContainerWriter } from "./container-writer.ts";
import type { StreamedSection } from "./container-writer.ts";
import { hashIdBytes } from "./hash-id.ts";
import { buildIdFilter } from "./id-filter.ts";
import { idIndexSteps } from "./id-index.ts";
import type { SegmentId } from "./manifest.ts";
import type { Operation } from "./operation.ts";
import { planOperations } from "./operations-block.ts";
import { ROW_DEAD, ROW_LIVE, SECTION, SEGMENT_MAGIC, strideOf } from "./segment.ts";
import type { SegmentMeta } from "./segment.ts";
import { VERSION_ROW_BYTES, VersionPacker, type PackedVersions } from "./version-column.ts";
import { VERSION_ZERO } from "./version.ts";
import type { Version } from "./version.ts";

/** Batches of one column, walked once from the first row to the last. */
export type Batches<Batch> = AsyncIterable<Batch> | Iterable<Batch>;

/** Vectors one by one, or whole rows of `stride` floats as bytes copied from other segments. */
export type VectorBatch = readonly Float32Array[] | Uint8Array;

/** The operations of one row that may not be folded yet, base first. */
export interface ResidualRow {
  readonly row: number;
  readonly operations: readonly Operation[];
}

/**
 * The columns of a new segment. Each is asked for once, in this order, when the one before has
 * ended; so a merge can copy column by column and hold no records. Rows have the same order in
 * all of them: live ones with a vector, live ones without, dead ones.
 */
export interface SegmentColumns {
  /** Of rows `[0, vectorRows)`. */
  vectors(): Batches<VectorBatch>;
  versions(): Batches<readonly Version[] | PackedVersions>;
  /** `ROW_LIVE` or `ROW_DEAD`. */
  kinds(): Batches<Uint8Array>;
  /** No two rows have the same id. */
  ids(): Batches<TextBatch>;
  metadata(): Batches<TextBatch>;
  content(): Batches<TextBatch>;
  attributes(): Batches<TextBatch>;
  /** Rows ascend. Held in memory until the segment is written. */
  residual?(): Batches<readonly ResidualRow[]>;
}

/** What a segment is made of; the counts are known before the columns are walked. */
export interface SegmentWriterOptions {
  readonly id: SegmentId;
  readonly databaseId: string;
  /** 0 when no row has a vector. */
  readonly dimension: number;
  readonly rowCount: number;
  readonly vectorRows: number;
  readonly columns: SegmentColumns;
  /** Awaited every few milliseconds of work, to let other work run. Absent: never. */
  readonly breathe?: (() => Promise<void>) | undefined;
}

/** The segment as chunks for `ObjectStore.putStream`; iterate it once. */
export function writeSegment(options: SegmentWriterOptions): SegmentWriter {
  return new SegmentWriter(options);
}

/**
 * Streams one segment. Memory: the batch at hand, 12 bytes a row for the id index while it is
 * built, 4 a row for the offsets of one column, and the residual operations.
 */
export class SegmentWriter implements AsyncIterable<Uint8Array> {
  readonly #options: SegmentWriterOptions;
  readonly #container = new ContainerWriter({ magic: SEGMENT_MAGIC });
  readonly #versions = new VersionPacker();
  readonly #hashHi: Uint32Array;
  readonly #hashLo: Uint32Array;
  #fence = new Uint8Array(0);
  #liveRows = 0;
  #meta: SegmentMeta | undefined;
  #isDone = false;

  constructor(options: SegmentWriterOptions) {
    const { rowCount, vectorRows, dimension } = options;
    assert(vectorRows <= rowCount, "more vectors than rows");
    assert(vectorRows === 0 || dimension > 0, "vectors without a dimension");
    this.#options = options;
    this.#hashHi = new Uint32Array(rowCount);
    this.#hashLo = new Uint32Array(rowCount);
  }

  /** Known once iteration has ended. */
  get meta(): SegmentMeta {
    assert(this.#meta !== undefined && this.#isDone, "the segment is not written yet");
    return this.#meta;
  }

  /** Bytes of the object, once iteration has ended. */
  get bytes(): number {
    assert(this.#isDone, "the segment is not written yet");
    return this.#container.bytesWritten;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#container.stream(this.#sections())) {
      yield chunk;
      await this.#options.breathe?.();
    }
    this.#isDone = true;
  }

  *#sections(): Generator<StreamedSection, void, undefined> {
    const { columns, rowCount } = this.#options;
    yield section(SECTION.vectors, () => this.#vectors());
    yield section(SECTION.versions, () => this.#versionRows());
    yield section(SECTION.kinds, () => this.#kinds());
    yield* this.#blobColumn(SECTION.idBytes, SECTION.idOffsets, columns.ids(), true);
    yield* this.#blobColumn(SECTION.metadataBytes, SECTION.metadataOffsets, columns.metadata());
    yield* this.#blobColumn(SECTION.contentBytes, SECTION.contentOffsets, columns.content());
    yield* this.#blobColumn(
      SECTION.attributesBytes,
      SECTION.attributesOffsets,
      columns.attributes(),
    );
    if (columns.residual !== undefined) yield* this.#residual(columns.residual());
    yield section(SECTION.idIndex, () => this.#idIndex());
    yield section(SECTION.idFilter, () => [buildIdFilter(this.#hashHi, this.#hashLo)]);
    yield section(SECTION.idFence, () => [this.#fence]);
    const clusters = Uint32Array.of(0, this.#options.vectorRows);
    yield section(SECTION.clusters, () => [new Uint8Array(clusters.buffer)]);
    assert(this.#liveRows >= this.#options.vectorRows, "a row with a vector is dead");
    assert(rowCount >= this.#liveRows, "more live rows than rows");
    yield section(SECTION.meta, () => [this.#encodeMeta()]);
  }

  async *#vectors(): AsyncGenerator<Uint8Array> {
    const { dimension, vectorRows } = this.#options;
    const stride = strideOf(dimension);
    let rows = 0;
    for await (const batch of this.#options.columns.vectors()) {
      const bytes = batch instanceof Uint8Array ? batch : packVectors(batch, dimension, stride);
      if (bytes.byteLength === 0) continue;
      rows += bytes.byteLength / (4 * stride);
      yield bytes;
    }
    assert(rows === vectorRows, () => `${rows} vectors came, ${vectorRows} were announced`);
  }

  async *#versionRows(): AsyncGenerator<Uint8Array> {
    let rows = 0;
    for await (const batch of this.#options.columns.versions()) {
      const bytes = this.#versions.pack(batch);
      rows += bytes.byteLength / VERSION_ROW_BYTES;
      yield bytes;
    }
    this.#checkCount("versions", rows);
  }

  async *#kinds(): AsyncGenerator<Uint8Array> {
    let rows = 0;
    for await (const batch of this.#options.columns.kinds()) {
      for (const kind of batch) {
        assert(kind === ROW_LIVE || kind === ROW_DEAD, "a row is neither live nor dead");
        assert(kind === ROW_DEAD || this.#liveRows === rows, "a live row comes after a dead one");
        rows++;
        this.#liveRows += kind;
      }
      yield batch;
    }
    this.#checkCount("kinds", rows);
  }

  /** Bytes first, so that they can stream while the offsets are gathered. */
  *#blobColumn(
    bytesKind: number,
    offsetsKind: number,
    batches: Batches<TextBatch>,
    isIds = false,
  ): Generator<StreamedSection, void, undefined> {
    const offsets = new Uint32Array(this.#options.rowCount + 1);
    const column = new BlobColumnWriter(offsets, isIds ? this.#hashRow : undefined);
    yield section(bytesKind, () => column.write(batches));
    this.#checkCount("texts", column.rows);
    yield section(offsetsKind, () => [new Uint8Array(offsets.buffer)]);
  }

  readonly #hashRow = (row: number, bytes: Uint8Array): void => {
    assert(bytes.byteLength > 0, "an id is empty");
    const { hi, lo } = hashIdBytes(bytes);
    this.#hashHi[row] = hi;
    this.#hashLo[row] = lo;
  };

  async *#idIndex(): AsyncGenerator<Uint8Array> {
    const steps = idIndexSteps(this.#hashHi, this.#hashLo);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) await this.#options.breathe?.();
    this.#fence = step.value.fence;
    yield step.value.index;
  }

  *#residual(
    batches: Batches<readonly ResidualRow[]>,
  ): Generator<StreamedSection, void, undefined> {
    const operations: Operation[] = [];
    yield {
      kind: SECTION.residualRows,
      required: true,
      chunks: () => this.#residualRows(batches, operations),
    };
    const plan = planOperations(operations);
    const block = new Uint8Array(plan.length);
    plan.write(block);
    yield section(SECTION.residualOperations, () => [block]);
  }

  /** The row of each operation; keeps the operations themselves for the section after it. */
  async *#residualRows(
    batches: Batches<readonly ResidualRow[]>,
    operations: Operation[],
  ): AsyncGenerator<Uint8Array> {
    let previous = -1;
    for await (const batch of batches) {
      const rows: number[] = [];
      for (const { row, operations: own } of batch) {
        assert(row > previous && row < this.#options.rowCount, "residual rows do not ascend");
        previous = row;
        for (const operation of own) {
          this.#versions.include(operation.version);
          operations.push(operation);
          rows.push(row);
        }
      }
      yield new Uint8Array(Uint32Array.from(rows).buffer);
    }
  }

  #encodeMeta(): Uint8Array {
    const { id, databaseId, rowCount, vectorRows } = this.#options;
    const dimension = vectorRows === 0 ? 0 : this.#options.dimension;
    this.#meta = {
      id,
      databaseId,
      rows: rowCount,
      vectorRows,
      dimension,
      stride: strideOf(dimension),
      minVersion: this.#versions.least ?? VERSION_ZERO,
      maxVersion: this.#versions.greatest ?? VERSION_ZERO,
      clusters: 1,
      liveRows: this.#liveRows,
    };
    return encodeText(JSON.stringify({ ...this.#meta, lanes: this.#versions.lanes }));
  }

  #checkCount(what: string, rows: number): void {
    const { rowCount } = this.#options;
    assert(rows === rowCount, () => `${rows} ${what} came, ${rowCount} were announced`);
  }
}

/** Passes the bytes of a column on and fills in where each row ends. */
class BlobColumnWriter {
  readonly #offsets: Uint32Array;
  readonly #onRow: ((row: number, bytes: Uint8Array) => void) | undefined;
  #rows = 0;

  constructor(offsets: Uint32Array, onRow: ((row: number, bytes: Uint8Array) => void) | undefined) {
    this.#offsets = offsets;
    this.#onRow = onRow;
  }

  get rows(): number {
    return this.#rows;
  }

  async *write(batches: Batches<TextBatch>): AsyncGenerator<Uint8Array> {
    let total = 0;
    for await (const batch of batches) {
      const { lengths, bytes } = toBlobBatch(batch);
      let at = 0;
      for (const length of lengths) {
        this.#onRow?.(this.#rows, bytes.subarray(at, at + length));
        at += length;
        this.#offsets[++this.#rows] = total + at;
      }
      assert(at === bytes.byteLength, "lengths do not add up to the bytes");
      total += at;
      if (total > BLOB_BYTES_MAX) {
        throw new BrainyError(
          "BRAINY_LIMIT",
          `one column of a segment would take ${total} bytes, ${BLOB_BYTES_MAX} is the most: ` +
            "write smaller segments",
        );
      }
      yield bytes;
    }
  }
}

function section(
  kind: number,
  chunks: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): StreamedSection {
  return { kind, required: true, chunks };
}

function packVectors(
  vectors: readonly Float32Array[],
  dimension: number,
  stride: number,
): Uint8Array {
  const rows = new Float32Array(vectors.length * stride);
  for (const [i, vector] of vectors.entries()) {
    assert(vector.length === dimension, "a vector of another dimension");
    rows.set(vector, i * stride);
  }
  return new Uint8Array(rows.buffer);
}
