import { isRecordInput } from "../../record-encoder.ts";
import type { RecordInput } from "../../types.ts";

/** Which fields of an object make the record, and what is the same for all. */
export interface RecordFields {
  readonly idField?: string | undefined;
  readonly vectorField?: string | undefined;
  readonly textField?: string | undefined;
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The record that a JSON value stands for, or the reason why it stands for none.
 *
 * What `brainy export` wrote comes back as it was. Any other object is searched by its texts and
 * is its own metadata; the fields that options name are taken out of it.
 */
export function recordOfJson(value: unknown, fields: RecordFields): RecordInput | string {
  const { type, domain } = fields;
  if (typeof value === "string") return { text: value, type, domain };
  if (Array.isArray(value)) return { vector: value as number[], type, domain };
  if (typeof value !== "object" || value === null) {
    return `is ${JSON.stringify(value)}, not an object, a text or a vector`;
  }
  const object = value as JsonObject;
  if (isRecordInput(value) && !namesFields(fields)) {
    const { version: _, ...record } = object;
    return {
      ...record,
      type: record["type"] ?? type,
      domain: record["domain"] ?? domain,
    } as RecordInput;
  }
  return recordOfObject(object, fields);
}

function namesFields({ idField, vectorField, textField }: RecordFields): boolean {
  return idField !== undefined || vectorField !== undefined || textField !== undefined;
}

function recordOfObject(object: JsonObject, fields: RecordFields): RecordInput | string {
  const { idField, vectorField, textField, type, domain } = fields;
  const id = idOf(object, idField);
  if (id === undefined && idField !== undefined) {
    return `has no field ${JSON.stringify(idField)} with a text or a whole number for the id`;
  }
  for (const field of [vectorField, textField]) {
    if (field !== undefined && object[field] === undefined) {
      return `has no field ${JSON.stringify(field)}`;
    }
  }
  const rest = Object.fromEntries(
    Object.entries(object).filter(([name]) => name !== vectorField && name !== textField),
  );
  const own = typeof object["domain"] === "string" ? object["domain"] : domain;
  const common = { id, metadata: rest, type, domain: own };
  if (vectorField === undefined && textField === undefined) return { ...common, data: rest };
  return {
    ...common,
    vector: vectorField === undefined ? undefined : (object[vectorField] as number[]),
    text: textField === undefined ? undefined : (object[textField] as string),
  };
}

function idOf(object: JsonObject, idField = "id"): string | undefined {
  const id = object[idField];
  if (typeof id === "string" && id !== "") return id;
  return typeof id === "number" && Number.isSafeInteger(id) ? String(id) : undefined;
}
