import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { PAGE_BYTES, PAGES_MAX } from "./kernel.ts";

/** Byte offsets within a graph: kernel/assembly/graph-types.ts. */
export const GRAPH = {
  rowCount: 0,
  length: 4,
  stride: 8,
  degree: 12,
  codes: 16,
  scales: 20,
  norms: 24,
  links: 28,
  upperStarts: 32,
  upper: 36,
  levels: 40,
  locks: 44,
  lockMask: 48,
  topLock: 52,
  entry: 56,
  topLevel: 60,
  window: 64,
  signs: 68,
} as const;

/** Byte offsets within a walk. */
export const WALK = {
  visited: 0,
  entries: 4,
  query: 8,
  other: 12,
  list: 16,
  chosen: 20,
  chosenDistances: 24,
  pruned: 28,
  vector: 32,
  distanceCount: 36,
  visitedBytes: 40,
} as const;

/** Entries that the widest walk keeps. */
export const WIDTH_MAX = 4_096;
/** A place in a list of links where there is none, and the entry of a graph without rows. */
export const NONE = 0xffff_ffff;
/** Vectors that one call of the kernel encodes. */
export const ENCODE_ROWS = 64;
/** Groups of rows that threads lock; more would not be waited for less. */
const LOCKS = 4_096;
/** Rounds of a rotation: kernel/assembly/rotation.ts. */
const ROUNDS = 4;
const LINE_BYTES = 64;
/** Nobody reads the first page: an address in it would be a mistake. */
const FIRST_ADDRESS = 1_024;

/** What decides how large a graph is. */
export interface GraphShape {
  readonly rowCount: number;
  /** Components of the vectors that are encoded. */
  readonly dimension: number;
  /** Links of a row on upper levels; twice as many on level 0. */
  readonly degree: number;
  /** Rows have lengths of their own: the metric is euclidean. */
  readonly hasNorms: boolean;
  /** Of the levels of rows, and of the rotation. */
  readonly seed: number;
  /** Searches, or threads that build, at a time. */
  readonly walks: number;
}

/** Where the parts of a graph lie in its memory. */
export interface GraphLayout {
  readonly shape: GraphShape;
  /** Components of a code: the dimension, rounded up to a multiple of 16. */
  readonly length: number;
  /** Bytes from one code to the next. */
  readonly stride: number;
  /** The largest power of two within `length`. */
  readonly window: number;
  /** The highest level of each row. */
  readonly levels: Uint8Array;
  /** Lists of links on upper levels, of all rows together. */
  readonly upperLists: number;
  readonly graph: number;
  readonly signs: number;
  readonly vectors: number;
  readonly locks: number;
  readonly walks: readonly WalkLayout[];
  readonly parts: Readonly<Record<GraphPart, { readonly start: number; readonly bytes: number }>>;
  readonly pages: number;
}

/** What a graph is made of, row by row. */
export type GraphPart = "codes" | "scales" | "norms" | "links" | "upperStarts" | "upper" | "levels";

/** Where the scratch of one walk lies. */
export interface WalkLayout {
  readonly walk: number;
  readonly visited: number;
  readonly visitedBytes: number;
  readonly entries: number;
  readonly query: number;
  readonly other: number;
  readonly queryComponents: number;
  readonly otherComponents: number;
  readonly list: number;
  readonly chosen: number;
  readonly chosenDistances: number;
  readonly pruned: number;
  readonly vector: number;
}

/** The layout of a graph. `BRAINY_LIMIT` where it does not fit a memory of 4 GiB. */
export function graphLayout(shape: GraphShape): GraphLayout {
  const { rowCount, dimension, degree, hasNorms } = shape;
  const length = Math.ceil(dimension / 16) * 16;
  // Before anything is made that is as long as there are rows.
  assertFits(shape, rowCount * (length + 8 * degree));
  const levels = levelsOf(shape);
  const upperLists = levels.reduce((sum, level) => sum + level, 0);
  let end = FIRST_ADDRESS;
  const take = (bytes: number): number => {
    const start = end;
    end = Math.ceil((start + bytes) / LINE_BYTES) * LINE_BYTES;
    return start;
  };
  const graph = take(128);
  const signs = take(ROUNDS * length * 4);
  const vectors = take(ENCODE_ROWS * length * 4);
  const locks = take(LOCKS * 4);
  const walks = Array.from({ length: shape.walks }, () => walkLayout(shape, length, take));
  const part = (bytes: number): { start: number; bytes: number } => ({ start: take(bytes), bytes });
  const parts = {
    codes: part(rowCount * length),
    scales: part(rowCount * 4),
    norms: part(hasNorms ? rowCount * 4 : 0),
    links: part(rowCount * degree * 8),
    upperStarts: part(rowCount * 4),
    upper: part(upperLists * degree * 4),
    levels: part(rowCount),
  };
  const pages = Math.ceil(end / PAGE_BYTES);
  assertFits(shape, end);
  const window = 2 ** Math.floor(Math.log2(length));
  return {
    shape,
    length,
    stride: length,
    window,
    levels,
    upperLists,
    graph,
    signs,
    vectors,
    locks,
    walks,
    parts,
    pages,
  };
}

function assertFits({ rowCount, dimension }: GraphShape, bytes: number): void {
  const bytesMax = PAGES_MAX * PAGE_BYTES;
  if (bytes <= bytesMax) return;
  throw new BrainyError(
    "BRAINY_LIMIT",
    `a graph of ${rowCount} rows of ${dimension} components needs at least ${bytes} bytes of one ` +
      `memory, which has at most ${bytesMax}`,
  );
}

function walkLayout(
  { rowCount, degree }: GraphShape,
  length: number,
  take: (bytes: number) => number,
): WalkLayout {
  const visitedBytes = Math.ceil((rowCount + 1) / 64) * 8;
  return {
    walk: take(64),
    visited: take(visitedBytes),
    visitedBytes,
    entries: take((WIDTH_MAX + 1) * 8),
    query: take(16),
    other: take(16),
    queryComponents: take(length * 2),
    otherComponents: take(length * 2),
    list: take((2 * degree + 8) * 4),
    chosen: take((2 * degree + 8) * 4),
    chosenDistances: take((2 * degree + 8) * 4),
    pruned: take((2 * degree + 8) * 8),
    vector: take(length * 4),
  };
}

/** Level l or above has one row in degree ** l (section 4.1 of the paper). */
function levelsOf({ rowCount, degree, seed }: GraphShape): Uint8Array {
  const random = seededRandom(seed);
  const factor = 1 / Math.log(degree);
  return Uint8Array.from({ length: rowCount }, () =>
    Math.min(15, Math.floor(-Math.log(1 - random.next()) * factor)),
  );
}

/** Groups of rows that threads lock, less one. */
export const LOCK_MASK: number = LOCKS - 1;

/**
 * The signs of a rotation, by round and component, those under the window of their round divided by
 * the root of its length.
 */
export function rotationSigns({ length, window, shape }: GraphLayout): Float32Array {
  const random = seededRandom(shape.seed ^ 0x5f37_59df);
  const signs = new Float32Array(ROUNDS * length);
  const shrink = 1 / Math.sqrt(window);
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % 2 === 0 ? 0 : length - window;
    for (let i = 0; i < length; i++) {
      const isInside = i >= first && i < first + window;
      signs[round * length + i] = (random.next() < 0.5 ? -1 : 1) * (isInside ? shrink : 1);
    }
  }
  return signs;
}
