import type { Clock } from "./base/clock.ts";
import type { PartitionOwners } from "./cluster/partition-owners.ts";
import type { Registry } from "./cluster/registry.ts";
import { assignedTo } from "./cluster/assign.ts";
import type { Database } from "./engine/database.ts";
import type { Freshness } from "./engine/freshness.ts";
import { listLeases } from "./engine/lease-store.ts";
import { placementOf, type Placement } from "./engine/placement.ts";
import { countByPartition } from "./engine/records.ts";
import { partitionName } from "./format/hash-id.ts";
import type { LeaseOwner } from "./format/lease.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import type { PartitionInfo, PartitionOwner } from "./types.ts";

/** Where partitions are looked for, and who is asked about their owners. */
export interface DiscoveryOptions {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly placement: Placement | undefined;
  /** `undefined`: no fleet. */
  readonly owners: PartitionOwners | undefined;
  readonly registry: Registry | undefined;
}

/** Partitions with records, or whose conditional operations somebody decides, in order. */
export async function discoverPartitions(options: DiscoveryOptions): Promise<PartitionInfo[]> {
  const { database, store, clock, freshness, owners } = options;
  const counts = await database.read(freshness, async (view) => {
    const settings = database.config?.settings;
    if (settings === undefined) return [];
    const { partitionCount } = settings;
    const partitionOf = placementOf(settings, options.placement);
    return countByPartition(view.fullSnapshot(), { clock, partitionOf, partitionCount });
  });
  if (database.config === undefined) return [];
  const { databaseId } = database.config.settings;
  const [leases, assignment] = await Promise.all([listLeases(store, databaseId), owners?.read()]);
  const found: PartitionInfo[] = [];
  for (const [partition, records] of counts.entries()) {
    const lease = leases.get(partition);
    if (records === 0 && lease?.owner === undefined) continue;
    const assigned = assignment && assignedTo(assignment, partition);
    found.push({
      partition: partitionName(partition),
      records,
      ...(lease?.owner && { owner: ownerOf(lease.owner, lease.epoch, options) }),
      ...(assigned !== undefined && { assignedTo: assigned }),
    });
  }
  return found;
}

function ownerOf(
  { holder, instanceId, endpoint }: LeaseOwner,
  epoch: number,
  { database, registry }: DiscoveryOptions,
): PartitionOwner {
  const isOwn = holder === database.incarnation;
  const status = isOwn ? "active" : (registry?.statusOf(holder) ?? "unknown");
  return { instanceId, ...(endpoint !== undefined && { endpoint }), epoch, status };
}
