// What graph search and graph building work on. The host fills these blocks by their offsets
// (src/kernel/graph-layout.ts), so the order of fields is part of the contract.

/** A place in a list of links where there is none. */
export const NONE: u32 = 0xffffffff;

/** Rows as int8 codes, and their links. */
@unmanaged
export class Graph {
  rowCount: u32;
  /** Components of a code: the dimension, rounded up to a multiple of 16. */
  length: u32;
  /** Bytes from one code to the next. */
  stride: u32;
  /** Links of a row on upper levels; twice as many on level 0. */
  degree: u32;
  /** int8, `stride` apart. A row is about code * scale. */
  codes: usize;
  /** One f32 a row. */
  scales: usize;
  /** One f32 a row: its squared length; 0 for metrics where all are alike. */
  norms: usize;
  /** Level 0: 2 * `degree` u32 a row, then `NONE`s. */
  links: usize;
  /** One u32 a row: where its links of upper levels begin, counted in lists of `degree` u32. */
  upperStarts: usize;
  upper: usize;
  /** One u8 a row: the highest level that it is on. */
  levels: usize;
  /** While building: one u32 for each of `lockMask` + 1 groups of rows. */
  locks: usize;
  lockMask: u32;
  /** Held while a row higher than all others is added. */
  topLock: u32;
  /** Where every search starts; `NONE` while there are no rows. */
  entry: u32;
  topLevel: i32;
  /** The rotation: the largest power of two within `length`, and 4 * `length` f32. */
  window: u32;
  signs: usize;
}

/** A vector in the form that codes are compared with. */
@unmanaged
export class Probe {
  /** int16, as many as a code has components. */
  components: usize;
  /** A product of components and code, times this and the code's scale, is twice the real one. */
  scale: f32;
  /** Its squared length; 0 for metrics where all are alike. */
  norm: f32;
}

/** What one search, or one thread that builds, needs for itself. */
@unmanaged
export class Walk {
  /** One bit a row. */
  visited: usize;
  /** 8 bytes an entry: f32 distance, u32 row; as many as the widest search keeps. */
  entries: usize;
  /** What is searched for, or added. */
  query: Probe;
  /** A row that is compared with others meanwhile. */
  other: Probe;
  /** Rows about to be compared: 2 * degree and 4 more. */
  list: usize;
  /** Links that a row is given: 2 * degree. */
  chosen: usize;
  /** Distances of those: 2 * degree f32. */
  chosenDistances: usize;
  /** Entries among which a full list of links is chosen anew: 2 * degree + 1. */
  pruned: usize;
  /** The query as floats, which is rotated in place: `length`. */
  vector: usize;
  /** Distances that were computed, for whoever measures. */
  distanceCount: u32;
  /** Bytes of `visited`. */
  visitedBytes: u32;
}
