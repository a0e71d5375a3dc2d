/*
 * Vectors of your own, in a folder, from a source that is read as it is written: `addMany` asks
 * the generator for more only as fast as the disk takes it.
 *
 *   node examples/own-vectors.mjs [folder]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Brainy } from "brainy";

const given = process.argv[2];
const folder = given ?? mkdtempSync(join(tmpdir(), "brainy-example-"));

/** Points on a circle; any async source does: a file, a cursor, a queue. */
async function* points(count) {
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * i) / count;
    const metadata = { degrees: (360 * i) / count };
    yield { id: `point-${i}`, vector: [Math.cos(angle), Math.sin(angle)], metadata };
  }
}

const brain = new Brainy({ storage: folder, dimensions: 2, metric: "euclidean" });
const { added } = await brain.addMany(points(3_600));
console.log(`${added} points in ${folder}`);
await brain.close();

// Another process would open it the same way. A reader writes nothing.
const reader = new Brainy({ storage: folder, readOnly: true });
for (const { id, distance, metadata } of await reader.search([0, 1], 3)) {
  console.log(id, metadata, distance.toFixed(5));
}
await reader.close();

if (given === undefined) rmSync(folder, { recursive: true });
