import { assert } from "../base/assert.ts";
import { encodeText } from "../base/bytes.ts";
import { corrupt } from "../base/errors.ts";
import { decodeRow } from "./blob-column.ts";
import { bytesSection, decodeContainer, encodeContainer, sectionOf } from "./container.ts";
import { JsonFields, parseJson } from "./json-fields.ts";
import { decodeOperations, planOperations } from "./operations-block.ts";
import type { Operation } from "./operation.ts";
import { versionLane } from "./version.ts";
import type { LaneId, Version } from "./version.ts";

/** One immutable object of a lane. Key: `_brainy/wal/<lane>/<%016d number>`. */
export interface Slot {
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
  /** In version order. Empty unless `kind` is `operations`. */
  readonly operations: readonly Operation[];
}

/** "BSLT", read as a little-endian number. */
const SLOT_MAGIC = 0x544c_5342;
const META = 1;
const OPERATIONS = 2;
const KINDS: ReadonlySet<number> = new Set([META, OPERATIONS]);

/** One allocation, one pass of copying and one of hashing. */
export function encodeSlot(slot: Slot, reuse?: ArrayBuffer): Uint8Array<ArrayBuffer> {
  const { operations, ...meta } = slot;
  assert(
    (slot.kind === "operations") === operations.length > 0,
    "a slot has operations exactly when that is its kind",
  );
  const { kind, databaseId, lane, number, incarnation, nonce, version } = meta;
  const text = JSON.stringify({ kind, databaseId, lane, number, incarnation, nonce, version });
  const plan = planOperations(operations);
  const sections = [
    bytesSection(META, encodeText(text)),
    { kind: OPERATIONS, required: true, ...plan },
  ];
  return encodeContainer({ magic: SLOT_MAGIC }, sections, reuse);
}

/**
 * Verifies everything that the slot alone can tell; whether lane, number and database are those
 * expected at its key is for the caller. Vectors may be views of `bytes`.
 */
export function decodeSlot(bytes: Uint8Array, where: string): Slot {
  const container = decodeContainer(bytes, { magic: SLOT_MAGIC, where, kinds: KINDS });
  const meta = decodeRow(sectionOf(container, META, where), where);
  const fields = new JsonFields(parseJson(meta, where), where);
  const slot: Slot = {
    kind: fields.oneOf("kind", ["open", "operations", "seal"]),
    databaseId: fields.nonEmpty("databaseId"),
    lane: fields.lane("lane"),
    number: fields.integer("number"),
    incarnation: fields.nonEmpty("incarnation"),
    nonce: fields.nonEmpty("nonce"),
    version: fields.version("version"),
    operations: decodeOperations(sectionOf(container, OPERATIONS, where), where),
  };
  checkOperations(slot, where);
  return slot;
}

function checkOperations({ kind, lane, version, operations }: Slot, where: string): void {
  if ((kind === "operations") !== operations.length > 0) {
    throw corrupt(where, `a slot of kind ${kind} holds ${operations.length} operations`);
  }
  let previous: Version | undefined;
  for (const operation of operations) {
    if (versionLane(operation.version) !== lane) {
      throw corrupt(where, `operation ${operation.version} is of another lane`);
    }
    if (previous !== undefined && operation.version <= previous) {
      throw corrupt(where, `operation ${operation.version} comes after ${previous}`);
    }
    previous = operation.version;
  }
  if (previous !== undefined && previous !== version) {
    throw corrupt(where, `the slot's version ${version} is not its last operation's`);
  }
}
