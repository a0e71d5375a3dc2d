import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, corrupt } from "../base/errors.ts";
import type { BlobColumn } from "../format/blob-column.ts";
import type { IdHash } from "../format/hash-id.ts";
import type { SegmentEntry } from "../format/manifest.ts";
import { decodeAttributes } from "../format/operation-attributes.ts";
import type { Attributes, Operation } from "../format/operation.ts";
import type { IdIndex } from "../format/id-index.ts";
import { parseRecordText } from "../format/record-texts.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { VersionColumn } from "../format/version-column.ts";
import type { Version } from "../format/version.ts";
import { allFinite } from "../kernel/finite.ts";
import { VectorArena } from "../kernel/vector-arena.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { bitmapBytes, setBit } from "./bitmap.ts";
import type { CompiledFilter } from "./filter.ts";
import { LAST_WRITE_WINS, type RecordFold } from "./record-fold.ts";
import type { RecordState, VisibleRecord } from "./record-state.ts";
import { sortById } from "./sort-by-id.ts";
import { storeRange } from "./store-range.ts";

/** Filters whose answers a segment remembers. One answer is a bit a row. */
const FILTERS_REMEMBERED = 16;
/** Rows this near are read together: bytes are checked in blocks of this size anyway. */
const READ_GAP_BYTES = 64 * 1024;
/** The most that one read of vectors holds. */
const READ_BYTES_MAX = 4 * 2 ** 20;
/** Rows evaluated between two breaths: about 2 ms of parsing and matching. */
const ROWS_PER_BREATH = 2_000;
const NO_ATTRIBUTES: Attributes = {};

/**
 * A segment opened: its columns in memory, its vectors in kernel memory from the first search on,
 * `data` and `text` left in the store. Immutable: which rows count is the view's business.
 */
export class LoadedSegment {
  readonly entry: SegmentEntry;
  readonly #reader: SegmentReader;
  readonly #clock: Clock;
  #arena: Promise<VectorArena | undefined> | undefined;
  #loaded: VectorArena | undefined;
  /** Rows that are neither tombstones nor orphans. */
  readonly liveRows: Uint8Array;
  /** Rows with an expiry, and when. */
  readonly expiring: ReadonlyMap<number, number>;
  readonly #columns: Columns;
  readonly #filterAnswers = new Map<string, Uint8Array>();
  #idOrder: Promise<Uint32Array> | undefined;

  private constructor(options: {
    readonly entry: SegmentEntry;
    readonly reader: SegmentReader;
    readonly clock: Clock;
    readonly columns: Columns;
    readonly liveRows: Uint8Array;
    readonly expiring: ReadonlyMap<number, number>;
  }) {
    this.entry = options.entry;
    this.#reader = options.reader;
    this.#clock = options.clock;
    this.#columns = options.columns;
    this.liveRows = options.liveRows;
    this.expiring = options.expiring;
  }

  /** Rejects with `BRAINY_NOT_FOUND` when the object has been collected. */
  static async load(options: {
    readonly store: ObjectStore;
    readonly clock: Clock;
    readonly entry: SegmentEntry;
    readonly databaseId: string;
  }): Promise<LoadedSegment> {
    const { store, clock, entry, databaseId } = options;
    const reader = await SegmentReader.open(storeRange(store, entry), entry.key);
    const { meta } = reader;
    if (meta.databaseId !== databaseId) {
      throw new BrainyError("BRAINY_FENCED", `${entry.key} belongs to database ${meta.databaseId}`);
    }
    if (meta.rows !== entry.rows || meta.vectorRows !== entry.vectorRows) {
      const [own, told] = [meta, entry].map(({ rows, vectorRows }) => `${rows} (${vectorRows})`);
      throw corrupt(entry.key, `has ${own} rows (with vectors), the manifest says ${told}`);
    }
    const columns = await loadColumns(reader);
    const liveRows = new Uint8Array(bitmapBytes(meta.rows));
    columns.kinds.forEach((kind, row) => {
      if (kind === 1) setBit(liveRows, row);
    });
    const expiring = findExpiring(columns.attributes, entry.key);
    return new LoadedSegment({ entry, reader, clock, columns, liveRows, expiring });
  }

  /**
   * The vectors in kernel memory, read by the first search: an instance that only writes, counts
   * or gets never holds them. `undefined` when no row has one.
   */
  vectors(): Promise<VectorArena | undefined> {
    this.#arena ??= this.#loadVectors().catch((error: unknown) => {
      this.#arena = undefined;
      throw error;
    });
    return this.#arena;
  }

  async #loadVectors(): Promise<VectorArena | undefined> {
    const { dimension, vectorRows } = this.#reader.meta;
    if (vectorRows === 0) return undefined;
    const clock = this.#clock;
    const arena = new VectorArena({ dimension, rowsMax: vectorRows, rows: vectorRows });
    // An arena of one segment never grows, so that its memory stays where it is.
    const memory = arena.rowBytes(0, vectorRows) as Uint8Array<ArrayBuffer>;
    let finished = 0;
    await this.#reader.loadVectors(memory, async (rows) => {
      if (!arena.finishRows(finished, rows)) {
        throw corrupt(this.entry.key, "a vector is not finite");
      }
      finished = rows;
      await clock.breathe();
    });
    this.#loaded = arena;
    return arena;
  }

  get rows(): number {
    return this.entry.rows;
  }

  idOf(row: number): string {
    return this.#columns.ids.text(row);
  }

  versionOf(row: number): Version {
    return this.#columns.versions.version(row);
  }

  metadataOf(row: number): string {
    return this.#columns.metadata.text(row);
  }

  attributesOf(row: number): Attributes | undefined {
    const text = this.#columns.attributes.text(row);
    return text === "" ? undefined : decodeAttributes(text, this.entry.key);
  }

  /**
   * Copies, in the order asked for; `undefined` for rows without one. Ranged reads while `vectors`
   * are not here, one for rows that stand near each other.
   */
  async vectorsOf(rows: readonly number[]): Promise<readonly (Float32Array | undefined)[]> {
    if (this.#loaded !== undefined) return rows.map((row) => this.vectorNow(row));
    const { dimension, stride, vectorRows } = this.#reader.meta;
    const found: (Float32Array | undefined)[] = rows.map(() => undefined);
    const wanted = rows.flatMap((row, at) => (row < vectorRows ? [{ row, at }] : []));
    for (const run of runsOf(wanted, 4 * stride)) {
      const first = run[0]!.row;
      const bytes = await this.#reader.vectorRows(first, run.at(-1)!.row + 1);
      for (const { row, at } of run) {
        const start = bytes.byteOffset + 4 * stride * (row - first);
        const vector = new Float32Array(bytes.buffer.slice(start, start + 4 * dimension));
        if (!allFinite(vector)) throw corrupt(this.entry.key, `vector ${row} is not finite`);
        found[at] = vector;
      }
    }
    return found;
  }

  /** The same without waiting, for callers that have awaited `vectors`. */
  vectorNow(row: number): Float32Array | undefined {
    if (row >= this.#reader.meta.vectorRows) return undefined;
    assert(this.#loaded !== undefined, () => `the vectors of ${this.entry.key} are not loaded`);
    return this.#loaded.copy(row);
  }

  /** `false`: no row has an id of this hash. */
  mayContain(hash: IdHash): boolean {
    return this.#columns.idIndex.mayContain(hash);
  }

  /** Row of an id, masked or not; -1 when this segment has none. Its hash serves all segments. */
  find(id: string, hash: IdHash): number {
    return this.#columns.idIndex.find(id, (row) => this.#columns.ids.text(row), hash);
  }

  /** Rows that keep operations beside their columns. */
  get residualRows(): Iterable<number> {
    return this.#columns.residual.keys();
  }

  /** Newest version of a row's operations: what a tail operation has to beat. */
  newestVersion(row: number): Version {
    return this.#columns.residual.get(row)?.at(-1)?.version ?? this.versionOf(row);
  }

  /** The operations a row stands for. Content and vector of a plain row stay in the store. */
  stateOf(row: number, { stateOf, merge }: RecordFold = LAST_WRITE_WINS): RecordState {
    const residual = this.#columns.residual.get(row);
    if (residual !== undefined) return residual.map(stateOf).reduce(merge);
    const id = this.idOf(row);
    const version = this.versionOf(row);
    if (this.#columns.kinds[row] !== 1) return stateOf({ kind: "delete", id, version });
    return stateOf({
      kind: "put",
      id,
      version,
      vector: undefined,
      content: undefined,
      metadata: this.metadataOf(row),
      attributes: this.attributesOf(row),
    });
  }

  /** What a reader sees of a live row; content and vector stay in the store. */
  visible(row: number): VisibleRecord {
    return {
      kind: "put",
      id: this.idOf(row),
      version: this.versionOf(row),
      vector: undefined,
      content: undefined,
      metadata: this.metadataOf(row),
      attributes: this.attributesOf(row),
    };
  }

  /** Where in its object `contentOf` reads: two ranges. */
  get contentRanges(): readonly (readonly [start: number, end: number])[] {
    return this.#reader.contentRanges;
  }

  /** JSON text of `{ data?, text? }` for each row, by ranged reads. */
  contentOf(rows: readonly number[]): Promise<readonly string[]> {
    return this.#reader.contentOf(rows);
  }

  /** Live rows that match, by the filter's canonical text; remembered, since rows never change. */
  async matching(filter: CompiledFilter, clock: Clock): Promise<Uint8Array> {
    const known = this.#filterAnswers.get(filter.key);
    if (known !== undefined) {
      this.#filterAnswers.delete(filter.key);
      this.#filterAnswers.set(filter.key, known);
      return known;
    }
    const answer = new Uint8Array(this.liveRows.byteLength);
    for (let row = 0; row < this.rows; row++) {
      if (row % ROWS_PER_BREATH === ROWS_PER_BREATH - 1) await clock.breathe();
      if (this.#columns.kinds[row] === 1 && matches(filter, this.visible(row))) setBit(answer, row);
    }
    const [oldest] = this.#filterAnswers.keys();
    if (this.#filterAnswers.size >= FILTERS_REMEMBERED) this.#filterAnswers.delete(oldest!);
    this.#filterAnswers.set(filter.key, answer);
    return answer;
  }

  /** Row numbers in order of their ids; made on first use. */
  idOrder(): Promise<Uint32Array> {
    // By its own clock: the order serves others too when the first who asked gives up.
    this.#idOrder ??= sortById(this.rows, (row) => this.idOf(row), this.#clock);
    return this.#idOrder;
  }
}

interface WantedRow {
  readonly row: number;
  readonly at: number;
}

/** Rows by number, cut where what lies between costs more to read than another request. */
function runsOf(wanted: readonly WantedRow[], rowBytes: number): WantedRow[][] {
  const runs: WantedRow[][] = [];
  for (const one of wanted.toSorted((a, b) => a.row - b.row)) {
    const run = runs.at(-1);
    const isNear =
      run !== undefined &&
      (one.row - run.at(-1)!.row) * rowBytes <= READ_GAP_BYTES &&
      (one.row + 1 - run[0]!.row) * rowBytes <= READ_BYTES_MAX;
    if (isNear) run.push(one);
    else runs.push([one]);
  }
  return runs;
}

interface Columns {
  readonly kinds: Uint8Array;
  readonly versions: VersionColumn;
  readonly ids: BlobColumn;
  readonly idIndex: IdIndex;
  readonly metadata: BlobColumn;
  readonly attributes: BlobColumn;
  readonly residual: ReadonlyMap<number, readonly Operation[]>;
}

async function loadColumns(reader: SegmentReader): Promise<Columns> {
  return {
    kinds: await reader.kinds(),
    versions: await reader.versions(),
    ids: await reader.ids(),
    idIndex: await reader.idIndex(),
    metadata: await reader.metadata(),
    attributes: await reader.attributes(),
    residual: await reader.residual(),
  };
}

function findExpiring(attributes: BlobColumn, where: string): ReadonlyMap<number, number> {
  const expiring = new Map<number, number>();
  for (let row = 0; row < attributes.count; row++) {
    if (attributes.bytes(row).byteLength === 0) continue;
    const text = attributes.text(row);
    if (!text.includes('"expiresAtMs"')) continue;
    const { expiresAtMs } = decodeAttributes(text, where);
    if (expiresAtMs !== undefined) expiring.set(row, expiresAtMs);
  }
  return expiring;
}

/** Whether a filter holds for a record as readers see it. */
export function matches(
  filter: CompiledFilter,
  record: Pick<VisibleRecord, "id" | "attributes" | "metadata"> & { readonly version?: Version },
): boolean {
  const { type, domain } = record.attributes ?? NO_ATTRIBUTES;
  return filter.matches({
    id: record.id,
    ...(type !== undefined && { type }),
    ...(domain !== undefined && { domain }),
    metadata: parseRecordText(record.metadata, "metadata", record),
  });
}
