import { VectorArena } from "../kernel/vector-arena.ts";
import { bitmapBytes, clearBit, setBit } from "./bitmap.ts";
import type { TailEntry } from "./tail-rows.ts";

/** Rows of one chunk. Bounds the columns that an arena reserves up front. */
const CHUNK_ROWS = 65_536;

/** Vectors of the tail in kernel memory. Rows are only ever appended: a snapshot is a row count. */
export interface TailChunk {
  readonly arena: VectorArena;
  readonly entries: TailEntry[];
  /** Replaced, not changed, while a snapshot shares it. */
  live: Uint8Array;
  isShared: boolean;
}

/** The newest vectors, searched by the same kernel as segments: one cluster, in arrival order. */
export class TailIndex {
  readonly #dimension: number;
  readonly chunks: TailChunk[] = [];
  /** Where entries are, counted over all chunks. */
  readonly #positions = new Map<TailEntry, number>();

  constructor(dimension: number) {
    this.#dimension = dimension;
  }

  append(vector: Float32Array, entry: TailEntry): void {
    let chunk = this.chunks.at(-1);
    if (chunk === undefined || chunk.entries.length >= CHUNK_ROWS) {
      chunk = {
        arena: new VectorArena({ dimension: this.#dimension, rowsMax: CHUNK_ROWS }),
        entries: [],
        live: new Uint8Array(bitmapBytes(CHUNK_ROWS)),
        isShared: false,
      };
      this.chunks.push(chunk);
    }
    const row = chunk.entries.length;
    chunk.arena.ensureRows(row + 1);
    chunk.arena.set(row, vector);
    chunk.entries.push(entry);
    own(chunk);
    setBit(chunk.live, row);
    this.#positions.set(entry, (this.chunks.length - 1) * CHUNK_ROWS + row);
  }

  has(entry: TailEntry): boolean {
    return this.#positions.has(entry);
  }

  /** An entry that was replaced; nothing when it was not indexed. */
  remove(entry: TailEntry): void {
    const position = this.#positions.get(entry);
    if (position === undefined) return;
    this.#positions.delete(entry);
    const chunk = this.chunks[Math.floor(position / CHUNK_ROWS)]!;
    own(chunk);
    clearBit(chunk.live, position % CHUNK_ROWS);
  }
}

function own(chunk: TailChunk): void {
  if (!chunk.isShared) return;
  chunk.live = chunk.live.slice();
  chunk.isShared = false;
}
