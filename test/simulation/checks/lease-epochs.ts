import { hashId, partitionOfHash } from "../../../src/format/hash-id.ts";
import { leaseKey } from "../../../src/format/keys.ts";
import type { Lease } from "../../../src/format/lease.ts";
import type { Slot } from "../../../src/format/slot.ts";
import type { BucketCheck, BucketRecord, StoredObject } from "./bucket-record.ts";
import { claimOf } from "./manifest-chain.ts";

/** One lane at a time decides about a partition, and it has ended before another one does. */
export class LeaseEpochs implements BucketCheck {
  readonly #conditionalIds: ReadonlySet<string>;

  /** `conditionalIds`: ids that are written under conditions only. */
  constructor(conditionalIds: readonly string[]) {
    this.#conditionalIds = new Set(conditionalIds);
  }

  stored(object: StoredObject, record: BucketRecord): void {
    if (object.kind === "lease") checkSwap(object.lease, object.key, record);
    if (object.kind === "slot" && !object.isAgain) this.#checkDecisions(object.slot, record);
  }

  #checkDecisions({ lane, operations }: Slot, record: BucketRecord): void {
    for (const { id, version } of operations) {
      if (!this.#conditionalIds.has(id)) continue;
      const partition = partitionOfHash(hashId(id), record.partitionCount!);
      const lease = leaseOf(record, leaseKey(partition));
      const names = lease?.owner?.lane ?? "none";
      claimOf(version)(names === lane, `${id} is decided in ${lane}, its lease names ${names}`);
    }
  }
}

function leaseOf(record: BucketRecord, key: string): Lease | undefined {
  const found = record.objects.get(key);
  return found?.kind === "lease" ? found.lease : undefined;
}

function checkSwap(lease: Lease, key: string, record: BucketRecord): void {
  const claim = claimOf(`${key}, epoch ${lease.epoch}`);
  const before = leaseOf(record, key);
  claim(leaseKey(lease.partition) === key, `names partition ${lease.partition}`);
  claim(lease.epoch === (before?.epoch ?? 0) + 1, `follows epoch ${before?.epoch ?? 0}`);
  claim(lease.nonce !== before?.nonce, "has the nonce of the one before");
  const [from, to] = [before?.owner, lease.owner];
  if (to === undefined) claim(from !== undefined, "gives back what nobody had");
  if (from === undefined || to === undefined || from.lane === to.lane) return;
  claim(record.hasEnded(from.lane), `names ${to.lane} while ${from.lane} has not ended`);
}
