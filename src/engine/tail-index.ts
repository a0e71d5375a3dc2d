import { VectorArena } from "../kernel/vector-arena.ts";
import { bitmapBytes, clearBit, setBit } from "./bitmap.ts";
import type { TailRecord } from "./view.ts";

/** Rows of one chunk. Bounds the columns that an arena reserves up front. */
const CHUNK_ROWS = 65_536;

/** Where the tail keeps the vector of a record. */
export interface TailPosition {
  readonly chunk: TailChunk;
  readonly row: number;
}

/** Vectors of the tail in kernel memory. Rows are only ever appended: a snapshot is a row count. */
export interface TailChunk {
  readonly arena: VectorArena;
  readonly records: TailRecord[];
  /** Replaced, not changed, while a snapshot shares it. */
  live: Uint8Array;
  isShared: boolean;
}

/** The newest vectors, searched by the same kernel as segments: one cluster, in arrival order. */
export class TailIndex {
  readonly #dimension: number;
  readonly chunks: TailChunk[] = [];

  constructor(dimension: number) {
    this.#dimension = dimension;
  }

  append(vector: Float32Array, record: TailRecord): TailPosition {
    let chunk = this.chunks.at(-1);
    if (chunk === undefined || chunk.records.length >= CHUNK_ROWS) {
      chunk = {
        arena: new VectorArena({ dimension: this.#dimension, rowsMax: CHUNK_ROWS }),
        records: [],
        live: new Uint8Array(bitmapBytes(CHUNK_ROWS)),
        isShared: false,
      };
      this.chunks.push(chunk);
    }
    const row = chunk.records.length;
    chunk.arena.ensureRows(row + 1);
    chunk.arena.set(row, vector);
    chunk.records.push(record);
    own(chunk);
    setBit(chunk.live, row);
    return { chunk, row };
  }

  remove({ chunk, row }: TailPosition): void {
    own(chunk);
    clearBit(chunk.live, row);
  }
}

function own(chunk: TailChunk): void {
  if (!chunk.isShared) return;
  chunk.live = chunk.live.slice();
  chunk.isShared = false;
}
