/*
 * One peer, in a process of its own: builds it over the rows of a file, searches it at each knob, and
 * prints one line of JSON for each thing it measured. A peer that is not installed says so.
 */
import { readFileSync } from "node:fs";

const [peerName, variant, folder, threadsText] = process.argv.slice(2);
const { dimension, k, rounds } = JSON.parse(readFileSync(`${folder}/shape.json`, "utf8"));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function floats(file) {
  const bytes = readFileSync(`${folder}/${file}`);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

const rows = floats("rows.f32");
const queries = floats("queries.f32");
const truth = JSON.parse(readFileSync(`${folder}/truth.json`, "utf8"));
const each = Array.from({ length: queries.length / dimension }, (_, i) =>
  queries.slice(i * dimension, (i + 1) * dimension),
);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Queries a second and latencies of single calls, one after the other; and what they found. */
async function single(peer, knob) {
  const rates = [];
  const latencies = [];
  let found = [];
  for (let round = 0; round < rounds; round++) {
    found = [];
    const startedMs = performance.now();
    for (const query of each) {
      const beganMs = performance.now();
      found.push(await peer.search(query, k, knob));
      latencies.push(performance.now() - beganMs);
    }
    rates.push((each.length * 1_000) / (performance.now() - startedMs));
  }
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    qps: median(rates),
    p50Ms: sorted[Math.floor(sorted.length * 0.5)],
    p99Ms: sorted[Math.floor(sorted.length * 0.99)],
    found,
  };
}

async function batch(peer, knob, workers) {
  if (peer.batch === undefined) return undefined;
  const rates = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await peer.batch(queries, k, knob, workers);
    rates.push((each.length * 1_000) / (performance.now() - startedMs));
  }
  return median(rates);
}

function recallOf(found) {
  let hits = 0;
  found.forEach((ids, i) => {
    const nearest = new Set(truth[i]);
    for (const id of ids) if (nearest.has(id)) hits++;
  });
  return hits / (k * truth.length);
}

const before = process.memoryUsage().rss;
const module = await import(`../peers/${peerName}.mjs`);
let peer;
try {
  peer = await module.open({ variant, dimension, rows, threads: Number(threadsText) });
} catch (error) {
  if (!["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(error.code)) throw error;
  say({ absent: error.message.split("\n")[0] });
  process.exit(0);
}
globalThis.gc?.();
say({ buildSeconds: peer.buildSeconds, bytes: process.memoryUsage().rss - before });
for (const knob of module.knobs) {
  peer.setKnob(knob);
  for (const query of each.slice(0, 50)) await peer.search(query, k, knob);
  const { found, ...speed } = await single(peer, knob);
  const recall = recallOf(found);
  const [batch1, batch2] = [await batch(peer, knob, 1), await batch(peer, knob, 2)];
  say({ point: { knob, recall, ...speed, batch1, batch2 } });
  if (recall > 0.9985) break;
}
await peer.close();
