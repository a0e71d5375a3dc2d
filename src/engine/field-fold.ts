import type { Attributes, Operation } from "../format/operation.ts";
import { parseRecordText, stringifyRecordText } from "../format/record-texts.ts";
import { remainsOf, seenBy, setState, setWeight, unite, withoutSeen } from "./operation-set.ts";
import type { RecordFold } from "./record-fold.ts";
import { visiblePut, type VisibleRecord } from "./record-state.ts";

/*
 * `crdt`: a record is a set of fields, and each is decided alone. Of the operations that write a
 * field the newest decides it; its value counts unless a put or delete has seen that operation.
 * Both are monotone: what is older stays older, what was taken away stays away.
 * Spec: docs/specs/conflicts.md.
 *
 * | field | written by |
 * |---|---|
 * | existence | puts: without it there is no record, whatever else is there |
 * | content: vector, data and text | puts, patches that have one |
 * | type, domain, expiresAtMs | who sets or clears it |
 * | each key of metadata | who sets or removes it |
 */
const EXISTENCE = "exists";
const CONTENT = "content";
const ATTRIBUTES = ["type", "domain", "expiresAtMs"] as const;
/** Before the names of metadata keys, so that they meet no other field. */
const KEY = "=";

/** One record as fields that are decided one by one. */
export const FIELD_FOLD: RecordFold = {
  stateOf: (operation) => setState(deciding([operation])),
  merge: (a, b) => setState(deciding(unite(a.patches, b.patches))),
  visible({ patches }) {
    const fields = counting(patches);
    const put = fields.get(EXISTENCE);
    if (put === undefined) return undefined;
    const isWhole = patches.length === 1 && put.kind === "put";
    return isWhole ? visiblePut(put) : compose(put.id, patches, fields);
  },
  siblings(state) {
    const visible = FIELD_FOLD.visible(state);
    return visible === undefined ? [] : [visible];
  },
  below({ patches }, floor) {
    const fields = counting(patches);
    const kept: Operation[] = [];
    for (const operation of patches) {
      if (operation.version > floor) kept.push(operation);
      else {
        const rest = restOf(operation, (name) => fields.get(name) === operation);
        if (rest !== undefined) kept.push(rest);
      }
    }
    return kept.length === 0 ? undefined : setState(kept);
  },
  known({ patches }) {
    const versions = new Set([...counting(patches).values()].map(({ version }) => version));
    return [...versions].toSorted();
  },
  plain({ patches }) {
    const [only] = patches;
    const isPlain = patches.length === 1 && only!.kind !== "patch" && only!.seen === undefined;
    return isPlain ? only : undefined;
  },
  weight: setWeight,
  takesPatches: true,
  isOrdered: false,
  // Another author may not have seen all fields of what expired, and those it has not seen count.
  dropsExpired: false,
};

/** Names of metadata keys that an operation sets, parsed once for each operation. */
const keysKnown = new WeakMap<Operation, readonly string[]>();

function keysOf(operation: Operation): readonly string[] {
  let keys = keysKnown.get(operation);
  if (keys === undefined) {
    keys = Object.keys(parseRecordText(operation.metadata ?? "{}", "metadata", operation));
    keysKnown.set(operation, keys);
  }
  return keys;
}

/** Every field that an operation writes, each once. */
function fieldsOf(operation: Operation): Set<string> {
  const fields = new Set<string>();
  const { kind, content, attributes = {} } = operation;
  if (kind === "delete") return fields;
  if (kind === "put") fields.add(EXISTENCE);
  // A put whose content is elsewhere has one all the same.
  if (kind === "put" || content !== undefined) fields.add(CONTENT);
  for (const name of ATTRIBUTES) {
    if (attributes[name] !== undefined || attributes.clear?.includes(name)) fields.add(name);
  }
  for (const key of keysOf(operation)) fields.add(KEY + key);
  for (const key of attributes.unset ?? []) fields.add(KEY + key);
  return fields;
}

/** Of each field the newest operation that writes it. Operations come in version order. */
function deciders(operations: readonly Operation[]): Map<string, Operation> {
  const newest = new Map<string, Operation>();
  for (const operation of operations) {
    for (const field of fieldsOf(operation)) newest.set(field, operation);
  }
  return newest;
}

/** What decides nothing never will again: in each of its fields there is something newer. */
function deciding(operations: readonly Operation[]): readonly Operation[] {
  const newest = new Set(deciders(operations).values());
  return operations.flatMap((operation) => {
    if (newest.has(operation)) return [operation];
    return operation.kind === "patch" ? [] : [remainsOf(operation)];
  });
}

/** The same without what a put or delete has seen. */
function counting(operations: readonly Operation[]): Map<string, Operation> {
  const fields = deciders(operations);
  const seen = seenBy(operations.filter(({ kind }) => kind !== "patch"));
  for (const [field, { version }] of fields) if (seen.has(version)) fields.delete(field);
  return fields;
}

/** The record that these fields make. */
function compose(
  id: string,
  operations: readonly Operation[],
  fields: ReadonlyMap<string, Operation>,
): VisibleRecord {
  const content = fields.get(CONTENT);
  const metadata = new Map<string, unknown>();
  const attributes: Record<string, unknown> = {};
  const effective = new Set(fields.values());
  for (const operation of operations.filter((one) => effective.has(one))) {
    const decides = (name: string): boolean => fields.get(name) === operation;
    const values = parseRecordText(operation.metadata ?? "{}", "metadata", operation);
    for (const key of keysOf(operation)) {
      const isRemoved = operation.attributes?.unset?.includes(key) === true;
      if (decides(KEY + key) && !isRemoved) metadata.set(key, values[key]);
    }
    for (const name of ATTRIBUTES) {
      const value = operation.attributes?.[name];
      const isCleared = operation.attributes?.clear?.includes(name) === true;
      if (decides(name) && value !== undefined && !isCleared) attributes[name] = value;
    }
  }
  const { version } = operations.findLast((one) => effective.has(one))!;
  return {
    kind: "put",
    id,
    version,
    vector: content?.vector,
    // Of a record whose content was taken away nothing is elsewhere.
    content: content === undefined ? "" : content.content,
    metadata: stringifyRecordText(metadata, "metadata", { id, version }),
    attributes: Object.keys(attributes).length === 0 ? undefined : attributes,
  };
}

/** What an operation still decides, as an operation; `undefined` when that is nothing. */
function restOf(operation: Operation, decides: (field: string) => boolean): Operation | undefined {
  const fields = [...fieldsOf(operation)];
  const left = fields.filter(decides);
  if (left.length === 0) return undefined;
  if (left.length === fields.length) return withoutSeen(operation);
  const { id, version, vector, content, metadata } = operation;
  const attributes = restOfAttributes(operation, decides);
  const values = Object.entries(parseRecordText(metadata ?? "{}", "metadata", operation));
  const kept = values.filter(([key]) => decides(KEY + key));
  return {
    // A put that no longer says whether there is a record is a patch.
    kind: decides(EXISTENCE) ? "put" : "patch",
    id,
    version,
    ...(decides(CONTENT) ? { vector, content } : decides(EXISTENCE) && { content: "" }),
    ...(kept.length > 0 && { metadata: stringifyRecordText(kept, "metadata", operation) }),
    ...(attributes !== undefined && { attributes }),
  };
}

function restOfAttributes(
  { attributes = {} }: Operation,
  decides: (field: string) => boolean,
): Attributes | undefined {
  const { clear = [], unset = [] } = attributes;
  const rest: Record<string, unknown> = {};
  for (const name of ATTRIBUTES) {
    if (attributes[name] !== undefined && decides(name)) rest[name] = attributes[name];
  }
  const cleared = clear.filter((name) => decides(name));
  const removed = unset.filter((key) => decides(KEY + key));
  if (removed.length > 0) rest["unset"] = removed;
  if (cleared.length > 0) rest["clear"] = cleared;
  return Object.keys(rest).length === 0 ? undefined : rest;
}
