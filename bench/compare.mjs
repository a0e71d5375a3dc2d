// Brainy beside other vector indexes on the same rows, in one run: recall@10, queries a second,
// latencies, build times, memory, and ratios at equal recall. Run after `npm run build`, with the
// peers installed by `npm install` in this folder; a peer that is not there is reported absent.
//
//   node bench/compare.mjs [--rows 200000] [--dimension 384] [--queries 1000] [--peers brainy,usearch]
//     [--rounds 3] [--seed 1] [--out compare.json] [--plot compare.svg]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { VectorArena } from "../dist/kernel/vector-arena.js";
import { searchFlat } from "../dist/vector-index/flat.js";
import { curvePlot } from "./support/curve-plot.mjs";
import { mixture } from "./support/mixture.mjs";

const PEERS = ["brainy", "usearch", "hnswlib", "lancedb", "sqlite-vec"];
const RECALLS = [0.95, 0.99];
const K = 10;

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "200000" },
    dimension: { type: "string", default: "384" },
    queries: { type: "string", default: "1000" },
    peers: { type: "string", default: PEERS.join(",") },
    rounds: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
    plot: { type: "string" },
  },
});
const rowCount = Number(values.rows);
const dimension = Number(values.dimension);

/** Queries a second where the curve crosses a recall, on a line between its neighbours. */
function atRecall(points, target, figure) {
  const sorted = points.toSorted((a, b) => a.recall - b.recall);
  const above = sorted.findIndex(({ recall }) => recall >= target);
  if (above < 0 || sorted[above][figure] === undefined) return undefined;
  if (above === 0) return sorted[0][figure];
  const [a, b] = [sorted[above - 1], sorted[above]];
  const share = (target - a.recall) / (b.recall - a.recall);
  return Math.exp(Math.log(a[figure]) * (1 - share) + Math.log(b[figure]) * share);
}

async function exactNeighbours(rows, queries) {
  const arena = new VectorArena({ dimension, rowsMax: rowCount, rows: rowCount });
  for (let row = 0; row < rowCount; row++) {
    arena.set(row, rows.subarray(row * dimension, (row + 1) * dimension));
  }
  const truth = [];
  for (let i = 0; i < queries.length / dimension; i++) {
    const query = queries.slice(i * dimension, (i + 1) * dimension);
    const found = await searchFlat({ arena, metric: "cosine", query, k: K, rowCount });
    truth.push(found.map(({ row }) => row));
  }
  return truth;
}

async function measure(folder, peer, variant) {
  const child = spawn(
    process.execPath,
    [
      "--expose-gc",
      fileURLToPath(new URL("support/compare-child.mjs", import.meta.url)),
      peer,
      variant,
      folder,
      String(cpus().length),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const result = { name: `${peer} ${variant}`, points: [] };
  const ended = new Promise((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("{")) continue;
    const { point, ...said } = JSON.parse(line);
    if (point === undefined) Object.assign(result, said);
    else result.points.push(point);
  }
  const code = await ended;
  return code === 0 ? result : { ...result, failed: code };
}

const thousands = (number, digits = 0) =>
  number === undefined
    ? "-"
    : number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function print({ name, absent, failed, buildSeconds, bytes, points }) {
  if (absent !== undefined) return console.log(`\n${name}: absent (${absent})`);
  console.log(
    `\n${name}: built in ${thousands(buildSeconds, 1)} s, ${thousands(bytes / 1e6)} MB` +
      (failed === undefined ? "" : `; ended with ${failed}`),
  );
  for (const { knob, recall, qps, p50Ms, p99Ms, batch1, batch2 } of points) {
    console.log(
      `  ${String(knob).padStart(5)}  recall ${recall.toFixed(4)}  ${thousands(qps).padStart(7)} QPS`,
      ` p50 ${p50Ms.toFixed(3)} ms  p99 ${p99Ms.toFixed(3)} ms`,
      ` batch ${thousands(batch1)} / ${thousands(batch2)}`,
    );
  }
}

function printRatios(results) {
  const [own, ...others] = results.filter(({ points }) => points.length > 0);
  if (own === undefined) return;
  for (const target of RECALLS) {
    const rate = atRecall(own.points, target, "qps");
    console.log(`\nAt recall ${target}: ${own.name} ${thousands(rate)} QPS`);
    for (const { name, points, buildSeconds } of others) {
      const other = atRecall(points, target, "qps");
      const ratio = rate === undefined || other === undefined ? undefined : rate / other;
      console.log(
        `  ${name.padEnd(18)} ${thousands(other).padStart(7)} QPS, ratio ${thousands(ratio, 2)}`,
        `, build ${thousands(buildSeconds / own.buildSeconds, 1)} times as long`,
      );
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), "brainy-bench-compare-"));
try {
  const seed = Number(values.seed);
  const { rows, queries } = mixture({
    rows: rowCount,
    queries: Number(values.queries),
    dimension,
    seed,
  });
  const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  writeFileSync(join(folder, "rows.f32"), bytesOf(rows));
  writeFileSync(join(folder, "queries.f32"), bytesOf(queries));
  writeFileSync(join(folder, "truth.json"), JSON.stringify(await exactNeighbours(rows, queries)));
  const shape = { dimension, k: K, rounds: Number(values.rounds) };
  writeFileSync(join(folder, "shape.json"), JSON.stringify(shape));
  console.log(
    `${thousands(rowCount)} rows x ${dimension}, ${values.queries} queries, seed ${seed}; ` +
      `Node ${process.version}, ${cpus().length} processors, ${cpus()[0].model}`,
  );
  const results = [];
  for (const peer of values.peers.split(",")) {
    const { variants } = await import(`./peers/${peer}.mjs`);
    for (const variant of variants) {
      const result = await measure(folder, peer, variant);
      print(result);
      results.push(result);
    }
  }
  printRatios(results);
  if (values.out !== undefined) {
    const machine = { node: process.version, processors: cpus().length, model: cpus()[0].model };
    const document = { rows: rowCount, dimension, seed, ...shape, machine, results };
    writeFileSync(values.out, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  if (values.plot !== undefined) {
    const curves = results.filter(({ points }) => points.length > 0);
    const title = `${thousands(rowCount)} vectors of ${dimension}, one thread, single calls`;
    writeFileSync(values.plot, curvePlot({ title, curves }));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
