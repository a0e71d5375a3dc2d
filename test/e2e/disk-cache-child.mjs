/*
 * One of several processes that share the folder of a disk cache. Each has the same objects in a
 * store of its own, reads at random and compares every byte. It says how far it is, and at the end
 * what its cache counted.
 */
import { seededRandom, randomInteger } from "../../dist/base/random.js";
import { DiskCache } from "../../dist/storage/adapters/disk-cache.js";
import { MemoryStore } from "../../dist/storage/adapters/memory.js";
import { cached } from "../../dist/storage/layers/cached.js";

const [dir, seedText, readsText, bytesMaxText, blockBytesText] = process.argv.slice(2);
const blockBytes = Number(blockBytesText);
const OBJECTS = 6;
const OBJECT_BYTES = 20 * blockBytes + 123;

const bucket = new MemoryStore();
const objects = [];
for (let i = 0; i < OBJECTS; i++) {
  const bytes = new Uint8Array(OBJECT_BYTES).map((_, at) => at * 31 + (at >>> 8) * 7 + i);
  objects.push(Buffer.from(bytes));
  await bucket.put(`${i}.seg`, bytes);
}
const cache = new DiskCache({ dir, store: "shared", bytesMax: Number(bytesMaxText), blockBytes });
const store = cached(bucket, { cache, isImmutable: () => true });
const random = seededRandom(Number(seedText));
const reads = Number(readsText);
for (let read = 0; read < reads; read++) {
  const i = randomInteger(random, OBJECTS);
  const start = randomInteger(random, OBJECT_BYTES);
  const end = Math.min(OBJECT_BYTES, start + randomInteger(random, 4 * blockBytes));
  const found = await store.get(`${i}.seg`, { range: [start, end] });
  if (!objects[i].subarray(start, end).equals(found.bytes)) {
    throw new Error(`object ${i}, bytes ${start} to ${end}: wrong`);
  }
  if (read % 20 === 0) process.send({ read });
}
await store[Symbol.asyncDispose]();
process.send({ counters: cache.counters }, () => process.disconnect());
