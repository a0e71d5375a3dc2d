/** One answer: a row, and its ordering distance in float64 (see src/kernel/metric.ts). */
export interface Neighbour {
  readonly row: number;
  readonly distance: number;
}

/** Lets other work of the process run: `Clock.breathe`. */
export type Breathe = () => Promise<void>;

/** One search: what every index takes. */
export interface IndexSearchOptions {
  /** As many components as the index's dimension. */
  readonly query: Float32Array;
  /** Most rows to return. */
  readonly k: number;
  /** Rows that take part: bit `row & 7` of byte `row >> 3`. All do when it is absent. */
  readonly mask?: Uint8Array | undefined;
  /** Called between slices of about two milliseconds of work; a small search never calls it. */
  readonly breathe?: Breathe | undefined;
  /** Looked at before the search and between slices. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The nearest rows to a query, among rows that do not change while a search runs.
 *
 * Contract, on top of the types:
 * - At most `k` rows, each at most once, none that the mask leaves out.
 * - As many as `k`, or as take part if those are fewer. A filter never costs results.
 * - Distances are the oracle's, in float64, whatever the index computed on its way.
 * - Ascending by distance; of equal distances the lower row comes first.
 * - An exact index returns the first k of all rows in that order. An approximate one may miss rows.
 */
export interface VectorIndex {
  search(options: IndexSearchOptions): Promise<Neighbour[]>;
}

/** The order of results: by distance, then by row. */
export function compareNeighbours(a: Neighbour, b: Neighbour): number {
  return a.distance - b.distance || a.row - b.row;
}
