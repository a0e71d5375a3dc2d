import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { systemClock, type Clock } from "../../base/clock.ts";
import { BrainyError } from "../../base/errors.ts";
import type { RequestCounters } from "../../storage/layers/metered.ts";
import type { StoreDescriptor } from "../../storage/object-store.ts";
import type { CompactionJob, CompactionResult, Executor } from "../compaction.ts";
import type { WorkerReply, WorkerRequest, WorkerSettings } from "./worker-messages.ts";

/** A worker with nothing to do is ended after this long: it holds some 30 MB. */
const IDLE_MS = 30_000;

/** How long an aborted job may take to stop by itself before its worker is ended. */
const ABORT_GRACE_MS = 2_000;

/** Far above what the job's own bound allows, so that only a fault of ours reaches it. */
const HEAP_MB = 4096;

const ENTRY = new URL("./worker-entry.js", import.meta.url);

/** What a worker is started with. */
export interface WorkerExecutorOptions {
  /** From `ObjectStore.descriptor`: the worker opens the same store for itself. */
  readonly descriptor: StoreDescriptor;
  /** Of the names that jobs give, for replays. Default: the process's own randomness. */
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Hears what jobs have sent to a store that charges, when they end. */
  readonly onRequests?: ((requests: RequestCounters) => void) | undefined;
}

/** `false` when running from TypeScript sources, where the worker's entry is not compiled. */
export function workerAvailable(): boolean {
  return existsSync(fileURLToPath(ENTRY));
}

/**
 * Runs jobs in a worker thread, which is started for the first of them. It holds the process
 * open only while a job runs. When it dies its jobs reject with `BRAINY_UNAVAILABLE`, having
 * changed nothing that counts, and the next job starts another.
 */
export function workerExecutor(options: WorkerExecutorOptions): Executor {
  return new WorkerExecutor(options);
}

interface Pending {
  readonly resolve: (result: CompactionResult) => void;
  readonly reject: (error: unknown) => void;
}

class WorkerExecutor implements Executor {
  readonly name = "worker";
  readonly #settings: WorkerSettings;
  readonly #clock: Clock;
  readonly #onRequests: ((requests: RequestCounters) => void) | undefined;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #idle: AbortController | undefined;
  #lastId = 0;
  #starts = 0;
  #isDisposed = false;

  constructor({ descriptor, seed, clock = systemClock, onRequests }: WorkerExecutorOptions) {
    this.#onRequests = onRequests;
    this.#settings = { descriptor, seed };
    this.#clock = clock;
  }

  async run(job: CompactionJob, signal?: AbortSignal): Promise<CompactionResult> {
    signal?.throwIfAborted();
    if (this.#isDisposed) throw new BrainyError("BRAINY_CLOSED", "the executor was disposed");
    this.#idle?.abort();
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const id = ++this.#lastId;
    const onAbort = (): void => void this.#abort(worker, id);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await new Promise<CompactionResult>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        worker.postMessage({ type: "run", id, job } satisfies WorkerRequest);
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(id);
      if (this.#pending.size === 0 && this.#worker === worker) this.#rest(worker);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#idle?.abort();
    await this.#worker?.terminate();
  }

  #start(): Worker {
    // Another seed each time: ids of two workers must not be equal.
    const { descriptor, seed } = this.#settings;
    const next = seed === undefined ? undefined : seed + this.#starts++;
    const workerData: WorkerSettings = { descriptor, seed: next };
    const worker = new Worker(ENTRY, {
      workerData,
      name: "brainy-compaction",
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.on("message", (reply: WorkerReply) => this.#settle(reply));
    worker.on("error", (cause) => this.#lose(worker, cause));
    worker.on("exit", () => this.#lose(worker, undefined));
    return worker;
  }

  #settle(reply: WorkerReply): void {
    if (reply.requests !== undefined) this.#onRequests?.(reply.requests);
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    if (reply.type === "done") pending.resolve(reply.result);
    else if (reply.code === undefined) pending.reject(new Error(reply.message));
    else pending.reject(new BrainyError(reply.code, reply.message));
  }

  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const error = new BrainyError(
      "BRAINY_UNAVAILABLE",
      "the compaction worker ended before its job did; the next job starts another",
      { cause },
    );
    for (const { reject } of this.#pending.values()) reject(error);
  }

  async #abort(worker: Worker, id: number): Promise<void> {
    worker.postMessage({ type: "abort", id } satisfies WorkerRequest);
    await this.#clock.sleep(ABORT_GRACE_MS);
    if (this.#pending.has(id)) await worker.terminate();
  }

  /** Unreferenced at once, ended when nothing comes for a while. */
  #rest(worker: Worker): void {
    worker.unref();
    const idle = (this.#idle = new AbortController());
    this.#clock.sleep(IDLE_MS, idle.signal).then(
      () => {
        if (this.#pending.size === 0 && this.#worker === worker) {
          this.#worker = undefined;
          void worker.terminate();
        }
      },
      () => undefined,
    );
  }
}
