import { corrupt } from "../base/errors.ts";
import type { BlobBatch, BlobColumn } from "./blob-column.ts";
import { decodeAttributes } from "./operation-attributes.ts";
import type { Attributes, Operation } from "./operation.ts";
import {
  FLAGS_MAX,
  HAS_ATTRIBUTES,
  HAS_CONTENT,
  HAS_METADATA,
  HAS_SEEN,
  HAS_VECTOR,
  KINDS,
  KIND_BITS,
  KIND_MASK,
  TEXT_FLAGS,
  cutBlock,
  type BlockParts,
} from "./operations-layout.ts";
import type { PackedVersions } from "./version-column.ts";
import { COUNTER_MAX, makeVersion, splitVersions, type LaneId, type Version } from "./version.ts";

const NO_BYTES = new Uint8Array();
const TEXT_FLAG = {
  content: HAS_CONTENT,
  metadata: HAS_METADATA,
  attributes: HAS_ATTRIBUTES,
} as const;

/**
 * Operations in the bytes of their block: a row becomes an object when somebody asks for it. The
 * bytes must not change, and stay in memory for as long as any row or vector of them is held.
 */
export class OperationColumns {
  readonly count: number;
  readonly byteLength: number;
  readonly #parts: BlockParts;
  readonly #where: string;
  /** Which vector is the row's; `undefined` while every row has one. */
  readonly #vectorRows: Uint32Array | undefined;
  #walked: { readonly ids: readonly string[]; readonly metadata: readonly string[] } | undefined;
  #attributes: Map<string, Attributes> | undefined;

  constructor(bytes: Uint8Array, where: string) {
    const parts = cutBlock(bytes, where);
    this.count = parts.count;
    this.byteLength = bytes.byteLength;
    this.#parts = parts;
    this.#where = where;
    this.#vectorRows = parts.vectorCount === parts.count ? undefined : vectorRows(parts);
  }

  id(row: number): string {
    return this.#parts.ids.text(row);
  }

  /** A view. */
  idBytes(row: number): Uint8Array {
    return this.#parts.ids.bytes(row);
  }

  /** `hashBytes` of the id. */
  idHash(row: number, seed: number): number {
    return this.#parts.ids.hash(row, seed);
  }

  /** Whether the row puts a whole record. */
  isPut(row: number): boolean {
    return (this.#parts.flags[row]! & (KIND_MASK | HAS_METADATA)) === HAS_METADATA;
  }

  /** Whether the row is what a segment keeps of a record: a put in its plainest form. */
  isPlain(row: number): boolean {
    // `{}` says nothing, and a segment keeps nothing of it.
    return this.isPut(row) && this.#column(HAS_ATTRIBUTES)?.length(row) !== 2;
  }

  hasVector(row: number): boolean {
    return (this.#parts.flags[row]! & HAS_VECTOR) !== 0;
  }

  /** Of every vector; 0 when there is none. */
  get dimension(): number {
    return this.#parts.dimension;
  }

  version(row: number): Version {
    const { count, versionColumns } = this.#parts;
    return makeVersion(this.millis(row), versionColumns[2 * count + row]!, this.lane(row));
  }

  /** Milliseconds since 1970, as `versionMillis` of the row's version. */
  millis(row: number): number {
    const { count, versionColumns } = this.#parts;
    return versionColumns[count + row]! * 2 ** 32 + versionColumns[row]!;
  }

  lane(row: number): LaneId {
    const { count, versionColumns, lanes } = this.#parts;
    return lanes[versionColumns[3 * count + row]!]!;
  }

  /** A view, which shares the memory of all rows. */
  vector(row: number): Float32Array | undefined {
    const { dimension, vectors, flags } = this.#parts;
    if ((flags[row]! & HAS_VECTOR) === 0) return undefined;
    const at = this.#vectorRows === undefined ? row : this.#vectorRows[row]!;
    return vectors.subarray(at * dimension, (at + 1) * dimension);
  }

  /** The vectors of rows that follow each other and all have one, in place. */
  vectorsOf(start: number, end: number): Float32Array {
    const { dimension, vectors } = this.#parts;
    const first = this.#vectorRows === undefined ? start : this.#vectorRows[start]!;
    return vectors.subarray(first * dimension, (first + end - start) * dimension);
  }

  /** Versions as segments have them. */
  packedVersions(rows: Uint32Array): PackedVersions {
    const { count, versionColumns, lanes } = this.#parts;
    const words = new Uint32Array(4 * rows.length);
    for (let i = 0; i < rows.length; i++) {
      for (let k = 0; k < 4; k++) words[4 * i + k] = versionColumns[k * count + rows[i]!]!;
    }
    return { words, lanes };
  }

  /** Texts for copying; empty where a row has none. */
  texts(name: "id" | "content" | "metadata" | "attributes", rows: Uint32Array): BlobBatch {
    const column = name === "id" ? this.#parts.ids : this.#column(TEXT_FLAG[name]);
    if (column === undefined) return { lengths: new Uint32Array(rows.length), bytes: NO_BYTES };
    const [start = 0] = rows;
    const isWhole = rows.length > 0 && rows.at(-1)! - start === rows.length - 1;
    return isWhole ? column.slice(start, start + rows.length) : column.gather(rows);
  }

  attributes(row: number): Attributes | undefined {
    const text = this.#text(HAS_ATTRIBUTES, row);
    if (text === undefined) return undefined;
    // Few attributes differ within a block, so each text is parsed once and its value shared.
    this.#attributes ??= new Map();
    let attributes = this.#attributes.get(text);
    if (attributes === undefined) {
      this.#attributes.set(text, (attributes = decodeAttributes(text, this.#where)));
    }
    return attributes;
  }

  /**
   * What filters look at, of a put. For whoever goes through all rows: ids and metadata of all of
   * them are decoded at once, and kept.
   */
  described(row: number): Pick<Operation, "id" | "attributes"> & { readonly metadata: string } {
    const { ids } = this.#parts;
    this.#walked ??= { ids: ids.texts(), metadata: this.#column(HAS_METADATA)?.texts() ?? [] };
    return {
      id: this.#walked.ids[row]!,
      attributes: this.attributes(row),
      metadata: this.#walked.metadata[row] ?? "{}",
    };
  }

  operation(row: number): Operation {
    return this.#operation(row, {
      id: this.id(row),
      content: this.#text(HAS_CONTENT, row),
      metadata: this.#text(HAS_METADATA, row),
    });
  }

  /** Several times faster than one at a time. */
  operations(): Operation[] {
    const ids = this.#parts.ids.texts();
    const contents = this.#column(HAS_CONTENT)?.texts();
    const metadata = this.#column(HAS_METADATA)?.texts();
    return ids.map((id, row) => {
      const flags = this.#parts.flags[row]!;
      return this.#operation(row, {
        id,
        content: (flags & HAS_CONTENT) === 0 ? undefined : contents?.[row],
        metadata: (flags & HAS_METADATA) === 0 ? undefined : metadata?.[row],
      });
    });
  }

  #operation(
    row: number,
    { id, content, metadata }: Pick<Operation, "id" | "content" | "metadata">,
  ): Operation {
    const seen = this.#text(HAS_SEEN, row);
    return {
      kind: KINDS[this.#parts.flags[row]! & KIND_MASK]!,
      version: this.version(row),
      id,
      vector: this.vector(row),
      content,
      metadata,
      attributes: this.attributes(row),
      seen: seen === undefined ? undefined : splitVersions(seen, this.#where),
    };
  }

  /** The first row above `version`, in rows that are in version order. */
  firstAbove(version: Version): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.version(middle) <= version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The first row that is not above the row before it, or not of `lane`; -1 when none is. */
  firstOutOfOrder(lane: LaneId): number {
    const { count, versionColumns } = this.#parts;
    for (let row = 0; row < count; row++) {
      if (this.lane(row) !== lane) return row;
      if (row === 0) continue;
      const difference =
        this.millis(row) - this.millis(row - 1) ||
        versionColumns[2 * count + row]! - versionColumns[2 * count + row - 1]!;
      if (difference <= 0) return row;
    }
    return -1;
  }

  /** Checks every value of every row. For blocks out of a store. */
  check(): this {
    const { count, flags, vectorCount, versionColumns, lanes } = this.#parts;
    if (!areFinite(this.#parts.vectors)) throw corrupt(this.#where, "a vector is not finite");
    const ids = this.#parts.ids.texts();
    let vectors = 0;
    for (let row = 0; row < count; row++) {
      checkKind(flags[row]!, row, this.#where);
      if (ids[row] === "") throw corrupt(this.#where, `operation ${row} has no id`);
      if ((flags[row]! & HAS_VECTOR) !== 0) vectors++;
      const isPossible =
        versionColumns[count + row]! <= 0xffff &&
        versionColumns[2 * count + row]! <= COUNTER_MAX &&
        versionColumns[3 * count + row]! < lanes.length;
      if (!isPossible) throw corrupt(this.#where, `operation ${row} has an impossible version`);
    }
    if (vectors > vectorCount) throw corrupt(this.#where, "vectors are missing");
    if (vectors < vectorCount) throw corrupt(this.#where, "vectors belong to no operation");
    for (const flag of TEXT_FLAGS) this.#checkTexts(flag);
    return this;
  }

  #checkTexts(flag: number): void {
    const { count, flags } = this.#parts;
    const texts = this.#column(flag)?.texts();
    for (let row = 0; row < count; row++) {
      const isSet = (flags[row]! & flag) !== 0;
      if (isSet && texts === undefined) {
        throw corrupt(this.#where, `operation ${row} misses its column`);
      }
      if (!isSet && texts !== undefined && texts[row] !== "") {
        throw corrupt(this.#where, `operation ${row} has a value that its flags deny`);
      }
      if (isSet && flag === HAS_ATTRIBUTES) this.attributes(row);
      if (isSet && flag === HAS_SEEN) splitVersions(texts![row]!, this.#where);
    }
  }

  #column(flag: number): BlobColumn | undefined {
    return this.#parts.texts[TEXT_FLAGS.indexOf(flag as (typeof TEXT_FLAGS)[number])];
  }

  #text(flag: number, row: number): string | undefined {
    return (this.#parts.flags[row]! & flag) === 0 ? undefined : this.#column(flag)?.text(row);
  }
}

/**
 * Checks every value, and every length before anything of that length is made. Vectors are views
 * of `bytes` where those start at a multiple of 4; content and metadata stay unparsed text.
 */
export function decodeOperations(bytes: Uint8Array, where: string): Operation[] {
  return new OperationColumns(bytes, where).check().operations();
}

/** A number without itself is zero, and what is no finite number is not. */
function areFinite(vectors: Float32Array): boolean {
  let zero = 0;
  for (let i = 0; i < vectors.length; i++) zero += vectors[i]! - vectors[i]!;
  return zero === 0;
}

function vectorRows({ count, flags }: BlockParts): Uint32Array {
  const rows = new Uint32Array(count);
  let next = 0;
  for (let row = 0; row < count; row++) {
    rows[row] = next;
    if ((flags[row]! & HAS_VECTOR) !== 0) next++;
  }
  return rows;
}

function checkKind(flags: number, row: number, where: string): void {
  const kind = KINDS[flags & KIND_MASK];
  if (kind === undefined || flags > FLAGS_MAX) {
    throw corrupt(where, `operation ${row} has no known kind`);
  }
  if (kind === "delete" && (flags & ~HAS_SEEN) !== KIND_BITS.delete) {
    throw corrupt(where, `operation ${row} deletes and carries values`);
  }
}
