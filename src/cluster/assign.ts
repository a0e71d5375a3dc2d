import { partitionName } from "../format/hash-id.ts";
import type { Assignment } from "../format/assignment.ts";
import { ConsistentHashRing } from "./consistent-hash-ring.ts";

/*
 * Which instance is to own which partition. This file decides and does nothing else.
 *
 * The answer follows from the set of instances alone, by the ring that `AffinityPartitioner` asks
 * too: everybody who sees the same instances says the same, and one that comes or goes moves its
 * own share and nothing else.
 */

/** Partitions by instance id, for at least one instance. */
export function assignPartitions(
  instanceIds: readonly string[],
  partitionCount: number,
): ReadonlyMap<string, readonly number[]> {
  const ring = new ConsistentHashRing(instanceIds);
  const partitions = new Map<string, number[]>();
  for (const id of [...new Set(instanceIds)].toSorted()) partitions.set(id, []);
  for (let partition = 0; partition < partitionCount; partition++) {
    partitions.get(ring.getNode(partitionName(partition)))!.push(partition);
  }
  return partitions;
}

/** Whether an assignment is the one for these instances. */
export function isAssignmentOf(
  assignment: Assignment,
  instanceIds: readonly string[],
  partitionCount: number,
): boolean {
  const members = new Set(instanceIds);
  return (
    assignment.partitionCount === partitionCount &&
    assignment.partitions.size === members.size &&
    [...assignment.partitions.keys()].every((id) => members.has(id))
  );
}

/** The instance that is to own a partition. */
export function assignedTo(assignment: Assignment, partition: number): string | undefined {
  for (const [id, partitions] of assignment.partitions) {
    if (partitions.includes(partition)) return id;
  }
  return undefined;
}
