import { LANE_PATTERN, type LaneId } from "./version.ts";
import type { SegmentId } from "./manifest.ts";

/*
 * The layout of the bucket, and the only place that knows it, but for the scratch keys of the store probe. Numbers are zero-padded so that the
 * order of a LIST is their order. Only keys that match this grammar exactly are ever deleted.
 */

/** The shared settings. */
export const CONFIG_KEY = "_brainy/config.json";
/** What data depends on among them, for nobody to edit. */
export const FIXED_SETTINGS_KEY = "_brainy/fixed-settings.json";
/** Before the instance id of an operator's overrides. */
export const OVERRIDES_PREFIX = "_brainy/instances/";
/** Before every manifest's number. */
export const MANIFEST_PREFIX = "_brainy/manifests/";
/** Before every slot's lane and number. */
export const WAL_PREFIX = "_brainy/wal/";
/** Before every checkpoint's name. */
export const CHECKPOINT_PREFIX = "_brainy/checkpoints/";
/** Before the instance id of every heartbeat. */
export const HEARTBEAT_PREFIX = "_brainy/heartbeats/";
/** Before every partition's lease, and the assignment of partitions. */
export const LEASE_PREFIX = "_brainy/leases/";
/** Which instance is to own which partition. */
export const ASSIGNMENT_KEY = "_brainy/leases/assignment.json";
/** Before every batch of hints that goes through the store. */
export const EVENT_PREFIX = "_brainy/events/";
/** Before the folder of every segment and deletion vector. */
export const SEGMENT_PREFIX = "vectors/";

const NUMBER = /^\d{16}$/;
const ULID = "[0-9A-HJKMNP-TV-Z]{26}";
const SEGMENT = new RegExp(`^vectors/p\\d{3}-p\\d{3}/(${ULID})\\.(seg|del)$`);
const HEARTBEAT = new RegExp(`^_brainy/heartbeats/([A-Za-z0-9_-]{1,64})\\.(${ULID})\\.json$`);
const LEASE = /^_brainy\/leases\/p(\d{3})\.json$/;
const EVENT = new RegExp(`^_brainy/events/${ULID}\\.json$`);
const CHECKPOINT = /^_brainy\/checkpoints\/([A-Za-z0-9_-]{1,64})\.json$/;

/** Sixteen digits: every safe integer fits. */
export function padNumber(number: number): string {
  return String(number).padStart(16, "0");
}

/** Key of the manifest of this number. */
export function manifestKey(number: number): string {
  return `${MANIFEST_PREFIX}${padNumber(number)}.json`;
}

/** `undefined` for keys that are no manifest's. */
export function parseManifestKey(key: string): number | undefined {
  if (!key.startsWith(MANIFEST_PREFIX) || !key.endsWith(".json")) return undefined;
  const digits = key.slice(MANIFEST_PREFIX.length, -".json".length);
  return parseNumber(digits);
}

/** Sixteen digits can say more than a number holds: nobody here ever counted that far. */
function parseNumber(digits: string): number | undefined {
  const number = NUMBER.test(digits) ? Number(digits) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Before the number of every slot of a lane. */
export function lanePrefix(lane: LaneId): string {
  return `${WAL_PREFIX}${lane}/`;
}

/** Key of one slot of a lane. */
export function slotKey(lane: LaneId, number: number): string {
  return `${lanePrefix(lane)}${padNumber(number)}`;
}

/** `undefined` for keys that are no slot's. */
export function parseSlotKey(key: string): { lane: LaneId; number: number } | undefined {
  if (!key.startsWith(WAL_PREFIX)) return undefined;
  const [lane = "", digits = "", ...rest] = key.slice(WAL_PREFIX.length).split("/");
  const number = parseNumber(digits);
  if (rest.length > 0 || !LANE_PATTERN.test(lane) || number === undefined) return undefined;
  return { lane: lane as LaneId, number };
}

/** One folder holds all partitions until segments are split by partition range. */
export function segmentKey(id: SegmentId, partitionCount: number): string {
  return `${segmentFolder(partitionCount)}${id}.seg`;
}

/** A deletion vector has a ulid of its own. */
export function deletionKey(id: string, partitionCount: number): string {
  return `${segmentFolder(partitionCount)}${id}.del`;
}

function segmentFolder(partitionCount: number): string {
  return `${SEGMENT_PREFIX}p000-p${padPartition(partitionCount - 1)}/`;
}

/** `undefined` for keys that are neither a segment's nor a deletion vector's. */
export function parseSegmentKey(key: string): { id: string; kind: "seg" | "del" } | undefined {
  const match = SEGMENT.exec(key);
  return match === null ? undefined : { id: match[1]!, kind: match[2] as "seg" | "del" };
}

/** Key of a checkpoint; the name is 1 to 64 letters, digits, `_` and `-`. */
export function checkpointKey(name: string): string {
  return `${CHECKPOINT_PREFIX}${name}.json`;
}

/** `undefined` for keys that are no checkpoint's. */
export function parseCheckpointKey(key: string): string | undefined {
  return CHECKPOINT.exec(key)?.[1];
}

/** Key of an operator's overrides for one instance. */
export function overridesKey(instanceId: string): string {
  return `${OVERRIDES_PREFIX}${instanceId}.json`;
}

/** Key of the heartbeat of one process run. */
export function heartbeatKey(instanceId: string, incarnation: string): string {
  return `${HEARTBEAT_PREFIX}${instanceId}.${incarnation}.json`;
}

/** `undefined` for keys that are no heartbeat's. */
export function parseHeartbeatKey(
  key: string,
): { readonly instanceId: string; readonly incarnation: string } | undefined {
  const match = HEARTBEAT.exec(key);
  return match === null ? undefined : { instanceId: match[1]!, incarnation: match[2]! };
}

/** Three digits, as in the names of partitions. */
export function padPartition(partition: number): string {
  return String(partition).padStart(3, "0");
}

/** Key of the lease of a partition. */
export function leaseKey(partition: number): string {
  return `${LEASE_PREFIX}p${padPartition(partition)}.json`;
}

/** `undefined` for keys that are no lease's. */
export function parseLeaseKey(key: string): number | undefined {
  const match = LEASE.exec(key);
  return match === null ? undefined : Number(match[1]);
}

/** Key of a batch of hints; the ulid is of the moment they were published. */
export function eventKey(ulid: string): string {
  return `${EVENT_PREFIX}${ulid}.json`;
}

/** Whether a key is that of a batch of hints. */
export function isEventKey(key: string): boolean {
  return EVENT.test(key);
}
