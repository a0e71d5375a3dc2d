import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import type { RequestCounters } from "../layers/metered.ts";
import { retrying } from "../layers/retrying.ts";
import type { ObjectStore } from "../object-store.ts";
import type { S3StoreOptions } from "./s3-options.ts";
import { S3Store } from "./s3.ts";

/** A bucket that is ready for use. */
export interface OpenedS3 {
  /** Repeats what is safe to repeat, `maxRetries` times. */
  readonly store: ObjectStore;
  /** Requests really sent, repetitions included. Live. */
  readonly counters: RequestCounters;
}

/**
 * Opens a bucket the way a database uses it: `S3Store`, and around it the layer that repeats what
 * was not answered. Sends nothing yet. Whoever is going to write calls `probeStore` first.
 */
export async function openS3(options: S3StoreOptions): Promise<OpenedS3> {
  const s3 = await S3Store.open(options);
  const { clock = systemClock, random = systemRandom } = options;
  const store = retrying(s3, { clock, random, attemptsMax: s3.attemptsMax });
  return { store, counters: s3.counters };
}
