import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../base/assert.ts";
import { systemClock } from "../../base/clock.ts";
import { isBrainyError } from "../../base/errors.ts";
import { seededRandom, systemRandom } from "../../base/random.ts";
import type { RequestCounters } from "../../storage/layers/metered.ts";
import { openRetrying } from "../../storage/open-store.ts";
import { takeRequests } from "../../storage/request-sums.ts";
import { runCompactionJob } from "../compaction-job.ts";
import type { CompactionJob } from "../compaction.ts";
import type { WorkerReply, WorkerRequest, WorkerSettings } from "./worker-messages.ts";

/*
 * The worker's side: opens its own store on the first job and runs what it is sent. It holds
 * nothing between jobs that matters, so it may be killed at any moment.
 */

// Where cores are few, whoever writes or searches goes first. Process 0 means the calling thread
// on Linux alone; elsewhere this would slow the whole process down.
if (process.platform === "linux") {
  try {
    setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // A sandbox that forbids it loses the politeness and nothing else.
  }
}

const port = parentPort;
assert(port !== null, "runs in a worker thread only");
const { descriptor, seed } = workerData as WorkerSettings;
const random = seed === undefined ? systemRandom : seededRandom(seed);
const running = new Map<number, AbortController>();
let opening: ReturnType<typeof openRetrying> | undefined;

port.on("message", (request: WorkerRequest) => {
  if (request.type === "abort") running.get(request.id)?.abort();
  else void run(request.id, request.job);
});

async function run(id: number, job: CompactionJob): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  const { signal } = controller;
  try {
    opening ??= openRetrying(descriptor, { clock: systemClock, random });
    const { store } = await opening;
    const result = await runCompactionJob({ store, clock: systemClock, random, job, signal });
    reply({ type: "done", id, result, requests: await sinceLastReply() });
  } catch (error) {
    const code = isBrainyError(error) ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    reply({ type: "failed", id, code, message, requests: await sinceLastReply() });
  } finally {
    running.delete(id);
  }
}

async function sinceLastReply(): Promise<RequestCounters | undefined> {
  const opened = await opening?.catch(() => undefined);
  return opened?.counters && takeRequests(opened.counters);
}

function reply(message: WorkerReply): void {
  port?.postMessage(message);
}
