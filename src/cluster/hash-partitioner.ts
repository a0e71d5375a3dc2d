import { encodeText } from "../base/bytes.ts";
import { checksum64 } from "../base/checksum.ts";
import { invalid } from "../base/errors.ts";
import { PARTITIONS_MAX } from "../format/config.ts";
import { HASH_PARTITIONER, partitionName } from "../format/hash-id.ts";

/** How many partitions there are: said directly, or as what `getDistributedConfig()` returns. */
export type PartitionerConfig =
  | { readonly partitionCount: number }
  | { readonly settings: { readonly partitionCount?: number | undefined } };

/**
 * Maps ids to partitions by hash: the same id to the same partition, in every process and in
 * every release. Extend it and override `getPartition` to place some ids by hand.
 *
 * @example
 * ```ts
 * import { HashPartitioner } from "brainy/distributed";
 *
 * const partitioner = new HashPartitioner({ partitionCount: 100 });
 * console.log(partitioner.getPartition("some id"));
 * ```
 */
export class HashPartitioner {
  readonly partitionCount: number;

  constructor(config: PartitionerConfig) {
    const count = "settings" in config ? config.settings.partitionCount : config.partitionCount;
    if (count === undefined || !Number.isInteger(count) || count < 1 || count > PARTITIONS_MAX) {
      throw invalid(
        `partitionCount: ${String(count)} is not a whole number from 1 to ${PARTITIONS_MAX}`,
      );
    }
    this.partitionCount = count;
  }

  /**
   * Fixed with the database, so that no process places records in another way: that of the class.
   * Override it where a bundler renames classes.
   */
  get name(): string {
    return this.constructor === HashPartitioner ? HASH_PARTITIONER : this.constructor.name;
  }

  /** `vectors/p000` to `vectors/p999`: XXH64 of the id's UTF-8, modulo the number of partitions. */
  getPartition(id: string): string {
    return partitionName(Number(checksum64(encodeText(id)) % BigInt(this.partitionCount)));
  }
}
