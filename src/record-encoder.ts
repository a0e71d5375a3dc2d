import { invalid } from "./base/errors.ts";
import {
  checkData,
  checkExpiresAt,
  checkId,
  checkMetadata,
  checkRecordSize,
  checkVector,
  utf8Length,
} from "./engine/record-input.ts";
import type { Draft } from "./format/operation.ts";
import type { Attributes } from "./format/operation.ts";
import type { Metric } from "./kernel/metric.ts";
import type { AddItem, AddOptions, JsonObject, RecordInput, VectorInput } from "./types.ts";

/** Keys of a record on its way in. */
export const RECORD_KEYS: ReadonlySet<string> = new Set([
  "id",
  "vector",
  "data",
  "text",
  "metadata",
  "type",
  "domain",
  "expiresAt",
  // What reads add. It belongs to the database that the record came from.
  "version",
  "siblings",
]);
const RECORD_MARKS = new Set(["vector", "data", "text", "metadata"]);

/** Bytes of a slot's columns beside vector, content and metadata; an estimate. */
const OVERHEAD_BYTES = 64;

/** Texts up to this length are counted by characters. */
const TEXT_LENGTH_SHORT = 256;

/** A record on its way in: checked, except for a vector that is still to be embedded. */
export interface PreparedRecord {
  readonly id: string;
  readonly vector: VectorInput | undefined;
  /** What to embed when there is no vector. */
  readonly embed: string | undefined;
  readonly content: string;
  readonly metadata: string;
  readonly attributes: Attributes | undefined;
}

/** Turns `add(input, metadata, options)` into the one shape that everything else takes. */
export function recordOfAdd(
  input: VectorInput | string | JsonObject,
  metadata: JsonObject | string | undefined,
  options: AddOptions | undefined,
): RecordInput {
  // `add(x, 'person')` sets the type.
  const type = typeof metadata === "string" ? metadata : undefined;
  const given = typeof metadata === "string" ? undefined : metadata;
  const { id, domain } = { ...hints(given), ...defined(options ?? {}) };
  const shared = defined({ ...options, id, domain, type: options?.type ?? type });
  if (isVector(input)) return { vector: input, metadata: given ?? {}, ...shared };
  if (typeof input === "string") return { text: input, metadata: given ?? {}, ...shared };
  if (typeof input !== "object" || input === null) {
    throw invalid(`add: ${String(input)} is no vector, text or object`);
  }
  // An object is its own metadata unless one is given.
  const own = { ...hints(given ?? input), ...shared };
  return { data: input, metadata: given ?? input, ...own };
}

/** The same for one item of `addMany`. */
export function recordOfItem(item: AddItem): RecordInput {
  if (typeof item === "object" && item !== null && !isVector(item)) {
    if (isRecordInput(item)) {
      const { id, domain } = item.metadata ?? {};
      // Nothing to take out of metadata: the record is taken as it is.
      if (id === undefined && domain === undefined) return item;
      return { ...hints(item.metadata), ...defined(item) };
    }
  }
  return recordOfAdd(item, undefined, undefined);
}

/** Whether an object says what is vector, text, data or metadata, and says nothing else. */
export function isRecordInput(object: object): object is RecordInput {
  const keys = Object.keys(object);
  return keys.some((key) => RECORD_MARKS.has(key)) && keys.every((key) => RECORD_KEYS.has(key));
}

/** `id` and `domain` out of metadata, for callers that keep them there. */
function hints(metadata: unknown): { readonly id?: string; readonly domain?: string } {
  if (typeof metadata !== "object" || metadata === null) return {};
  const { id, domain } = metadata as JsonObject;
  return {
    ...(typeof id === "string" && { id }),
    ...(typeof id === "number" && Number.isSafeInteger(id) && { id: String(id) }),
    ...(typeof domain === "string" && { domain }),
  };
}

/** Without keys whose value is `undefined`. */
function defined<T extends object>(value: T): Partial<T> {
  const kept: Partial<T> = {};
  // Own keys; no key here comes from metadata, so that `__proto__` cannot be one that matters.
  for (const key of Object.keys(value) as (keyof T)[]) {
    if (value[key] !== undefined) kept[key] = value[key];
  }
  return kept;
}

/** Whether an input is meant as a vector; its components are checked later. */
export function isVector(input: unknown): input is VectorInput {
  return ArrayBuffer.isView(input) || Array.isArray(input);
}

/** Checks everything but the vector. Throws before anything is written. */
export function prepareRecord(record: RecordInput, newId: () => string): PreparedRecord {
  const { vector, data, text, metadata, expiresAt } = record;
  const id = record.id === undefined ? newId() : checkId(record.id);
  if (text !== undefined && typeof text !== "string") {
    throw invalid(`text must be a string, not ${typeof text}`);
  }
  const type = label(record.type, "type");
  const domain = label(record.domain, "domain");
  const expiresAtMs = expiresAt === undefined ? undefined : checkExpiresAt(expiresAt);
  const hasAttributes = type !== undefined || domain !== undefined || expiresAtMs !== undefined;
  // Before anything walks it: data may contain itself.
  const content = encodeContent(data, text);
  return {
    id,
    vector,
    embed: vector === undefined ? textToEmbed(text, data) : undefined,
    content,
    metadata: metadata === undefined ? "{}" : checkMetadata(metadata),
    attributes: hasAttributes ? defined({ type, domain, expiresAtMs }) : undefined,
  };
}

/** JSON text of `{ data?, text? }`; `""` for neither. */
export function encodeContent(data: unknown, text: string | undefined): string {
  if (data === undefined) return text === undefined ? "" : `{"text":${checkData(text)}}`;
  const dataText = checkData(data);
  if (text === undefined) return `{"data":${dataText}}`;
  return `{"data":${dataText},"text":${checkData(text)}}`;
}

/** What stands for a record in the vector space: its text, or all strings of its data. */
export function textToEmbed(text: string | undefined, data: unknown): string {
  if (text !== undefined) {
    if (text.trim() === "") throw invalid("text is empty: there is nothing to embed");
    return text;
  }
  if (data === undefined) throw invalid("a record needs a vector, a text or data to embed");
  const strings: string[] = [];
  collectStrings(data, strings, new Set());
  const joined = strings.join("\n");
  return joined.trim() === "" ? (JSON.stringify(data) ?? "") : joined;
}

function collectStrings(value: unknown, strings: string[], seen: Set<unknown>): void {
  if (typeof value === "string") strings.push(value);
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  for (const field of Object.values(value)) collectStrings(field, strings, seen);
}

function label(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "" || value.length > 256) {
    throw invalid(`${name} must be a string of 1 to 256 characters`);
  }
  return value;
}

/** The put that a prepared record becomes, and about how many bytes it takes. */
export function putDraft(
  prepared: PreparedRecord,
  vector: VectorInput,
  rules: { readonly dimensions: number | undefined; readonly metric: Metric },
): { readonly draft: Draft; readonly bytes: number } {
  const { id, content, metadata, attributes } = prepared;
  const checked = checkVector(vector, rules);
  return {
    draft: { kind: "put", id, vector: checked, content, metadata, attributes },
    bytes: recordBytes(prepared, checked.length),
  };
}

/** About what a record takes in a slot. A record that is too large is refused. */
export function recordBytes({ id, content, metadata }: PreparedRecord, dimension: number): number {
  const bytes = 4 * dimension + textBytes(content) + textBytes(metadata);
  checkRecordSize(bytes);
  return bytes + id.length + OVERHEAD_BYTES;
}

/** Short texts are not looked through: what they add to a slot beyond one byte a character is little. */
function textBytes(text: string): number {
  return text.length <= TEXT_LENGTH_SHORT ? text.length : utf8Length(text);
}
