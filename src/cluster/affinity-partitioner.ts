import { invalid } from "../base/errors.ts";
import { HASH_PARTITIONER, partitionName } from "../format/hash-id.ts";
import { ConsistentHashRing } from "./consistent-hash-ring.ts";
import { HashPartitioner, type PartitionerConfig } from "./hash-partitioner.ts";

/** Which writer asks, and which writers there are. */
export interface AffinityOptions {
  readonly instanceId: string;
  /** Instance ids of all writers, this one among them, in any order. */
  readonly writers: readonly string[];
}

/**
 * Partitions by hash, like `HashPartitioner`, and says which of them this writer prefers: each
 * partition is preferred by exactly one writer, and few change when writers come or go. A
 * preference tells where to send a record first. It never changes where the record belongs.
 */
export class AffinityPartitioner extends HashPartitioner {
  /** Names of the partitions that this writer prefers, in order. */
  readonly preferredPartitions: ReadonlySet<string>;

  constructor(config: PartitionerConfig, { instanceId, writers }: AffinityOptions) {
    super(config);
    if (!writers.includes(instanceId)) {
      throw invalid(`${JSON.stringify(instanceId)} is none of the writers ${writers.join(", ")}`);
    }
    const ring = new ConsistentHashRing(writers);
    const names = Array.from({ length: this.partitionCount }, (_, i) => partitionName(i));
    this.preferredPartitions = new Set(names.filter((name) => ring.getNode(name) === instanceId));
  }

  /** Records belong where they always did: a database need not know of preferences. */
  override get name(): string {
    return HASH_PARTITIONER;
  }

  /** Whether this writer prefers the partition of this id. */
  prefers(id: string): boolean {
    return this.preferredPartitions.has(this.getPartition(id));
  }
}
