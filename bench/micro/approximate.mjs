// Graphs and clusters against exact search over the same rows, one thread: recall@10 and
// microseconds a query at each width or number of clusters, and how long building takes. Run after
// `npm run build`: node bench/micro/approximate.mjs [--rows 50000] [--dimension 384]
import { parseArgs } from "node:util";
import { performance } from "node:perf_hooks";
import { RowClusters } from "../../dist/kernel/row-clusters.js";
import { RowCodes } from "../../dist/kernel/row-codes.js";
import { RowGraph } from "../../dist/kernel/row-graph.js";
import { VectorArena } from "../../dist/kernel/vector-arena.js";
import { searchClustered } from "../../dist/vector-index/clustered.js";
import { searchFlat } from "../../dist/vector-index/flat.js";
import { searchGraph } from "../../dist/vector-index/graph.js";
import { assignRows, trainCentroids } from "../../dist/vector-index/k-means.js";
import { mixture } from "../support/mixture.mjs";

const { values } = parseArgs({
  options: { rows: { type: "string" }, dimension: { type: "string" } },
});
const rowCount = Number(values.rows ?? 50_000);
const dimension = Number(values.dimension ?? 384);
const [k, metric, rounds] = [10, "cosine", 3];
const shape = { dimension, metric, seed: 1 };
const vectorAt = (vectors, i) => vectors.subarray(i * dimension, (i + 1) * dimension);

function timed(name, run) {
  const start = performance.now();
  const result = run();
  console.log(`${name.padEnd(24)} ${((performance.now() - start) / 1_000).toFixed(2)} s`);
  return result;
}

const { rows: given, queries } = mixture({ rows: rowCount, queries: 300, dimension });
const all = Array.from({ length: queries.length / dimension }, (_, i) => vectorAt(queries, i));
console.log(`${rowCount} rows x ${dimension}, one thread`);

const count = 4 * Math.round(Math.sqrt(rowCount) / 4);
const sampleCount = Math.min(rowCount, 48 * count);
const sample = new Float32Array(sampleCount * dimension);
for (let i = 0; i < sampleCount; i++) {
  sample.set(vectorAt(given, Math.floor((i * rowCount) / sampleCount)), i * dimension);
}
const centroids = timed(`${count} centroids`, () =>
  trainCentroids({ ...shape, vectors: sample, count }),
);
const nearest = timed("rows to clusters", () =>
  assignRows({ ...shape, vectors: given, centroids }),
);
const order = [...nearest.keys()].sort((a, b) => nearest[a] - nearest[b] || a - b);
const rows = new Float32Array(given.length);
order.forEach((row, i) => rows.set(vectorAt(given, row), i * dimension));
const sizes = new Uint32Array(count);
for (const cluster of nearest) sizes[cluster]++;

const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
for (let row = 0; row < rowCount; row++) arena.set(row, vectorAt(rows, row));
const codes = new RowCodes({ ...shape, rowCount });
timed("codes", () => codes.encode(rows));
const beforeClusters = codes.memory.size;
const clusters = timed("bits", () => {
  const made = new RowClusters({ codes, centroids, sizes });
  for (let i = 0; i < count; i++) {
    const [start, end] = [made.rowStarts[i], made.rowStarts[i + 1]];
    made.encode(i, rows.subarray(start * dimension, end * dimension));
  }
  return made;
});
const beforeGraph = codes.memory.size;
const graph = timed("graph", () => {
  const made = new RowGraph({ codes });
  made.addRows({ start: 0, end: rowCount, width: 200 });
  return made;
});
const bytesARow = (bytes) => (bytes / rowCount).toFixed(0);
console.log(
  `bytes a row: codes ${bytesARow(beforeClusters)}, clusters ` +
    `${bytesARow(beforeGraph - beforeClusters)}, graph ${bytesARow(codes.memory.size - beforeGraph)}`,
);

/** Median microseconds a query, and the rows that were found. */
async function measure(search) {
  const times = [];
  let found = [];
  for (let round = 0; round < rounds; round++) {
    found = [];
    const start = performance.now();
    for (const query of all) found.push(await search(query));
    times.push(((performance.now() - start) / all.length) * 1_000);
  }
  return { us: times.sort((a, b) => a - b)[Math.floor(rounds / 2)], found };
}

const own = { arena, metric, rowCount, k };
const exact = await measure((query) => searchFlat({ ...own, query }));
console.log(`${"exact".padEnd(14)} ${exact.us.toFixed(0).padStart(7)} us`);

async function report(name, counter, search) {
  counter.takeDistanceCount();
  const { us, found } = await measure(search);
  const distances = counter.takeDistanceCount() / (rounds * all.length);
  let hits = 0;
  found.forEach((neighbours, i) => {
    const truth = new Set(exact.found[i].map(({ row }) => row));
    for (const { row } of neighbours) if (truth.has(row)) hits++;
  });
  console.log(
    `${name.padEnd(14)} ${us.toFixed(1).padStart(7)} us`,
    `recall ${(hits / (k * all.length)).toFixed(4)}`,
    `${distances.toFixed(0).padStart(6)} codes`,
    `${(exact.us / us).toFixed(0).padStart(5)} times as fast`,
  );
}

for (const width of [10, 16, 24, 32, 48, 64, 96, 128, 192, 256]) {
  await report(`graph ${width}`, graph, (query) => searchGraph({ ...own, graph, query, width }));
}
for (const probes of [1, 2, 4, 8, 16, 32, 64, 128]) {
  await report(`clusters ${probes}`, clusters, (query) =>
    searchClustered({ ...own, clusters, query, probes }),
  );
}
