import { invalid } from "../base/errors.ts";
import type { RowDistances } from "../kernel/arena-search.ts";
import { ENTRIES_MAX } from "../kernel/arena-core.ts";
import { errorBound, floatLimit } from "../kernel/error-bound.ts";
import type { Metric } from "../kernel/metric.ts";
import { distance, norm } from "../kernel/oracle.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import type { IndexSearchOptions, Neighbour } from "./contract.ts";
import { compareNeighbours } from "./contract.ts";

/*
 * Exact search over all rows of an arena.
 *
 *   1. The kernel keeps the k + SPARE nearest rows by float32 distance.
 *   2. The oracle computes the float64 distances of the first k; the greatest is D.
 *   3. No row at D or nearer is beyond the float32 distance L = D + error bound. If the worst row
 *      that was kept is, then nothing was missed, and the oracle decides among those within L. This
 *      is the case for nearly all data, and L leaves few rows beside the first k.
 *   4. Otherwise (many rows at nearly one distance, such as duplicates) a second scan visits every
 *      row within L, and the oracle decides among those. It needs no third: L is proven.
 */

/** One search, and the rows to search. */
export interface SearchFlatOptions extends IndexSearchOptions {
  readonly arena: VectorArena;
  readonly metric: Metric;
  /** Rows `[0, rowCount)` are searched. They must not change before the promise settles. */
  readonly rowCount: number;
  /** The order of rows at one distance, also where that decides which are among the k. Default: lower first. */
  readonly compareRows?: ((a: number, b: number) => number) | undefined;
}

/** Rows kept beyond k, so that the first scan can prove itself. */
const SPARE = 32;
/** About two milliseconds of one core reading 8 GB/s. */
const SCAN_SLICE_BYTES = 16 * 1024 * 1024;
/** About a millisecond of the oracle, should every row of the slice be within the limit. */
const COLLECT_SLICE_BYTES = 2 * 1024 * 1024;

/**
 * The k nearest rows, proven exact under the oracle, ties as `compareRows` says.
 *
 * Costs one pass over the rows in memory speed and k or few more distances in float64; two passes and a
 * float64 distance for each row that float32 cannot tell from the k-th, where there are many.
 */
export async function searchFlat(options: SearchFlatOptions): Promise<Neighbour[]> {
  const { arena, metric, query, rowCount, signal } = options;
  if (!Number.isInteger(options.k) || options.k < 1) throw invalid(`k of ${options.k}`);
  signal?.throwIfAborted();
  const k = Math.min(options.k, rowCount);
  const kept = Math.min(k + SPARE, ENTRIES_MAX);
  // Also what checks the query, so it comes before any early answer.
  const search = arena.beginSearch({ metric, query, k: kept });
  if (rowCount === 0) return [];

  await inSlices(options, SCAN_SLICE_BYTES, (start, end) => {
    search.scanRange({ start, end, mask: options.mask });
  });
  const found = search.results();
  const nearest = exactly(options, found, 0, k);
  const last = nearest[k - 1];
  const isFull = found.rows.length === kept && kept < rowCount;
  // Rows that were not kept are as far as the worst that was, or further.
  if (last === undefined) return isFull ? collect(options, k, Infinity) : nearest;
  const normProduct = norm(query) * arena.normMax;
  const bound = errorBound({ metric, dimension: arena.dimension, normProduct });
  const limit = floatLimit(last.distance, bound);
  const end = found.distances.findIndex((distance, i) => i >= k && distance > limit);
  if (end < 0 && isFull) return collect(options, k, limit);
  const others = exactly(options, found, k, end < 0 ? found.rows.length : end);
  return merge(nearest, others, { k, compare: orderOf(options) });
}

/** The k nearest of the rows within a float32 limit that is known to hold them all. */
async function collect(options: SearchFlatOptions, k: number, limit: number): Promise<Neighbour[]> {
  const { arena, metric, query, mask } = options;
  const search = arena.beginCollect({ metric, query, limit });
  const compare = orderOf(options);
  let best: Neighbour[] = [];
  await inSlices(options, COLLECT_SLICE_BYTES, (start, end) => {
    search.scanRange({ start, end, mask });
    const worst = best.length < k ? undefined : best[k - 1]!;
    const nearer = distancesOf(options, search.results().rows).filter(
      (one) => worst === undefined || compare(one, worst) < 0,
    );
    if (nearer.length > 0) best = merge(best, nearer.sort(compare), { k, compare });
  });
  search.dispose();
  return best;
}

/** The first k of two sorted lists. */
function merge(
  a: readonly Neighbour[],
  b: readonly Neighbour[],
  { k, compare }: { readonly k: number; readonly compare: NeighbourOrder },
): Neighbour[] {
  const merged: Neighbour[] = [];
  for (let i = 0, j = 0; merged.length < k && (i < a.length || j < b.length);) {
    const first = a[i];
    const second = b[j];
    if (second === undefined || (first !== undefined && compare(first, second) <= 0)) {
      merged.push(first!);
      i++;
    } else {
      merged.push(second);
      j++;
    }
  }
  return merged;
}

/** The rows found from `start` to `end`, with their float64 distances, in order. */
function exactly(
  options: SearchFlatOptions,
  { rows }: RowDistances,
  start = 0,
  end = rows.length,
): Neighbour[] {
  return distancesOf(options, rows.slice(start, end)).sort(orderOf(options));
}

function distancesOf(
  { arena, metric, query }: SearchFlatOptions,
  rows: RowDistances["rows"],
): Neighbour[] {
  const exact: Neighbour[] = [];
  for (const row of rows) {
    exact.push({ row, distance: distance(metric, query, arena.view(row)) });
  }
  return exact;
}

type NeighbourOrder = (a: Neighbour, b: Neighbour) => number;

function orderOf({ compareRows }: SearchFlatOptions): NeighbourOrder {
  if (compareRows === undefined) return compareNeighbours;
  return (a, b) => a.distance - b.distance || compareRows(a.row, b.row);
}

/** Visits all rows, so many bytes at a time, and lets others run in between. */
async function inSlices(
  { arena, rowCount, breathe, signal }: SearchFlatOptions,
  sliceBytes: number,
  visit: (start: number, end: number) => void,
): Promise<void> {
  const rows = Math.min(ENTRIES_MAX, Math.ceil(sliceBytes / (arena.stride * 4)));
  for (let start = 0; start < rowCount; start += rows) {
    if (start > 0) {
      await breathe?.();
      signal?.throwIfAborted();
    }
    visit(start, Math.min(rowCount, start + rows));
  }
}
