import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { LEASE_PREFIX, leaseKey, parseLeaseKey } from "../format/keys.ts";
import { decodeLease, encodeLease, type Lease } from "../format/lease.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { getDecoded } from "./get-decoded.ts";
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
  const found = await getDecoded(store, key, ({ bytes, etag }) => ({
    lease: decodeLease(bytes, key),
    etag,
  }));
  if (found === undefined || found.lease.databaseId === databaseId) return found;
  throw new BrainyError("BRAINY_FENCED", `${key} belongs to database ${found.lease.databaseId}`);
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

/** Leases at once that are read: enough to hide a store's latency. */
const READS_AT_ONCE = 16;

/** All leases that there are, by partition. One LIST, and a GET for each. */
export async function listLeases(
  store: ObjectStore,
  databaseId: string,
): Promise<ReadonlyMap<number, Lease>> {
  const partitions: number[] = [];
  for await (const { objects } of store.list({ prefix: LEASE_PREFIX })) {
    for (const { key } of objects) {
      const partition = parseLeaseKey(key);
      if (partition !== undefined) partitions.push(partition);
    }
  }
  const leases = new Map<number, Lease>();
  for (let start = 0; start < partitions.length; start += READS_AT_ONCE) {
    const batch = partitions.slice(start, start + READS_AT_ONCE);
    const read = await Promise.all(
      batch.map((partition) => readLease({ store, databaseId, partition })),
    );
    for (const stored of read) if (stored) leases.set(stored.lease.partition, stored.lease);
  }
  return leases;
}
