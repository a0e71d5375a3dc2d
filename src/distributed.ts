/*
 * `brainy/distributed`: the parts of a fleet that people customise.
 */

export { AffinityPartitioner, type AffinityOptions } from "./cluster/affinity-partitioner.ts";
export { ConsistentHashRing } from "./cluster/consistent-hash-ring.ts";
export type { EventBus, HintHandler } from "./cluster/event-bus.ts";
export type { Hint, HintType } from "./cluster/hint.ts";
export { HintRelay, type HintRelayOptions } from "./cluster/hint-relay.ts";
export { LocalEventBus } from "./cluster/local-event-bus.ts";
export { HashPartitioner, type PartitionerConfig } from "./cluster/hash-partitioner.ts";
export {
  HybridMode,
  OperationalMode,
  ReadOnlyMode,
  WriteOnlyMode,
  type CacheStrategy,
} from "./cluster/operational-mode.ts";
