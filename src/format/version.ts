import type { Brand } from "../base/brand.ts";
import { corrupt } from "../base/errors.ts";

/** A ulid: an append-only log that exactly one process run writes. */
export type LaneId = Brand<string, "LaneId">;

/**
 * When an operation happened: hybrid logical clock `(millis, counter, lane)` as text of fixed
 * width, so that string order is version order.
 *
 *     0192f0c4a1b2-00002a-01JCZ0M3V8Q6T4R2W0Y9X7S5P3
 *     ├ millis ──┤ ├ctr─┤ ├ lane ──────────────────┤
 *
 * Millis and counter are hexadecimal. Kulkarni et al., "Logical Physical Clocks" (2014), section 3.
 */
export type Version = Brand<string, "Version">;

/** The counter's bound: 24 bits. A clock that reaches it moves to the next millisecond. */
export const COUNTER_MAX = 2 ** 24 - 1;
/** Every version, and nothing else. */
export const VERSION_PATTERN = /^[0-9a-f]{12}-[0-9a-f]{6}-[0-9A-HJKMNP-TV-Z]{26}$/;
/** Every lane id, and nothing else. */
export const LANE_PATTERN = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** Sorts before every version that an operation can carry. */
export const VERSION_ZERO = `${"0".repeat(12)}-${"0".repeat(6)}-${"0".repeat(26)}` as Version;

/** Puts a version together; `millis` below 2^48, `counter` up to `COUNTER_MAX`. */
export function makeVersion(millis: number, counter: number, lane: LaneId): Version {
  const millisHex = millis.toString(16).padStart(12, "0");
  const counterHex = (counter + 0x1000000).toString(16).slice(1);
  // Joined into one piece: a template keeps its parts, which doubles what a version takes.
  return [millisHex, counterHex, lane].join("-") as Version;
}

/** Milliseconds since 1970, by the clock of the lane's writer. */
export function versionMillis(version: Version): number {
  return Number.parseInt(version.slice(0, 12), 16);
}

/** Tells versions of one millisecond apart. */
export function versionCounter(version: Version): number {
  return Number.parseInt(version.slice(13, 19), 16);
}

/** The lane whose writer made it. */
export function versionLane(version: Version): LaneId {
  return version.slice(20) as LaneId;
}

/** Whether `text` is one, of whatever lane. */
export function isVersion(text: unknown): text is Version {
  return typeof text === "string" && VERSION_PATTERN.test(text);
}

/** For text out of stored objects. */
export function parseVersion(text: unknown, where: string): Version {
  if (!isVersion(text)) throw corrupt(where, `not a version: ${JSON.stringify(text)}`);
  return text;
}

/** For text out of stored objects and keys. */
export function parseLane(text: unknown, where: string): LaneId {
  if (typeof text === "string" && LANE_PATTERN.test(text)) return text as LaneId;
  throw corrupt(where, `not a lane: ${JSON.stringify(text)}`);
}

/** The later of two. */
export function maxVersion(a: Version, b: Version): Version {
  return a > b ? a : b;
}

/** The earlier of two. */
export function minVersion(a: Version, b: Version): Version {
  return a < b ? a : b;
}

const VERSION_CHARACTERS = 46;

/** Versions that stand one behind another, each checked. */
export function splitVersions(text: string, where: string): Version[] {
  const versions: Version[] = [];
  for (let at = 0; at < text.length; at += VERSION_CHARACTERS) {
    const version = text.slice(at, at + VERSION_CHARACTERS);
    if (!isVersion(version)) throw corrupt(where, `not a version: ${JSON.stringify(version)}`);
    versions.push(version);
  }
  return versions;
}
