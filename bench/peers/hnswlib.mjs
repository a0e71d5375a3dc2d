/* hnswlib-node: the native HNSW of the paper's authors. One thread. */

export const name = "hnswlib";
export const variants = ["f32"];
export const knob = "ef";
export const knobs = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

export async function open({ dimension, rows }) {
  const { default: hnswlib } = await import("hnswlib-node");
  const count = rows.length / dimension;
  const index = new hnswlib.HierarchicalNSW("cosine", dimension);
  index.initIndex({ maxElements: count, m: 16, efConstruction: 200, randomSeed: 1 });
  const startedMs = performance.now();
  for (let i = 0; i < count; i++) {
    index.addPoint(Array.from(rows.subarray(i * dimension, (i + 1) * dimension)), i);
  }
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  return {
    buildSeconds,
    setKnob: (width) => index.setEf(width),
    // It takes plain arrays only; the copy is part of what its users pay.
    search: (query, k) => index.searchKnn(Array.from(query), k).neighbors,
    close() {},
  };
}
