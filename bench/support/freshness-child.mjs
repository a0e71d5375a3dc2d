/*
 * A reader in a process of its own. Says when it first sees a record, by a clock that all
 * processes of a machine share, or how long a read of it takes.
 */
import { setTimeout as wait } from "node:timers/promises";
import { dist } from "./report.mjs";

const { Brainy } = await import(dist("index.js"));

const { storage, coordination } = JSON.parse(process.argv[2]);
const brain = new Brainy({
  storage,
  distributed: { role: "reader", instanceId: "reader", ...coordination },
});
const now = () => Number(process.hrtime.bigint()) / 1e6;

async function onMessage({ watch, read, consistency, close }) {
  if (close) {
    const { requests } = brain.getMetrics();
    await brain.close();
    process.send({ requests });
    process.disconnect();
  } else if (watch !== undefined) {
    // From memory: costs nothing, and asks the store for nothing.
    while (!(await brain.has(watch))) await wait(1);
    process.send({ seenMs: now() });
  } else {
    const startMs = now();
    const isThere = await brain.has(read, { consistency });
    process.send({ tookMs: isThere ? now() - startMs : Infinity });
  }
}

process.on("message", (message) => void onMessage(message));

await brain.init();
while (coordination.coordinationMethod && !brain.getMetrics().hints.connected) await wait(10);
process.send({ ready: true });
