import { assert } from "../base/assert.ts";
import { encodeAttributes } from "../format/operation-attributes.ts";
import type { Attributes, Operation } from "../format/operation.ts";
import type { SegmentRow } from "../format/segment.ts";
import type { Version } from "../format/version.ts";
import type { RecordFold } from "./record-fold.ts";
import { stateVersion, type RecordState } from "./record-state.ts";

/** The row that stands for a state. Only what cannot be folded yet keeps its operations. */
export function rowOfState(id: string, state: RecordState, fold: RecordFold): SegmentRow {
  const { base, patches } = state;
  const visible = fold.visible(state);
  const isPlain = fold.plain(state) !== undefined;
  const operations = base === undefined ? patches : [base, ...patches];
  return {
    id,
    version: visible?.version ?? stateVersion(state),
    live: visible !== undefined,
    vector: visible?.vector,
    content: visible?.content ?? "",
    metadata: visible?.metadata ?? "",
    attributes: attributesText(visible?.attributes),
    residual: isPlain ? undefined : operations,
  };
}

/** The state whose row kept its operations. */
export function stateOfResidual(
  operations: readonly Operation[],
  { stateOf, merge }: RecordFold,
): RecordState {
  assert(operations.length > 0, "a residual row has operations");
  return operations.map(stateOf).reduce(merge);
}

/**
 * Whether a row that was folded below `floor` has something that a later floor does away with: it is
 * a tombstone, or keeps operations above this one. Field by field (`crdt`), a patch of a record that
 * is not there stays for ever, since a later put that has not seen it shows its fields.
 */
export function hasRemains({ live, residual }: SegmentRow, floor: Version): boolean {
  return residual === undefined ? !live : residual.some(({ version }) => version > floor);
}

function attributesText(attributes: Attributes | undefined): string {
  if (attributes === undefined || Object.keys(attributes).length === 0) return "";
  return encodeAttributes(attributes) ?? "";
}
