// What searches over codes work on. The host fills these blocks by their offsets
// (src/kernel/code-fields.ts), so the order of fields is part of the contract.

/** A place in a list of links where there is none. */
export const NONE: u32 = 0xffffffff;

/** Rows as int8 codes. */
@unmanaged
export class Codes {
  rowCount: u32;
  /** Components of a code: the dimension, rounded up to a multiple of 16. */
  length: u32;
  /** Bytes from one code to the next. */
  stride: u32;
  /** int8, `stride` apart. A row is about code * scale. */
  codes: usize;
  /** One f32 a row. */
  scales: usize;
  /** One f32 a row: its squared length; 0 for metrics where all are alike. */
  norms: usize;
  /** The rotation: the largest power of two within `length`, and 4 * `length` f32. */
  window: u32;
  signs: usize;
}

/** Codes, and the links of their rows. */
@unmanaged
export class Graph extends Codes {
  /** Links of a row on upper levels; twice as many on level 0. */
  degree: u32;
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

/** What one search needs for itself. */
@unmanaged
export class Search {
  /** The query as floats, which is rotated in place: `length`. */
  vector: usize;
  /** 8 bytes an entry: f32 distance, u32 row; as many as the widest search keeps. */
  entries: usize;
  query: Probe;
  /** Distances to codes that were computed, for whoever measures. */
  distanceCount: u32;
}

/** What a search of a graph, or a thread that builds one, needs beside that. */
@unmanaged
export class Walk extends Search {
  /** One bit a row. */
  visited: usize;
  /** Bytes of `visited`. */
  visitedBytes: u32;
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
}

/** Codes in order of clusters, and what decides which of them are looked at. */
@unmanaged
export class Clusters extends Codes {
  /** A multiple of four: those behind the last have a norm of infinity. */
  count: u32;
  /** `length` f32 each, rotated like the rows. */
  centroids: usize;
  /** One f32 each: the squared length where rows have lengths of their own, else 0. */
  centroidNorms: usize;
  /** u32, `count` + 1: the rows of a cluster are from its start to the next. */
  rowStarts: usize;
  /** u32, `count` + 1: the same for blocks of 32 rows, the last of which may not be full. */
  blockStarts: usize;
  /**
   * Of each block: for every four components 16 bytes, in whose byte i are the signs of row i in the
   * low half and those of row i + 16 in the high one; then f32 factors and f32 errors of 32 rows.
   */
  blocks: usize;
  blockBytes: u32;
}

/** What a search of clusters needs. */
@unmanaged
export class Sweep extends Search {
  /** 16 bytes for every four components: what each combination of signs adds. */
  table: usize;
  /** 8 bytes an entry: the nearest clusters. */
  probes: usize;
  /** 32 u32: the sums of a block. */
  sums: usize;
  /** 32 u32 and 4 more: rows of a block that may be near. */
  list: usize;
  /** A sum of table entries, times this and plus the next, is that of signs times components. */
  tableScale: f32;
  tableOffset: f32;
  /** The length of the query. */
  norm: f32;
}
