import { invalid } from "../base/errors.ts";
import type { Metric } from "../kernel/metric.ts";
import { norm } from "../kernel/oracle.ts";
import { RowCodes, WIDTH_MAX } from "../kernel/row-codes.ts";
import type { RowClusters } from "../kernel/row-clusters.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import type { IndexSearchOptions, Neighbour } from "./contract.ts";
import { rerank } from "./rerank.ts";
import { searchFlat } from "./flat.ts";

/** One search, the rows in order of their clusters, and those. */
export interface SearchClusteredOptions extends IndexSearchOptions {
  readonly arena: VectorArena;
  readonly clusters: RowClusters;
  readonly metric: Metric;
  readonly rowCount: number;
  /** Clusters that are looked at: `nprobe`. */
  readonly probes: number;
  /** Rows that are kept until their exact distance is known. At least 2 * k. */
  readonly width?: number | undefined;
}

/** Rows kept at least, so that estimates by codes cost no recall. */
const WIDTH_MIN = 20;

/**
 * The k nearest rows of the clusters nearest to the query. Where a mask leaves out so many that
 * these have fewer than k, more clusters are looked at, and in the end all.
 */
export async function searchClustered(options: SearchClusteredOptions): Promise<Neighbour[]> {
  const { arena, clusters, metric, query, mask, rowCount, signal } = options;
  if (!Number.isInteger(options.k) || options.k < 1) throw invalid(`k of ${options.k}`);
  signal?.throwIfAborted();
  const k = Math.min(options.k, rowCount);
  const width = Math.max(options.width ?? 0, 2 * k, WIDTH_MIN);
  if (width > WIDTH_MAX || !RowCodes.holds(norm(query))) return searchFlat(options);
  // Checks the query, before it comes to the codes.
  const exact = arena.beginSearch({ metric, query, k: 1 });
  if (rowCount === 0) return [];
  for (let probes = Math.max(1, options.probes); ; probes *= 4) {
    const { rows, probed } = clusters.search({ query, probes, width, k, mask });
    if (rows.length >= k || probed === clusters.count) {
      return rerank({ arena, metric, query, k, search: exact, rows });
    }
  }
}
