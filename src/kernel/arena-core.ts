import { BrainyError } from "../base/errors.ts";
import type { Kernel } from "./kernel.ts";
import { createKernel, PAGE_BYTES, PAGES_MAX } from "./kernel.ts";

/** Entries that the heap or the list of one search can hold. */
export const ENTRIES_MAX = 65_536;
/** Rows whose distances one call of the kernel gathers; longer lists take several. */
export const GATHER_ROWS_MAX = 16_384;

/** Byte offsets within a task: kernel/assembly/task.ts. */
export const TASK = {
  metric: 0,
  mode: 4,
  strideBytes: 8,
  capacity: 12,
  size: 16,
  limit: 20,
  queryInverse: 24,
  query: 28,
  vectors: 32,
  inverseNorms: 36,
  mask: 40,
  entries: 44,
} as const;

const TASK_ADDRESS = 1_024;
const QUERY_ADDRESS = 2_048;
const ALIGNMENT_BYTES = 64;

/** Growth doubles, within these bounds. */
const GROWTH_BYTES_MIN = 256 * 1_024;
const GROWTH_BYTES_MAX = 64 * 1_024 * 1_024;

/**
 * Where everything lies in the memory of an arena:
 *
 *     ├ task ┼ query ┼ entries ┼ gather list ┼ inverse norms ┼ mask ┼ vectors ···►
 *
 * Vectors come last, so that growth of the memory is more rows. What precedes them is reserved for
 * `rowsMax` rows at once: address space only, until a page is touched.
 */
export interface ArenaLayout {
  readonly dimension: number;
  /** Floats from one row to the next: the dimension, rounded up to a multiple of 4. */
  readonly stride: number;
  readonly strideBytes: number;
  readonly rowsMax: number;
  readonly task: number;
  readonly query: number;
  readonly entries: number;
  readonly gatherRows: number;
  readonly gatherDistances: number;
  readonly inverseNorms: number;
  readonly mask: number;
  readonly vectors: number;
}

/** Whoever has its state in the scratch of the arena, and must take it out for another. */
export interface Resident {
  evict(): void;
}

/** Floats from one row to the next. */
export function strideOf(dimension: number): number {
  return (dimension + 3) & ~3;
}

/** The layout for up to `rowsMax` rows, which the caller has checked to fit. */
export function arenaLayout(dimension: number, rowsMax: number): ArenaLayout {
  const stride = strideOf(dimension);
  const strideBytes = stride * 4;
  const entries = align(QUERY_ADDRESS + strideBytes);
  const gatherRows = align(entries + ENTRIES_MAX * 8);
  const gatherDistances = gatherRows + GATHER_ROWS_MAX * 4;
  const inverseNorms = gatherDistances + GATHER_ROWS_MAX * 4;
  const mask = align(inverseNorms + rowsMax * 4);
  const vectors = align(mask + Math.ceil(rowsMax / 32) * 4);
  return {
    dimension,
    stride,
    strideBytes,
    rowsMax,
    task: TASK_ADDRESS,
    query: QUERY_ADDRESS,
    entries,
    gatherRows,
    gatherDistances,
    inverseNorms,
    mask,
    vectors,
  };
}

function align(address: number): number {
  return Math.ceil(address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** The memory of an arena, its views, and who uses its scratch. Shared by arena and searches. */
export class ArenaCore {
  readonly layout: ArenaLayout;
  readonly kernel: Kernel;
  /** Greatest norm of any row that ever was finished. */
  normMax = 0;
  resident: Resident | undefined;
  #rowCapacity = 0;
  #pages: number;
  #buffer: ArrayBufferLike;
  #floats: Float32Array;
  #bytes: Uint8Array;
  #words: Uint32Array;

  constructor(layout: ArenaLayout, options: { readonly rows: number; readonly shared: boolean }) {
    this.layout = layout;
    this.#pages = this.#pagesFor(options.rows);
    this.kernel = createKernel({
      pages: this.#pages,
      pagesMax: this.#pagesFor(layout.rowsMax),
      shared: options.shared,
    });
    this.#buffer = this.kernel.memory.buffer;
    this.#floats = new Float32Array(this.#buffer);
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Uint32Array(this.#buffer);
    this.#rowCapacity = options.rows;
  }

  get rowCapacity(): number {
    return this.#rowCapacity;
  }

  get floats(): Float32Array {
    return this.#floats;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get words(): Uint32Array {
    return this.#words;
  }

  rowAddress(row: number): number {
    return this.layout.vectors + row * this.layout.strideBytes;
  }

  /** Room for at least `rows` rows. Views that were handed out are dead after a growth. */
  ensureRows(rows: number): void {
    if (rows <= this.#rowCapacity) return;
    const { rowsMax, strideBytes } = this.layout;
    if (rows > rowsMax) {
      throw new BrainyError("BRAINY_LIMIT", `${rows} rows in an arena for at most ${rowsMax}`);
    }
    const used = this.#rowCapacity * strideBytes;
    const growth = Math.min(GROWTH_BYTES_MAX, Math.max(GROWTH_BYTES_MIN, used));
    const target = Math.max(rows, Math.floor((used + growth) / strideBytes));
    this.#grow(Math.min(rowsMax, target));
  }

  #grow(rows: number): void {
    const pages = this.#pagesFor(rows);
    if (pages > this.#pages) {
      try {
        this.kernel.memory.grow(pages - this.#pages);
      } catch (error) {
        throw new BrainyError("BRAINY_LIMIT", `no memory for ${rows} rows`, { cause: error });
      }
      this.#pages = pages;
      this.#buffer = this.kernel.memory.buffer;
      this.#floats = new Float32Array(this.#buffer);
      this.#bytes = new Uint8Array(this.#buffer);
      this.#words = new Uint32Array(this.#buffer);
    }
    this.#rowCapacity = rows;
  }

  #pagesFor(rows: number): number {
    return Math.ceil((this.layout.vectors + rows * this.layout.strideBytes) / PAGE_BYTES);
  }
}

/** Most rows of a dimension that fit one memory. */
export function rowsLimit(dimension: number): number {
  const fixed = arenaLayout(dimension, 0).vectors + 2 * ALIGNMENT_BYTES;
  const rowBytes = strideOf(dimension) * 4 + 4 + 1 / 8;
  return Math.floor((PAGES_MAX * PAGE_BYTES - fixed) / rowBytes);
}
