import type { ArenaSearch } from "../kernel/arena-search.ts";
import type { Metric } from "../kernel/metric.ts";
import { distance } from "../kernel/oracle.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import { compareNeighbours, type Neighbour } from "./contract.ts";

/** Candidates that codes have chosen. */
export interface RerankOptions {
  readonly arena: VectorArena;
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly k: number;
  /** Of this arena, metric and query. It is over after this. */
  readonly search: ArenaSearch;
  readonly rows: Uint32Array;
}

/** The k nearest of some rows: chosen by float32 distances, with those of the oracle. */
export function rerank({ arena, metric, query, k, search, rows }: RerankOptions): Neighbour[] {
  const distances = search.distances(rows);
  search.dispose();
  return Array.from(rows, (row, i): Neighbour => ({ row, distance: distances[i]! }))
    .sort(compareNeighbours)
    .slice(0, k)
    .map(({ row }) => ({ row, distance: distance(metric, query, arena.view(row)) }))
    .sort(compareNeighbours);
}
