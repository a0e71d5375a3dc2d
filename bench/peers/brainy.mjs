/* Brainy through its public API: records with ids and metadata, in memory, as its users add them. */
import { Brainy } from "../../dist/index.js";

export const name = "brainy";
export const variants = ["exact"];
export const knob = "none";
export const knobs = [0];

/** Records that are made at a time. */
const BATCH_ROWS = 10_000;

export async function open({ dimension, rows }) {
  const brain = new Brainy({ dimensions: dimension, metric: "cosine" });
  const count = rows.length / dimension;
  const records = function* (start) {
    for (let i = start; i < Math.min(count, start + BATCH_ROWS); i++) {
      const vector = rows.subarray(i * dimension, (i + 1) * dimension);
      yield { id: String(i), vector, metadata: { row: i } };
    }
  };
  for (let start = 0; start < count; start += BATCH_ROWS) await brain.addMany(records(start));
  const startedMs = performance.now();
  await brain.compact();
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  return {
    buildSeconds,
    setKnob() {},
    search: async (query, k) => (await brain.search(query, k)).map(({ id }) => Number(id)),
    close: () => brain.close(),
  };
}
