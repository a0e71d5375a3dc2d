import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { runCompactionJob } from "./compaction-job.ts";
import type { Executor } from "./compaction.ts";

/** Runs jobs on this thread, in slices of a few milliseconds. */
export function inlineExecutor(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
}): Executor {
  return {
    name: "inline",
    run: (job, signal) => runCompactionJob({ ...options, job, signal }),
    async [Symbol.asyncDispose]() {},
  };
}
