// Graph search against exact search over the same rows, one thread: recall@10 and microseconds a
// query at each width, and how long building takes. Run after `npm run build`:
// node bench/micro/graph.mjs [--rows 50000] [--dimension 384]
import { parseArgs } from "node:util";
import { performance } from "node:perf_hooks";
import { RowGraph } from "../../dist/kernel/row-graph.js";
import { VectorArena } from "../../dist/kernel/vector-arena.js";
import { searchFlat } from "../../dist/vector-index/flat.js";
import { searchGraph } from "../../dist/vector-index/graph.js";
import { mixture } from "../support/mixture.mjs";

const { values } = parseArgs({
  options: { rows: { type: "string" }, dimension: { type: "string" } },
});
const rowCount = Number(values.rows ?? 50_000);
const dimension = Number(values.dimension ?? 384);
const [k, metric, rounds] = [10, "cosine", 3];

const { rows, queries } = mixture({ rows: rowCount, queries: 300, dimension });
const vectorAt = (vectors, i) => vectors.subarray(i * dimension, (i + 1) * dimension);
const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
for (let row = 0; row < rowCount; row++) arena.set(row, vectorAt(rows, row));
const all = Array.from({ length: queries.length / dimension }, (_, i) => vectorAt(queries, i));

const seconds = (run) => {
  const start = performance.now();
  run();
  return (performance.now() - start) / 1_000;
};
const graph = new RowGraph({ rowCount, dimension, metric });
const encoding = seconds(() => graph.encode(rows));
const building = seconds(() => graph.addRows({ start: 0, end: rowCount, width: 200 }));
console.log(
  `${rowCount} rows x ${dimension}: encoded in ${encoding.toFixed(2)} s, built in ` +
    `${building.toFixed(1)} s on one thread, ${(graph.bytes / rowCount).toFixed(0)} bytes a row`,
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

const exact = await measure((query) => searchFlat({ arena, metric, query, k, rowCount }));
console.log(`exact       ${exact.us.toFixed(0).padStart(7)} us`);
for (const width of [10, 16, 24, 32, 48, 64, 96, 128, 192, 256]) {
  graph.takeDistanceCount();
  const walk = await measure((query) =>
    searchGraph({ arena, graph, metric, query, k, rowCount, width }),
  );
  const distances = graph.takeDistanceCount() / (rounds * all.length);
  let hits = 0;
  walk.found.forEach((neighbours, i) => {
    const truth = new Set(exact.found[i].map(({ row }) => row));
    for (const { row } of neighbours) if (truth.has(row)) hits++;
  });
  console.log(
    `width ${String(width).padEnd(5)} ${walk.us.toFixed(1).padStart(7)} us`,
    `recall ${(hits / (k * all.length)).toFixed(4)}`,
    `${distances.toFixed(0).padStart(6)} distances`,
    `${(exact.us / walk.us).toFixed(0).padStart(5)} times as fast`,
  );
}
