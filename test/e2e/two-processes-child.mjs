/*
 * One of several processes that use one folder. Its arguments say which, how much it writes and
 * whether it compacts meanwhile. It says "ready", waits for "go", writes, and tells each id once
 * that is acknowledged.
 */
import { Brainy } from "../../dist/index.js";

const [folder, name, countText, ...flags] = process.argv.slice(2);
const count = Number(countText);
const brain = new Brainy({ storage: folder, batching: { size: 20 } });
const vectorOf = (i) => [i + 1, name.charCodeAt(0), 1, 1];

async function addSome() {
  for (let start = 0; start < count; start += 10) {
    const records = Array.from({ length: Math.min(10, count - start) }, (_, i) => ({
      id: `${name}${start + i}`,
      vector: vectorOf(start + i),
      metadata: { by: name, n: start + i },
    }));
    await brain.addMany(records);
    process.send({ acknowledged: records.map(({ id }) => id) });
  }
}

async function compactSome() {
  for (let i = 0; i < 5; i++) await brain.compact();
}

async function onMessage() {
  await Promise.all([addSome(), flags.includes("compact") ? compactSome() : undefined]);
  if (flags.includes("stay")) return;
  await brain.close();
  process.send({ closed: true }, () => process.disconnect());
}

process.once("message", () => void onMessage());
await brain.init();
process.send({ ready: true });
