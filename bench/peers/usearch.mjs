/*
 * usearch: a native HNSW. Its width of search is fixed when an index is made, so it is built once,
 * saved, and loaded anew for each width. `i8` is re-ranked by float32 distances, as its users do.
 */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distancesTo } from "../support/distances.mjs";

export const name = "usearch";
export const variants = ["f32", "bf16", "i8"];
export const knob = "expansion_search";
export const knobs = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

export async function open({ variant, dimension, rows, threads }) {
  const { Index, MetricKind } = await import("usearch");
  const file = join(tmpdir(), `brainy-bench-usearch-${process.pid}`);
  const config = {
    dimensions: dimension,
    metric: MetricKind.Cos,
    quantization: variant,
    connectivity: 16,
    expansion_add: 200,
  };
  let index = new Index({ ...config, expansion_search: 64 });
  const count = rows.length / dimension;
  const keys = BigUint64Array.from({ length: count }, (_, i) => BigInt(i));
  const startedMs = performance.now();
  index.add(keys, rows, threads);
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  index.save(file);
  const isReranked = variant === "i8";

  /** Nearest first, of candidates that int8 has chosen. */
  const rerank = (query, candidates, k) => {
    const distances = distancesTo(query, rows, candidates);
    return [...candidates.keys()]
      .sort((a, b) => distances[a] - distances[b])
      .slice(0, k)
      .map((i) => candidates[i]);
  };
  return {
    buildSeconds,
    setKnob(width) {
      index = new Index({ ...config, expansion_search: width });
      index.load(file);
    },
    search(query, k, width) {
      const wanted = isReranked ? Math.max(k, Math.min(width, 64)) : k;
      const found = Array.from(index.search(query, wanted, 1).keys, Number);
      return isReranked ? rerank(query, found, k) : found;
    },
    batch(queries, k, width, workers) {
      const wanted = isReranked ? Math.max(k, Math.min(width, 64)) : k;
      const found = index.search(queries, wanted, workers);
      if (!isReranked) return;
      for (let i = 0; i < queries.length / dimension; i++) {
        const query = queries.subarray(i * dimension, (i + 1) * dimension);
        rerank(query, Array.from(found.get(i).keys, Number), k);
      }
    },
    close: () => rmSync(file, { force: true }),
  };
}
