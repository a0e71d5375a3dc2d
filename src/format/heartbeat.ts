import { FORMAT_VERSION } from "./format-version.ts";
import type { JsonFields } from "./json-fields.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";

/**
 * What one process run says of itself, again and again, under a key that only it writes.
 * Key: `_brainy/heartbeats/<instanceId>.<incarnation>.json`.
 *
 * Times are of its own wall clock and for people: no decision compares them with another clock.
 */
export interface Heartbeat {
  readonly instanceId: string;
  /** Of the run: a ulid. */
  readonly incarnation: string;
  readonly role: "writer" | "reader" | "hybrid";
  /** Where the instance is reached. */
  readonly endpoint?: string | undefined;
  /** ISO 8601. */
  readonly started: string;
  /** ISO 8601. */
  readonly lastHeartbeat: string;
  /** Counts the heartbeats of this run, so that no two of its objects are the same. */
  readonly beat: number;
  /** In how many milliseconds the next one is due. */
  readonly nextInMs: number;
  readonly metrics: HeartbeatMetrics;
}

/** Figures of a run that its fleet sees. */
export interface HeartbeatMetrics {
  /** Records that its searches see. */
  readonly vectorCount: number;
  /** Share of 1. */
  readonly cacheHitRate: number;
  /** Resident memory of the process, bytes. */
  readonly memoryUsage: number;
}

/** An hour: what says more is damage. */
export const NEXT_MS_MAX = 3_600_000;

/** Pretty-printed JSON with a checksum, like a manifest. */
export function encodeHeartbeat(heartbeat: Heartbeat): Uint8Array {
  return encodeSealedJson({
    formatVersion: FORMAT_VERSION,
    instanceId: heartbeat.instanceId,
    incarnation: heartbeat.incarnation,
    role: heartbeat.role,
    endpoint: heartbeat.endpoint,
    started: heartbeat.started,
    lastHeartbeat: heartbeat.lastHeartbeat,
    beat: heartbeat.beat,
    nextInMs: heartbeat.nextInMs,
    metrics: heartbeat.metrics,
  });
}

/** Checks every field. */
export function decodeHeartbeat(bytes: Uint8Array, where: string): Heartbeat {
  const fields = decodeSealedJson(bytes, where);
  fields.integer("formatVersion", 1);
  const metrics = fields.object("metrics");
  return {
    instanceId: fields.matching("instanceId", /^[A-Za-z0-9_-]{1,64}$/, "an instance id"),
    incarnation: fields.matching("incarnation", /^[0-9A-HJKMNP-TV-Z]{26}$/, "a ulid"),
    role: fields.oneOf("role", ["writer", "reader", "hybrid"]),
    ...(fields.has("endpoint") ? { endpoint: fields.nonEmpty("endpoint") } : {}),
    started: isoTime(fields, "started"),
    lastHeartbeat: isoTime(fields, "lastHeartbeat"),
    beat: fields.integer("beat", 1),
    nextInMs: fields.integer("nextInMs", 1, NEXT_MS_MAX),
    metrics: {
      vectorCount: metrics.integer("vectorCount"),
      cacheHitRate: share(metrics, "cacheHitRate"),
      memoryUsage: metrics.integer("memoryUsage"),
    },
  };
}

function isoTime(fields: JsonFields, name: string): string {
  return fields.matching(name, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, "an ISO 8601 time");
}

function share(fields: JsonFields, name: string): number {
  const value = fields.value[name];
  const isShare = typeof value === "number" && value >= 0 && value <= 1;
  return isShare ? value : fields.fail(name, "a number from 0 to 1");
}
