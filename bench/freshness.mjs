// How long after its acknowledgement in one process a record is seen in another, on a real S3
// server: by polling, by hints through the store and over WebSocket, and by strong reads.
import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { newBucket, s3Server } from "./support/s3.mjs";
import { dist, median, quantile, report, round } from "./support/report.mjs";

const { Brainy } = await import(dist("index.js"));
const { HintRelay } = await import(dist("distributed.js"));
const { seededRandom } = await import(dist("base/random.js"));

const COUNT = Number(process.env.BRAINY_BENCH_COUNT ?? 200);
const CHILD = fileURLToPath(new URL("support/freshness-child.mjs", import.meta.url));
const loadBefore = loadavg();
const random = seededRandom(1);

/** Milliseconds of a clock that all processes of a machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

function percentiles(values) {
  return {
    samples: values.length,
    p50: round(median(values)),
    p99: round(quantile(values, 0.99)),
    max: round(Math.max(...values)),
  };
}

/** `pauseMs` is between writes, at random from nothing to twice as much. */
async function measure(server, { count, pauseMs, consistency, coordination = {} }) {
  const storage = await newBucket(server);
  const open = { storage, coordination };
  const writer = new Brainy({
    storage,
    distributed: { role: "writer", instanceId: "writer", ...coordination },
  });
  await writer.add([0, 1], {}, { id: "first" });
  const reader = fork(CHILD, [JSON.stringify(open)]);
  await once(reader, "message");
  while (coordination.coordinationMethod && !writer.getMetrics().hints.connected) await wait(10);
  const latencies = [];
  for (let i = 0; i < count; i++) {
    await wait(2 * pauseMs * random.next());
    const id = `record-${i}`;
    // Told before, so that what is measured is not how long telling takes.
    if (consistency === undefined) reader.send({ watch: id });
    await writer.add([i, 1], {}, { id });
    const acknowledgedMs = now();
    if (consistency !== undefined) reader.send({ read: id, consistency });
    const [{ seenMs, tookMs }] = await once(reader, "message");
    latencies.push(tookMs ?? Math.max(0, seenMs - acknowledgedMs));
  }
  reader.send({ close: true });
  const [{ requests }] = await once(reader, "message");
  await writer.close();
  const count100 = (kind) => round((100 * requests[kind].requests) / count, 0);
  const per100 = Object.fromEntries(["list", "head", "get", "put"].map((k) => [k, count100(k)]));
  return { latencyMs: percentiles(latencies), readerRequestsPer100Records: per100 };
}

const server = s3Server();
const relay = new HintRelay({ port: 0 });
const webSocket = { coordinationMethod: "websocket", coordinator: await relay.start() };
const few = Math.ceil(COUNT / 4);
const results = {
  polling: await measure(server, { count: few, pauseMs: 500 }),
  throughStore: await measure(server, {
    count: few,
    pauseMs: 500,
    coordination: { coordinationMethod: "s3-polling" },
  }),
  webSocket: await measure(server, { count: COUNT, pauseMs: 100, coordination: webSocket }),
  webSocketBackToBack: await measure(server, {
    count: COUNT,
    pauseMs: 0,
    coordination: webSocket,
  }),
  strongRead: await measure(server, { count: COUNT, pauseMs: 50, consistency: "strong" }),
};
await relay.close();
report("freshness", results, loadBefore);
