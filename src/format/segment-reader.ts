import { assert } from "../base/assert.ts";
import { corrupt } from "../base/errors.ts";
import { BlobColumn, decodeRow, uint32View } from "./blob-column.ts";
import { BLOCK_BYTES } from "./container-layout.ts";
import { hashId } from "./hash-id.ts";
import { IdFilter } from "./id-filter.ts";
import { IdEntries, IdIndex, INDEX_ENTRY_BYTES, fenceRange } from "./id-index.ts";
import { parseJson, JsonFields } from "./json-fields.ts";
import { decodeOperations } from "./operation-columns.ts";
import type { Operation } from "./operation.ts";
import { checkSectionLengths, readSegmentMeta } from "./segment-meta.ts";
import type { StoredSegmentMeta } from "./segment-meta.ts";
import { ROW_DEAD, ROW_LIVE, SECTION, SEGMENT_MAGIC } from "./segment.ts";
import type { SegmentMeta } from "./segment.ts";
import { SectionReader } from "./section-reader.ts";
import type { RangeSource } from "./section-reader.ts";
import { verifySegment } from "./segment-verify.ts";
import { VERSION_ROW_BYTES, VersionColumn } from "./version-column.ts";

export { memorySource } from "./section-reader.ts";
export type { RangeSource } from "./section-reader.ts";

/** Text columns that a row has beside its id. */
export type TextColumnName = "id" | "metadata" | "content" | "attributes";

const TEXT_SECTIONS = {
  id: [SECTION.idBytes, SECTION.idOffsets],
  metadata: [SECTION.metadataBytes, SECTION.metadataOffsets],
  content: [SECTION.contentBytes, SECTION.contentOffsets],
  attributes: [SECTION.attributesBytes, SECTION.attributesOffsets],
} as const satisfies Record<TextColumnName, readonly [number, number]>;

const KNOWN_SECTIONS: ReadonlySet<number> = new Set(Object.values(SECTION));
/** Vectors arrive in pieces of this size, one of them ahead. */
const PIECE_BYTES = 256 * BLOCK_BYTES;

/**
 * One segment, read in pieces. Every byte it hands out was checked. Columns are read anew by each
 * call: whoever needs one often keeps it. Only what `findCold` needs stays here.
 */
export class SegmentReader {
  readonly where: string;
  readonly meta: SegmentMeta;
  readonly sections: SectionReader;
  readonly #stored: StoredSegmentMeta;
  #filter: Promise<IdFilter> | undefined;
  #fence: Promise<Uint32Array> | undefined;

  /** Use `open`. */
  constructor(sections: SectionReader, stored: StoredSegmentMeta) {
    this.where = sections.where;
    this.meta = stored.meta;
    this.sections = sections;
    this.#stored = stored;
  }

  /** One read, or two where the footer is long. Whose database it is, is for the caller to check. */
  static async open(source: RangeSource, where: string): Promise<SegmentReader> {
    const expected = { magic: SEGMENT_MAGIC, where, kinds: KNOWN_SECTIONS };
    const sections = await SectionReader.open(source, expected);
    const text = decodeRow(await sections.readAll(SECTION.meta), where);
    const stored = readSegmentMeta(new JsonFields(parseJson(text, where), where));
    checkSectionLengths(sections, stored.meta);
    sections.dropTail();
    return new SegmentReader(sections, stored);
  }

  /** `ROW_LIVE` or `ROW_DEAD` for each row. */
  async kinds(): Promise<Uint8Array> {
    const kinds = await this.sections.readAll(SECTION.kinds);
    for (const [row, kind] of kinds.entries()) {
      if (kind !== (row < this.meta.liveRows ? ROW_LIVE : ROW_DEAD)) {
        throw corrupt(this.where, `row ${row} is of kind ${kind}`);
      }
    }
    return kinds;
  }

  async versions(): Promise<VersionColumn> {
    const bytes = await this.sections.readAll(SECTION.versions);
    return new VersionColumn(bytes, this.#stored.lanes, this.where);
  }

  /** Versions of rows `[start, end)`; row 0 of the result is `start`. */
  async versionRows(start: number, end: number): Promise<VersionColumn> {
    const [from, to] = [start * VERSION_ROW_BYTES, end * VERSION_ROW_BYTES];
    const bytes = await this.sections.read(SECTION.versions, from, to);
    return new VersionColumn(bytes, this.#stored.lanes, this.where);
  }

  ids(): Promise<BlobColumn> {
    return this.#textColumn("id");
  }

  metadata(): Promise<BlobColumn> {
    return this.#textColumn("metadata");
  }

  content(): Promise<BlobColumn> {
    return this.#textColumn("content");
  }

  attributes(): Promise<BlobColumn> {
    return this.#textColumn("attributes");
  }

  /** Rows `[start, end)` of a text column; row 0 of the result is `start`. For merges. */
  async textRows(name: TextColumnName, start: number, end: number): Promise<BlobColumn> {
    const [bytesKind, offsetsKind] = TEXT_SECTIONS[name];
    const offsets = uint32View(await this.sections.read(offsetsKind, 4 * start, 4 * (end + 1)));
    const first = offsets[0]!;
    const last = offsets.at(-1)!;
    this.#checkRange(bytesKind, first, last);
    const bytes = await this.sections.read(bytesKind, first, last);
    return new BlobColumn(
      offsets.map((offset) => offset - first),
      bytes,
      this.where,
    );
  }

  /** Content of a few rows, in the order given: two rounds of ranged reads, near ones together. */
  contentOf(rows: readonly number[]): Promise<string[]> {
    return this.textsOf("content", rows);
  }

  /** Where in the object `contentOf` reads. */
  get contentRanges(): readonly (readonly [start: number, end: number])[] {
    return TEXT_SECTIONS.content.map((kind) => this.sections.range(kind));
  }

  /** Any text column of a few rows, in the order given. */
  async textsOf(name: TextColumnName, rows: readonly number[]): Promise<string[]> {
    const [bytesKind, offsetsKind] = TEXT_SECTIONS[name];
    // Vectors without data or text: there is nothing to read, wherever a row is.
    if (this.sections.length(bytesKind) === 0) return rows.map(() => "");
    const pairs = await this.sections.readMany(
      offsetsKind,
      rows.map((row) => ({ start: 4 * row, end: 4 * row + 8 })),
    );
    const ranges = pairs.map((pair) => {
      const [start, end] = uint32View(pair) as unknown as readonly [number, number];
      this.#checkRange(bytesKind, start, end);
      return { start, end };
    });
    const texts = await this.sections.readMany(bytesKind, ranges);
    return texts.map((bytes) => decodeRow(bytes, this.where));
  }

  /** The whole index and the filter, for a segment that is asked often: 13 bytes a row. */
  async idIndex(): Promise<IdIndex> {
    const [bytes, filter] = await Promise.all([
      this.sections.readAll(SECTION.idIndex),
      this.idFilter(),
    ]);
    return new IdIndex(new IdEntries(bytes, this.meta.rows, this.where), filter);
  }

  /** Kept once read: ten bits a row. */
  idFilter(): Promise<IdFilter> {
    this.#filter ??= this.#keep(
      this.sections.readAll(SECTION.idFilter).then((bytes) => new IdFilter(bytes, this.where)),
      () => (this.#filter = undefined),
    );
    return this.#filter;
  }

  /**
   * The row of `id`, or -1, without the index in memory. Once filter and fence are here, an id
   * that is absent costs nothing 99 times of 100; else one read of the index and two for the id.
   */
  async findCold(id: string, hash = hashId(id)): Promise<number> {
    const filter = await this.idFilter();
    if (!filter.mayContain(hash)) return -1;
    this.#fence ??= this.#keep(
      this.sections.readAll(SECTION.idFence).then(uint32View),
      () => (this.#fence = undefined),
    );
    const [start, end] = fenceRange(await this.#fence, hash, this.meta.rows);
    const bytes = await this.sections.read(
      SECTION.idIndex,
      start * INDEX_ENTRY_BYTES,
      end * INDEX_ENTRY_BYTES,
    );
    const rows = new IdEntries(bytes, this.meta.rows, this.where).rows(hash);
    const ids = await this.textsOf("id", rows);
    return rows[ids.indexOf(id)] ?? -1;
  }

  /** Rows `[start, end)` of the vectors, `stride` floats each. */
  vectorRows(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const rowBytes = 4 * this.meta.stride;
    return this.sections.read(SECTION.vectors, start * rowBytes, end * rowBytes);
  }

  /**
   * All vectors, piece by piece, into `target`, which has `stride * 4` bytes for each row. While a
   * piece is checked the next is on its way. `onSlice` is awaited after each, with how many rows
   * from the first on are there and checked.
   */
  async loadVectors(
    target: Uint8Array<ArrayBuffer>,
    onSlice?: (rows: number) => Promise<void>,
  ): Promise<void> {
    const rowBytes = 4 * this.meta.stride;
    assert(target.byteLength === this.sections.length(SECTION.vectors), "one row for each vector");
    let next = this.#piece(target, 0);
    for (let at = 0; next !== undefined; at += PIECE_BYTES) {
      await next;
      next = this.#piece(target, at + PIECE_BYTES);
      const end = Math.min(target.byteLength, at + PIECE_BYTES);
      if (onSlice !== undefined) await onSlice(Math.floor(end / rowBytes));
    }
  }

  /** Operations that are not folded yet, by row. Empty for most segments. */
  async residual(): Promise<Map<number, readonly Operation[]>> {
    const residual = new Map<number, Operation[]>();
    if (!this.sections.has(SECTION.residualRows)) return residual;
    const [rowBytes, block] = await Promise.all([
      this.sections.readAll(SECTION.residualRows),
      this.sections.readAll(SECTION.residualOperations),
    ]);
    const rows = uint32View(rowBytes);
    const operations = decodeOperations(block, this.where);
    if (rows.length !== operations.length) {
      throw corrupt(this.where, "residual operations and their rows differ in number");
    }
    for (const [i, operation] of operations.entries()) {
      const row = rows[i]!;
      if (row >= this.meta.rows || (i > 0 && row < rows[i - 1]!)) {
        throw corrupt(this.where, `residual operation ${i} is of row ${row}`);
      }
      const own = residual.get(row);
      if (own === undefined) residual.set(row, [operation]);
      else own.push(operation);
    }
    return residual;
  }

  /** Reads everything and yields one line for each thing that is wrong: none for a sound segment. */
  verify(): AsyncIterable<string> {
    return verifySegment(this);
  }

  async #textColumn(name: TextColumnName): Promise<BlobColumn> {
    const [bytesKind, offsetsKind] = TEXT_SECTIONS[name];
    const [offsets, bytes] = await Promise.all([
      this.sections.readAll(offsetsKind),
      this.sections.readAll(bytesKind),
    ]);
    return new BlobColumn(uint32View(offsets), bytes, this.where);
  }

  /** The piece that starts at `start`, on its way; a failure is seen by whoever awaits it. */
  #piece(target: Uint8Array<ArrayBuffer>, start: number): Promise<void> | undefined {
    if (start >= target.byteLength) return undefined;
    const piece = target.subarray(start, start + PIECE_BYTES);
    const read = this.sections.readInto(SECTION.vectors, start, piece);
    read.catch(() => undefined);
    return read;
  }

  /** A failed read is not remembered. */
  #keep<Value>(promise: Promise<Value>, forget: () => void): Promise<Value> {
    promise.catch(forget);
    return promise;
  }

  #checkRange(kind: number, start: number, end: number): void {
    if (start <= end && end <= this.sections.length(kind)) return;
    throw corrupt(this.where, `section ${kind} has no bytes ${start} to ${end}`);
  }
}
