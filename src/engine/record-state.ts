import type { Attributes, Operation } from "../format/operation.ts";
import { parseRecordText, stringifyRecordText } from "../format/record-texts.ts";
import { versionMillis, type Version } from "../format/version.ts";

/*
 * A record is the fold of its operations in version order. Spec: docs/specs/merge.md.
 *
 * `mergeStates` is a join: associative, commutative, idempotent. It only ever compares versions,
 * so neither arrival order nor duplication nor batching can show in the result.
 */

/** The operations of one record that can still matter: the newest base, and what came after it. */
export interface RecordState {
  /** The newest put or delete. */
  readonly base: Operation | undefined;
  /** Patches newer than `base`, in version order, no version twice. */
  readonly patches: readonly Operation[];
}

/**
 * What a reader sees, as the put that makes exactly this record: `version` is that of the newest
 * operation that had an effect, and `content` is `undefined` where the base keeps it elsewhere.
 */
export type VisibleRecord = Operation & { readonly kind: "put"; readonly metadata: string };

const NO_PATCHES: readonly Operation[] = [];

/** The state of one operation alone. */
export function stateOf(operation: Operation): RecordState {
  if (operation.kind === "patch") return { base: undefined, patches: [operation] };
  return { base: operation, patches: NO_PATCHES };
}

/** The state of both: newest base, and every patch after it. */
export function mergeStates(a: RecordState, b: RecordState): RecordState {
  const base = newestBase(a.base, b.base);
  if (a.patches.length === 0 && b.patches.length === 0) return { base, patches: NO_PATCHES };
  const patches = new Map<Version, Operation>();
  for (const patch of [...a.patches, ...b.patches]) {
    if (base === undefined || patch.version > base.version) patches.set(patch.version, patch);
  }
  if (patches.size === 0) return { base, patches: NO_PATCHES };
  return {
    base,
    patches: [...patches.values()].toSorted((x, y) => (x.version < y.version ? -1 : 1)),
  };
}

function newestBase(a: Operation | undefined, b: Operation | undefined): Operation | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.version >= b.version ? a : b;
}

/** Whether two states of one record are made of the same operations. */
export function isSameState(a: RecordState, b: RecordState): boolean {
  return (
    a.base?.version === b.base?.version &&
    a.patches.length === b.patches.length &&
    a.patches.every(({ version, kind }, i) => {
      const other = b.patches[i]!;
      return version === other.version && kind === other.kind;
    })
  );
}

/** The newest version in a state, whether or not that operation has an effect. */
export function stateVersion(state: RecordState): Version {
  const last = state.patches.at(-1) ?? state.base;
  if (last === undefined) throw new Error("invariant violated: a state without operations");
  return last.version;
}

/** `undefined`: never put, or deleted. Expiry by wall time is the reader's own check. */
export function visibleRecord(state: RecordState): VisibleRecord | undefined {
  const { base } = state;
  if (base === undefined || base.kind === "delete") return undefined;
  let record = visiblePut(base);
  for (const patch of state.patches) record = applyPatch(record, patch);
  return record;
}

/**
 * A patch stamped at or after the record's expiry changes nothing: decided by its version alone,
 * so that every replica agrees and compaction may drop what has expired below the floor.
 */
function applyPatch(record: VisibleRecord, patch: Operation): VisibleRecord {
  if (isExpired(record.attributes, versionMillis(patch.version))) return record;
  const replaces = patch.content !== undefined;
  return {
    kind: "put",
    id: record.id,
    version: patch.version,
    vector: replaces ? patch.vector : record.vector,
    content: replaces ? patch.content : record.content,
    metadata: patchMetadata(record.metadata, patch),
    attributes: patchAttributes(record.attributes, patch),
  };
}

function patchMetadata(text: string, patch: Operation): string {
  const unset = patch.attributes?.unset ?? [];
  if (patch.metadata === undefined && unset.length === 0) return text;
  const merged = new Map(Object.entries(parseRecordText(text, "metadata", patch)));
  const changes = parseRecordText(patch.metadata ?? "{}", "metadata", patch);
  for (const [key, value] of Object.entries(changes)) merged.set(key, value);
  for (const key of unset) merged.delete(key);
  return stringifyRecordText(merged, "metadata", patch);
}

/** What a put shows by itself: the put, so that a record of the tail is one object less. */
export function visiblePut(put: Operation): VisibleRecord {
  return isVisible(put) ? put : { ...put, kind: put.kind as "put", metadata: "{}" };
}

function isVisible(put: Operation): put is VisibleRecord {
  return put.metadata !== undefined;
}

/** None is `undefined`, so that equal records look alike. */
function patchAttributes(before: Attributes | undefined, patch: Operation): Attributes | undefined {
  const { clear = [], unset: _unset, ...set } = patch.attributes ?? {};
  const after: Record<string, unknown> = { ...before, ...set };
  for (const name of clear) delete after[name];
  return Object.keys(after).length === 0 ? undefined : after;
}

/** A record exists until, and not at, its expiry. */
export function isExpired(attributes: Attributes | undefined, nowMs: number): boolean {
  return attributes?.expiresAtMs !== undefined && nowMs >= attributes.expiresAtMs;
}

/**
 * The smallest state that behaves as `state` does with any operation above `floor`: patches at
 * or below it are folded into their base, tombstones, orphans and expired records are dropped.
 *
 * Safe only because nothing at or below the floor can still appear (protocol: merge and floor).
 * A folded base takes the version of the last patch it swallowed.
 */
export function foldBelow(state: RecordState, floor: Version): RecordState | undefined {
  const above = state.patches.filter((patch) => patch.version > floor);
  const { base } = state;
  if (base === undefined) return above.length === 0 ? undefined : { base, patches: above };
  if (base.version > floor) return state;
  const folded = visibleRecord({
    base,
    patches: state.patches.slice(0, -above.length || undefined),
  });
  const gone = folded === undefined || isExpired(folded.attributes, versionMillis(floor));
  if (!gone) return { base: folded, patches: above };
  // A put between the floor and these patches may still come, so they stay.
  return above.length === 0 ? undefined : { base: undefined, patches: above };
}
