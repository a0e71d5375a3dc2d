import type { ConflictResolution } from "../format/config.ts";
import type { Operation } from "../format/operation.ts";
import type { Version } from "../format/version.ts";
import { FIELD_FOLD } from "./field-fold.ts";
import {
  foldBelow,
  mergeStates,
  stateOf,
  visibleRecord,
  type RecordState,
  type VisibleRecord,
} from "./record-state.ts";
import { SIBLING_FOLD } from "./sibling-fold.ts";

/**
 * How the operations of one record become the record. Laws, kept by every implementation:
 *
 * - `merge` is a join: commutative, associative, idempotent.
 * - `below` changes no answer, whatever comes above the floor.
 *
 * Specs: docs/specs/merge.md, docs/specs/conflicts.md.
 */
export interface RecordFold {
  /** The state of one operation alone. */
  stateOf(operation: Operation): RecordState;
  merge(a: RecordState, b: RecordState): RecordState;
  /** What readers see when nobody resolves; expiry by wall time is the reader's own check. */
  visible(state: RecordState): VisibleRecord | undefined;
  /** The concurrent records that `visible` is chosen from, oldest first; at most 16. */
  siblings(state: RecordState): readonly VisibleRecord[];
  /** The smallest state that behaves as this one does with any operation above `floor`. */
  below(state: RecordState, floor: Version): RecordState | undefined;
  /** What the next operation of somebody who has read this state has seen. */
  known(state: RecordState): readonly Version[];
  /** A put or delete that a row's columns can stand for alone. */
  plain(state: RecordState): Operation | undefined;
  /** Grows with what a state costs to keep; `below` either lowers it or changes nothing. */
  weight(state: RecordState): number;
  /** Whether a part of a record can be written alone; else `update` writes the whole record. */
  readonly takesPatches: boolean;
  /** Whether an operation changes nothing where a newer put or delete is. */
  readonly isOrdered: boolean;
  /** Whether a put is dropped once its expiry is at or below the floor. */
  readonly dropsExpired: boolean;
}

/** The default. A record has no siblings, and operations need not say what they have seen. */
export const LAST_WRITE_WINS: RecordFold = {
  stateOf,
  merge: mergeStates,
  visible: visibleRecord,
  siblings(state) {
    const visible = visibleRecord(state);
    return visible === undefined ? [] : [visible];
  },
  below: foldBelow,
  known: () => [],
  plain: ({ base, patches }) => (patches.length === 0 ? base : undefined),
  weight: ({ base, patches }) => patches.length + (base === undefined ? 0 : 1),
  takesPatches: true,
  isOrdered: true,
  dropsExpired: true,
};

const FOLDS: Readonly<Record<ConflictResolution, RecordFold>> = {
  "last-write-wins": LAST_WRITE_WINS,
  "vector-clock": SIBLING_FOLD,
  crdt: FIELD_FOLD,
};

/** The fold of a database with this setting. */
export function foldFor(resolution: ConflictResolution = "last-write-wins"): RecordFold {
  return FOLDS[resolution];
}
