/* LanceDB, embedded: its HNSW with scalar quantisation, refined by float32 distances. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const name = "lancedb";
export const variants = ["hnsw-sq"];
export const knob = "ef";
/** It keeps twice as many as are asked for, and refuses a width below that. */
export const knobs = [20, 32, 48, 64, 96, 128, 256, 512];

/** Rows of one call; they become objects on the way. */
const BATCH_ROWS = 10_000;

export async function open({ dimension, rows }) {
  const { Index, connect } = await import("@lancedb/lancedb");
  const folder = mkdtempSync(join(tmpdir(), "brainy-bench-lancedb-"));
  const database = await connect(folder);
  const count = rows.length / dimension;
  let table;
  for (let start = 0; start < count; start += BATCH_ROWS) {
    const batch = Array.from({ length: Math.min(BATCH_ROWS, count - start) }, (_, i) => ({
      id: start + i,
      vector: Array.from(rows.subarray((start + i) * dimension, (start + i + 1) * dimension)),
    }));
    if (table === undefined) table = await database.createTable("rows", batch);
    else await table.add(batch);
  }
  const startedMs = performance.now();
  await table.createIndex("vector", {
    config: Index.hnswSq({ distanceType: "cosine", m: 16, efConstruction: 200, numPartitions: 1 }),
    replace: true,
    waitTimeoutSeconds: 3_600,
  });
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  return {
    buildSeconds,
    setKnob() {},
    async search(query, k, width) {
      const found = await table
        .vectorSearch(Array.from(query))
        .distanceType("cosine")
        .ef(width)
        .refineFactor(2)
        .select(["id", "_distance"])
        .limit(k)
        .toArray();
      return found.map(({ id }) => Number(id));
    },
    async close() {
      database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
