// Nanoseconds for one 384-d distance: the float64 oracle in TypeScript against the kernel, over
// rows that fit a cache and rows that do not. Run after `npm run build`: node bench/micro/distance.mjs
import { performance } from "node:perf_hooks";
import { distance } from "../../dist/kernel/oracle.js";
import { VectorArena } from "../../dist/kernel/vector-arena.js";
import { seededRandom } from "../../dist/base/random.js";
import { searchFlat } from "../../dist/vector-index/flat.js";

const DIMENSION = 384;
const ROUNDS = 5;
const random = seededRandom(1);
const randomVector = () => Float32Array.from({ length: DIMENSION }, () => random.next() * 2 - 1);

function filled(rows, shared) {
  const arena = new VectorArena({ dimension: DIMENSION, rowsMax: rows, rows, shared });
  for (let row = 0; row < rows; row++) arena.set(row, randomVector());
  return arena;
}

async function nanoseconds(count, run) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await run();
    times.push(((performance.now() - start) * 1e6) / count);
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)].toFixed(1);
}

async function measure(name, arena, rows, passes) {
  const query = randomVector();
  const scattered = Uint32Array.from({ length: rows }, (_, i) => (i * 7919) % rows);
  const halfMask = new Uint8Array(Math.ceil(rows / 8)).fill(0b01010101);
  const count = rows * passes;
  const repeat = (run) => () => {
    for (let pass = 0; pass < passes; pass++) run();
  };
  for (const metric of ["cosine", "euclidean", "dot"]) {
    const scan = (mask) => () => {
      const search = arena.beginSearch({ metric, query, k: 10 });
      search.scanRange({ start: 0, end: rows, mask });
      search.results();
    };
    const oracleRows = Math.min(rows, 5_000);
    const oracle = await nanoseconds(oracleRows, () => {
      for (let row = 0; row < oracleRows; row++) distance(metric, query, arena.view(row));
    });
    const flat = await nanoseconds(count, async () => {
      for (let pass = 0; pass < passes; pass++) {
        await searchFlat({ arena, metric, query, k: 10, rowCount: rows });
      }
    });
    console.log(
      `${name.padEnd(28)} ${metric.padEnd(10)}`,
      `oracle ${oracle.padStart(6)}`,
      `scan ${(await nanoseconds(count, repeat(scan()))).padStart(6)}`,
      `half masked ${(await nanoseconds(count / 2, repeat(scan(halfMask)))).padStart(6)}`,
      `scattered ${(
        await nanoseconds(
          count,
          repeat(() => arena.distances(metric, query, scattered)),
        )
      ).padStart(6)}`,
      `searchFlat ${flat.padStart(6)}`,
    );
  }
}

for (const shared of [false, true]) {
  const kind = shared ? "shared" : "plain";
  await measure(`${kind}, 500 rows in cache`, filled(500, shared), 500, 200);
  await measure(`${kind}, 100,000 rows, 154 MB`, filled(100_000, shared), 100_000, 1);
}
