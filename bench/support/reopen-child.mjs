/*
 * Opens a folder and asks once; says how long that took and how much memory it holds. Two
 * processes' worth of figures would disturb each other, so memory is read at the end.
 */
import { performance } from "node:perf_hooks";

const DIMENSIONS = 384;
const [folder] = process.argv.slice(2);
const query = Float32Array.from({ length: DIMENSIONS }, (_, i) => Math.sin(i));

const startMs = performance.now();
const { Brainy } = await import("../../dist/index.js");
const importedMs = performance.now();
globalThis.gc?.();
const rssBefore = process.memoryUsage().rss;

const newMs = performance.now();
const brain = new Brainy({ storage: folder, readOnly: true, pollInterval: 0 });
const records = await brain.count();
const countedMs = performance.now();
const hits = await brain.search(query, 10);
const searchedMs = performance.now();
await brain.search(query, 10);
const againMs = performance.now();
if (hits.length !== 10) throw new Error(`${hits.length} hits`);
globalThis.gc?.();
const rssAfter = process.memoryUsage().rss;
await brain.close();

console.log(
  JSON.stringify({
    records,
    importMs: importedMs - startMs,
    countMs: countedMs - newMs,
    firstSearchMs: searchedMs - newMs,
    withImportMs: importedMs - startMs + searchedMs - newMs,
    secondSearchMs: againMs - searchedMs,
    rssPerRecordBytes: (rssAfter - rssBefore) / records,
  }),
);
