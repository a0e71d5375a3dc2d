import type { Clock } from "../base/clock.ts";
import { ulidFactory } from "../base/ids.ts";
import type { Random } from "../base/random.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { JobContext } from "./compaction-job-context.ts";
import { runFlush } from "./compaction-job-flush.ts";
import { runMerge } from "./compaction-job-merge.ts";
import type { CompactionJob, CompactionResult } from "./compaction.ts";
import { Pacer } from "./pacer.ts";
import { foldFor } from "./record-fold.ts";

/** A job, and all that it may touch. */
export interface CompactionJobOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly job: CompactionJob;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does the work of one job. Only new objects are written, and none is deleted: whether it counts
 * is decided later, by a manifest. Gives the event loop back every two milliseconds.
 *
 * Rejects with `BRAINY_CONFLICT` when something the base names is gone: a newer manifest has
 * overtaken the job. Spec: docs/specs/compaction.md.
 */
export function runCompactionJob(options: CompactionJobOptions): Promise<CompactionResult> {
  const { store, clock, random, job, signal } = options;
  const pacer = new Pacer(clock, signal);
  const fold = foldFor(job.limits.conflictResolution);
  const newUlid = ulidFactory(clock, random);
  const context: JobContext = { store, job, fold, pacer, signal, newUlid };
  return job.kind === "flush" ? runFlush(context, job) : runMerge(context, job);
}
