import { invalid } from "./base/errors.ts";
import type { HashPartitioner } from "./cluster/hash-partitioner.ts";
import type { Placement } from "./engine/placement.ts";
import { HASH_PARTITIONER, partitionName, partitionOfName } from "./format/hash-id.ts";

/** What a partitioner of the user's says, checked; `undefined` where the usual one says the same. */
export function placementBy(partitioner: HashPartitioner | undefined): Placement | undefined {
  if (partitioner === undefined || partitioner.name === HASH_PARTITIONER) return undefined;
  const { name, partitionCount } = partitioner;
  return (id) => {
    const place: unknown = partitioner.getPartition(id);
    const partition = typeof place === "string" ? partitionOfName(place) : undefined;
    if (partition !== undefined && partition < partitionCount) return partition;
    const last = partitionName(partitionCount - 1);
    throw invalid(
      `partitioner ${name}: ${JSON.stringify(place)}, the partition of ${JSON.stringify(id)}, ` +
        `is none of vectors/p000 to ${last}`,
    );
  };
}
