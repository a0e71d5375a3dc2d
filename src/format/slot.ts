import { assert } from "../base/assert.ts";
import { encodeText } from "../base/bytes.ts";
import { corrupt } from "../base/errors.ts";
import { decodeRow } from "./blob-column.ts";
import { bytesSection, decodeContainer, encodeContainer, sectionOf } from "./container.ts";
import { JsonFields, parseJson } from "./json-fields.ts";
import type { DraftColumns } from "./draft-columns.ts";
import { OperationColumns } from "./operation-columns.ts";
import { planDrafts, planOperations, versionsOfRun } from "./operations-block.ts";
import type { OperationsPlan, VersionRun } from "./operations-block.ts";
import type { Operation } from "./operation.ts";
import { makeVersion } from "./version.ts";
import type { LaneId, Version } from "./version.ts";

/** What a slot says beside its operations. */
export interface SlotHead {
  readonly kind: "open" | "operations" | "seal";
  readonly databaseId: string;
  readonly lane: LaneId;
  readonly number: number;
  /** Ulid of the process run that made it; a seal names the sealer. */
  readonly incarnation: string;
  /** Random, so that two attempts of two processes never make the same bytes. */
  readonly nonce: string;
  /** An open record's own version; the last operation's; a seal repeats the lane's last one. */
  readonly version: Version;
}

/** One immutable object of a lane. Key: `_brainy/wal/<lane>/<%016d number>`. */
export interface Slot extends SlotHead {
  /** In version order. Empty unless `kind` is `operations`. */
  readonly operations: readonly Operation[];
}

/** The same, with operations that are still columns. */
export interface SlotColumns extends SlotHead {
  readonly columns: OperationColumns;
}

/** "BSLT", read as a little-endian number. */
const SLOT_MAGIC = 0x544c_5342;
const META = 1;
const OPERATIONS = 2;
const KINDS: ReadonlySet<number> = new Set([META, OPERATIONS]);

/** For slots of few operations; whoever has many has them in columns. */
export function encodeSlot({ operations, ...head }: Slot): Uint8Array<ArrayBuffer> {
  assert(
    (head.kind === "operations") === operations.length > 0,
    "a slot has operations exactly when that is its kind",
  );
  return encode(head, planOperations(operations));
}

/**
 * A slot of drafts, with the versions of `run`: one allocation, one pass of copying and one of
 * hashing. `columns` are views of `bytes`, so these must not change while those are in use.
 */
export function encodeDrafts(
  head: Omit<SlotHead, "kind" | "lane" | "version">,
  drafts: DraftColumns,
  run: VersionRun,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly columns: OperationColumns } {
  const { count } = drafts;
  assert(count > 0, "a slot has operations exactly when that is its kind");
  const plan = planDrafts(drafts, versionsOfRun(run, count));
  const version = makeVersion(run.millis, run.counter + count - 1, run.lane);
  let block: Uint8Array | undefined;
  const write = (target: Uint8Array<ArrayBuffer>): void => {
    block = target;
    plan.write(target);
  };
  const { lane } = run;
  const bytes = encode({ ...head, kind: "operations", lane, version }, { ...plan, write });
  assert(block !== undefined, "a slot's operations were written");
  return { bytes, columns: new OperationColumns(block, "an own slot") };
}

function encode(head: SlotHead, plan: OperationsPlan): Uint8Array<ArrayBuffer> {
  const { kind, databaseId, lane, number, incarnation, nonce, version } = head;
  const text = JSON.stringify({ kind, databaseId, lane, number, incarnation, nonce, version });
  const sections = [
    bytesSection(META, encodeText(text)),
    { kind: OPERATIONS, required: true, ...plan },
  ];
  return encodeContainer({ magic: SLOT_MAGIC }, sections);
}

/**
 * Verifies everything that the slot alone can tell; whether lane, number and database are those
 * expected at its key is for the caller. Vectors may be views of `bytes`.
 */
export function decodeSlot(bytes: Uint8Array, where: string): Slot {
  const { columns, ...head } = decodeSlotColumns(bytes, where);
  return { ...head, operations: columns.operations() };
}

/** The same, without making an object of each operation. */
export function decodeSlotColumns(bytes: Uint8Array, where: string): SlotColumns {
  const container = decodeContainer(bytes, { magic: SLOT_MAGIC, where, kinds: KINDS });
  const meta = decodeRow(sectionOf(container, META, where), where);
  const fields = new JsonFields(parseJson(meta, where), where);
  const slot: SlotColumns = {
    kind: fields.oneOf("kind", ["open", "operations", "seal"]),
    databaseId: fields.nonEmpty("databaseId"),
    lane: fields.lane("lane"),
    number: fields.integer("number"),
    incarnation: fields.nonEmpty("incarnation"),
    nonce: fields.nonEmpty("nonce"),
    version: fields.version("version"),
    columns: new OperationColumns(sectionOf(container, OPERATIONS, where), where).check(),
  };
  checkOperations(slot, where);
  return slot;
}

function checkOperations({ kind, lane, version, columns }: SlotColumns, where: string): void {
  const { count } = columns;
  if ((kind === "operations") !== count > 0) {
    throw corrupt(where, `a slot of kind ${kind} holds ${count} operations`);
  }
  const row = columns.firstOutOfOrder(lane);
  if (row >= 0 && columns.lane(row) !== lane) {
    throw corrupt(where, `operation ${columns.version(row)} is of another lane`);
  }
  if (row >= 0) {
    const [previous, next] = [columns.version(row - 1), columns.version(row)];
    throw corrupt(where, `operation ${next} comes after ${previous}`);
  }
  if (count > 0 && columns.version(count - 1) !== version) {
    throw corrupt(where, `the slot's version ${version} is not its last operation's`);
  }
}
