import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { leaseKey } from "../format/keys.ts";
import { decodeLease, encodeLease, type Lease } from "../format/lease.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { replaceOnce } from "./replace-once.ts";

/** A lease, and the version of its object. */
export interface StoredLease {
  readonly lease: Lease;
  readonly etag: Etag;
}

/** `undefined` while the partition never had an owner. One GET. */
export async function readLease(options: {
  readonly store: ObjectStore;
  readonly databaseId: string;
  readonly partition: number;
}): Promise<StoredLease | undefined> {
  const { store, databaseId, partition } = options;
  const key = leaseKey(partition);
  const found = await store.get(key);
  if (found === undefined) return undefined;
  const lease = decodeLease(found.bytes, key);
  if (lease.databaseId !== databaseId) {
    throw new BrainyError("BRAINY_FENCED", `${key} belongs to database ${lease.databaseId}`);
  }
  return { lease, etag: found.etag };
}

/** Puts `lease` in the place of exactly what was read: nothing, or the version `etag`. */
export async function swapLease(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly lease: Lease;
  readonly etag: Etag | undefined;
}): Promise<"won" | "lost"> {
  const { store, clock, random, lease, etag } = options;
  const key = leaseKey(lease.partition);
  const bytes = encodeLease(lease);
  if (etag !== undefined) return replaceOnce({ store, clock, random, key, bytes, etag });
  return (await createOnce({ store, clock, random, key, bytes })).kind;
}
