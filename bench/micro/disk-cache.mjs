// Reading 300 MiB through the disk cache, files in the page cache, by length of a block: processor time.
import { performance } from "node:perf_hooks";
import { dist, inFolder, median, round } from "../support/report.mjs";

const { DiskCache } = await import(dist("storage/adapters/disk-cache.js"));
const { cached } = await import(dist("storage/layers/cached.js"));
const { MemoryStore } = await import(dist("storage/adapters/memory.js"));

const TOTAL = 300 * 2 ** 20;
const PIECE = 4 * 2 ** 20;
/** Pieces of a segment begin anywhere. */
const OFFSET = 790_080;
const RUNS = 7;

const bucket = new MemoryStore();
await bucket.put(
  "a.seg",
  new Uint8Array(TOTAL).map((_, i) => i >>> 3),
);

for (const kibibytes of [256, 512, 1_024, 2_048, 4_096]) {
  await inFolder(async (dir) => {
    const open = () => {
      const blockBytes = kibibytes * 1_024;
      const cache = new DiskCache({ dir, store: "a", blockBytes, bytesMax: 2 * 2 ** 30 });
      return cached(bucket, { cache, isImmutable: () => true });
    };
    await fill(open());
    const runs = [];
    for (let run = 0; run < RUNS; run++) runs.push(await readAll(open()));
    const of = (name) => round(median(runs.map((run) => run[name])));
    console.log(
      `${kibibytes} KiB: user ${of("user")} system ${of("system")} wall ${of("wall")} ms`,
    );
  });
}

async function fill(store) {
  for (let at = 0; at < TOTAL; at += 4 * PIECE) {
    await store.prefetch("a.seg", [at, Math.min(TOTAL, at + 4 * PIECE)]);
  }
  await store.cache[Symbol.asyncDispose]();
}

/** As a segment reads its vectors: one piece ahead, into memory that is there. */
async function readAll(store) {
  const memory = new Uint8Array(TOTAL).fill(1);
  const before = process.cpuUsage();
  const startMs = performance.now();
  const piece = (start) => {
    const end = Math.min(TOTAL, start + PIECE);
    return store.get("a.seg", { range: [start, end], target: memory.subarray(start, end) });
  };
  let next = piece(OFFSET);
  for (let at = OFFSET; at < TOTAL; at += PIECE) {
    await next;
    if (at + PIECE < TOTAL) next = piece(at + PIECE);
  }
  const wall = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  if (store.cache.counters.misses > 0) throw new Error("a block was missing");
  return { user: user / 1_000, system: system / 1_000, wall };
}
