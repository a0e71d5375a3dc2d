/*
 * What instances tell each other so that nobody has to wait for the next look at the store. A
 * hint may be lost, come twice, late, in any order, or be a lie: whoever acts on one does what it
 * would have done a little later anyway. Spec: docs/specs/hints.md.
 */

/** Everything that hints may be about. */
export const HINT_TYPES = [
  /** Slots of a lane are durable: `{ lane, slot }`. */
  "log",
  /** A manifest was committed: `{ manifest }`. */
  "index_updated",
  /** A partition range has its first segment: `{ partition, vectorCount }`. */
  "partition_created",
  /** The shared settings were changed: `{ version }`. */
  "config_changed",
  /** A run has registered: `{ role }`. */
  "instance_joined",
  /** A run is closing: `{ reason }`. */
  "instance_left",
  /** Asks the holder of maintenance to compact: `{ request }`. */
  "compact",
  /** Answers it: `{ request }`. */
  "compacted",
] as const;

/** What a hint is about. */
export type HintType = (typeof HINT_TYPES)[number];

/** One message between instances of one database. */
export interface Hint {
  readonly type: HintType;
  /** Whose: only instances of the same database hear it. */
  readonly databaseId: string;
  /** Who says it: the instance's name, and the ulid of its run. */
  readonly instanceId: string;
  readonly incarnation: string;
  /** JSON. Checked by whoever acts on it. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Longest hint, in UTF-16 units of its text; longer ones are not sent, and not listened to. */
export const HINT_TEXT_MAX = 8_192;

/** What databases are called on a bus: it ends up in keys and frames. */
export const TOPIC_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const INSTANCE_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const INCARNATION_PATTERN = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** A hint as one line of JSON; `undefined` when it is too long, or no JSON. */
export function encodeHint(hint: Hint): string | undefined {
  const { type, databaseId, instanceId, incarnation, payload } = hint;
  try {
    const text = JSON.stringify({ type, databaseId, instanceId, incarnation, payload });
    return text.length > HINT_TEXT_MAX ? undefined : text;
  } catch {
    return undefined;
  }
}

/** What came from elsewhere as a hint, or `undefined`: garbage is no error, it is nothing. */
export function decodeHint(given: unknown): Hint | undefined {
  const value = typeof given === "string" ? parse(given) : given;
  if (!isRecord(value)) return undefined;
  const { type, databaseId, instanceId, incarnation, payload } = value;
  const known = HINT_TYPES.find((one) => one === type);
  if (
    known === undefined ||
    !matches(databaseId, TOPIC_PATTERN) ||
    !matches(instanceId, INSTANCE_PATTERN) ||
    !matches(incarnation, INCARNATION_PATTERN) ||
    !isRecord(payload)
  ) {
    return undefined;
  }
  return { type: known, databaseId, instanceId, incarnation, payload };
}

function parse(text: string): unknown {
  if (text.length > HINT_TEXT_MAX) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
