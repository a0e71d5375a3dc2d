import { invalid } from "../base/errors.ts";
import type { Metric } from "../kernel/metric.ts";
import { norm } from "../kernel/oracle.ts";
import { RowCodes, WIDTH_MAX } from "../kernel/row-codes.ts";
import type { RowGraph } from "../kernel/row-graph.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import { takesPart } from "./brute-force.ts";
import type { IndexSearchOptions, Neighbour } from "./contract.ts";
import { searchFlat } from "./flat.ts";
import { rerank } from "./rerank.ts";

/** One search, the rows, and the graph over them. */
export interface SearchGraphOptions extends IndexSearchOptions {
  readonly arena: VectorArena;
  readonly graph: RowGraph;
  readonly metric: Metric;
  readonly rowCount: number;
  /** Rows that the walk keeps: `efSearch` of the paper. At least k count; wider finds more. */
  readonly width: number;
}

/**
 * The k nearest rows that a walk over the graph finds: about as many of the true ones as the width
 * allows. Estimated distances choose the candidates, float32 ones the best of these, and the oracle
 * gives the distances that are returned.
 *
 * Where the walk cannot give k rows, because a mask leaves out too many of those it finds, all rows
 * are searched.
 */
export async function searchGraph(options: SearchGraphOptions): Promise<Neighbour[]> {
  const { arena, graph, metric, query, mask, rowCount, signal } = options;
  if (!Number.isInteger(options.k) || options.k < 1) throw invalid(`k of ${options.k}`);
  signal?.throwIfAborted();
  const k = Math.min(options.k, rowCount);
  const width = Math.max(options.width, k);
  const isHere = graph.addedCount === rowCount && RowCodes.holds(norm(query));
  if (width > WIDTH_MAX || !isHere) return searchFlat(options);
  // Checks the query, before it comes to the codes.
  const exact = arena.beginSearch({ metric, query, k: 1 });
  const found = graph.search(query, width).rows;
  const rows = mask === undefined ? found : found.filter((row) => takesPart(mask, row));
  if (rows.length < k) return searchFlat(options);
  return rerank({ arena, metric, query, k, search: exact, rows });
}
