import { dist, records, vectorPool } from "./report.mjs";

const { Brainy } = await import(dist("index.js"));
const { seededRandom } = await import(dist("base/random.js"));

/** A compacted database of `count` records. */
export async function buildFolder(folder, count) {
  const pool = vectorPool(10_000, seededRandom(1));
  const brain = new Brainy({ storage: folder });
  const { added } = await brain.addMany(records(count, pool));
  if (added !== count) throw new Error(`${added} of ${count} records were added`);
  await brain.compact();
  await brain.close();
}
