// One writer of bench/throughput.mjs: says that it is ready, waits to be let go, says what it did.
// MODE is `brainy`, or `plain:SLOTS` for a loop of so many PUTs of BYTES together, one at a time.
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { dist, records, vectorPool } from "./report.mjs";
import { requestsOf, s3Client } from "./s3.mjs";

const [mode, index, count, storageText, bytes] = process.argv.slice(2);
const storage = JSON.parse(storageText);
const { seededRandom } = await import(dist("base/random.js"));

function go() {
  const told = new Promise((resolve) => {
    process.once("message", resolve);
  });
  process.send("ready");
  return told;
}

if (mode === "brainy") {
  const { Brainy } = await import(dist("index.js"));
  const pool = vectorPool(1_000, seededRandom(Number(index)));
  const brain = new Brainy({ storage, distributed: { role: "writer", instanceId: `w${index}` } });
  await brain.add(pool[0], {}, { id: `first-${index}` });
  const before = brain.getMetrics().log;
  await go();
  const own = (function* () {
    for (const record of records(Number(count), pool))
      yield { ...record, id: `${index}-${record.id}` };
  })();
  const { added } = await brain.addMany(own);
  if (added !== Number(count)) throw new Error(`${added} of ${count} records were added`);
  const { slotsWritten, bytesWritten } = brain.getMetrics().log;
  // Acknowledged: what compaction still does then counts as requests and not as time.
  const slots = slotsWritten - before.slotsWritten;
  const logBytes = bytesWritten - before.bytesWritten;
  process.send({ slots, logBytes });
  await brain.close();
  process.send(requestsOf(brain));
} else {
  const puts = Number(mode.split(":")[1]);
  const client = s3Client(storage);
  const body = new Uint8Array(Math.ceil(Number(bytes) / puts)).map((_, i) => i * 31);
  await go();
  for (let i = 0; i < puts; i++) {
    const input = { Bucket: storage.bucket, Key: `${index}/${i}`, Body: body, IfNoneMatch: "*" };
    await client.send(new PutObjectCommand(input));
  }
  process.send("done");
  client.destroy();
  process.send("no requests of interest");
}
process.disconnect();
