// Requests of each operation on a real S3 server, counted where they are sent, and what they cost at
// public prices. BRAINY_BENCH_COUNT: records of the large ingest (100,000), from which that of a
// million follows. Nothing here is timed.
import { setTimeout as sleep } from "node:timers/promises";
import { loadavg } from "node:os";
import { DIMENSIONS, dist, records, report, round, vectorPool } from "./support/report.mjs";
import { difference, newBucket, requestsOf, s3Server, usd } from "./support/s3.mjs";

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 100_000);
const SINGLE = 50;
const loadBefore = loadavg();
const { Brainy } = await import(dist("index.js"));
const { seededRandom } = await import(dist("base/random.js"));

const server = s3Server();
const pool = vectorPool(1_000, seededRandom(1));
const operations = {};

/** What `run` sends, `times` times over, on average. */
async function measure(name, brain, run, times = 1) {
  const before = requestsOf(brain);
  for (let i = 0; i < times; i++) await run(i);
  const all = difference(requestsOf(brain), before);
  const each = Object.fromEntries(
    Object.entries(all).map(([kind, n]) => [kind, round(n / times, 2)]),
  );
  operations[name] = { ...each, usdPerMillion: round(usd(all) * (1e6 / times), 2) };
}

/** Without a poll or a compaction of its own: what is counted is what was asked for. */
const quiet = { pollInterval: 0, compaction: false };

async function ofEachOperation() {
  const storage = await newBucket(server);
  const brain = new Brainy({ storage, ...quiet });
  await measure("open an empty bucket", brain, () => brain.init());
  await measure("first add (probe, settings, lane)", brain, () =>
    brain.add(pool[0], {}, { id: "a" }),
  );
  await measure("add", brain, (i) => brain.add(pool[i], { i }, { id: `a${i}` }), SINGLE);
  await measure("update", brain, (i) => brain.update(`a${i}`, { metadata: { i: -i } }), SINGLE);
  await measure("delete", brain, (i) => brain.delete(`a${i}`), SINGLE);
  // One partition, so that only the first has to take it.
  const versions = [];
  const once = { id: "once", ifAbsent: true };
  await measure("first conditional operation of a partition", brain, () =>
    brain.add(pool[0], {}, once),
  );
  const current = async () => (await brain.get("once")).version;
  versions.push(await current());
  await measure(
    "update with ifVersion",
    brain,
    async (i) => {
      await brain.update("once", { metadata: { i } }, { ifVersion: versions.at(-1) });
      versions.push(await current());
    },
    SINGLE,
  );
  await measure("addMany of 1,000", brain, () => brain.addMany(records(1_000, pool)), 10);
  await measure("compact", brain, () => brain.compact());
  await measure("get", brain, (i) => brain.get(`record-${i}`), SINGLE);
  await measure("search, first (reads vectors)", brain, () => brain.search(pool[1], 10));
  await measure("search", brain, (i) => brain.search(pool[i], 10), SINGLE);
  const vectors = { include: ["metadata"] };
  await measure("search without texts", brain, (i) => brain.search(pool[i], 10, vectors), SINGLE);
  const strong = { consistency: "strong", include: ["metadata"] };
  await measure("strong get", brain, (i) => brain.get(`record-${i}`, strong), SINGLE);
  await measure("count", brain, () => brain.count(), SINGLE);
  await measure("checkpoint", brain, () => brain.checkpoint("now"));
  const readers = { storage, readOnly: true, pollInterval: 0 };
  const reader = new Brainy(readers);
  await measure("open a database of 10,000 records", reader, () => reader.init());
  await measure(
    "a look at a store where nothing is new",
    reader,
    () => reader.get("none", strong),
    SINGLE,
  );
  await reader.close();
  await measure("close", brain, () => brain.close());
}

/** One heartbeat, without the looks at the log. */
async function ofHeartbeat() {
  const storage = await newBucket(server);
  const seed = new Brainy({ storage, ...quiet });
  await seed.add(pool[0]);
  await seed.close();
  const distributed = { role: "reader", heartbeatInterval: 1_000 };
  const brain = new Brainy({ storage, pollInterval: 0, distributed });
  await brain.init();
  const before = requestsOf(brain);
  await sleep(10_500);
  const all = difference(requestsOf(brain), before);
  const beats = Math.max(1, all.put);
  const each = Object.fromEntries(
    Object.entries(all).map(([kind, n]) => [kind, round(n / beats, 2)]),
  );
  operations.heartbeat = { ...each, usdPerMillion: round(usd(all) * (1e6 / beats), 2) };
  await brain.close();
}

/** Ingest with compaction, to the end of both. */
async function ofMillion() {
  const storage = await newBucket(server);
  const brain = new Brainy({ storage, pollInterval: 0 });
  const { added } = await brain.addMany(records(COUNT, pool));
  if (added !== COUNT) throw new Error(`${added} of ${COUNT} records were added`);
  await brain.close();
  const requests = requestsOf(brain);
  return {
    records: added,
    dimensions: DIMENSIONS,
    requests,
    usdPerMillionRecords: round((usd(requests) * 1e6) / added, 5),
  };
}

await ofEachOperation();
await ofHeartbeat();
const addMany = await ofMillion();
const [add] = [operations.add];
report(
  "costs",
  {
    operations,
    addMany: { ...addMany, isCheapEnough: addMany.usdPerMillionRecords <= 0.01 },
    singleAdds: { usdPerMillionRecords: add.usdPerMillion },
  },
  loadBefore,
);
