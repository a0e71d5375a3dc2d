import { BrainyError, invalid } from "../base/errors.ts";
import { scalarName } from "./filter-operand.ts";
import { isPlainObject } from "./plain-object.ts";
import { RECORD_BYTES_MAX } from "./record-limits.ts";
import { hasLoneSurrogate, utf8Length } from "./record-text.ts";

/** Metadata is read for every candidate of a filtered search, so it stays small. */
const METADATA_BYTES_MAX = 64 * 1024;

const DEPTH_MAX = 32;

/** Characters that JSON escapes, and surrogates, which need a look at their neighbours. */
const SPECIAL = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Where the writer is: containers around the value, so that a circle is seen, and its size. */
interface Writer {
  readonly root: string;
  readonly path: (string | number)[];
  readonly containers: object[];
  /** Characters written. An object that repeats itself inside itself grows beyond any memory. */
  characters: number;
}

/**
 * The JSON text of a record's metadata. Object keys whose value is `undefined` are left out and a
 * `Date` becomes its ISO string, as in `JSON.stringify`; what that would silently change or drop
 * (`NaN`, functions, `Map`) is refused instead.
 */
export function checkMetadata(metadata: unknown): string {
  const writer = startWriter("metadata");
  const value = resolve(metadata, writer);
  if (!isPlainObject(value)) {
    throw invalid(`metadata: must be a plain object, not ${describe(value)}`);
  }
  const text = isFlat(value) ? JSON.stringify(value) : write(value, writer);
  // No character takes more than three bytes, so most texts need not be counted.
  if (text.length * 3 <= METADATA_BYTES_MAX) return text;
  const bytes = utf8Length(text);
  if (bytes <= METADATA_BYTES_MAX) return text;
  throw new BrainyError(
    "BRAINY_LIMIT",
    `metadata: takes ${bytes} bytes as JSON, at most ${METADATA_BYTES_MAX} are allowed; ` +
      "larger content belongs into data",
  );
}

/** The JSON text of a record's data: any JSON value, by the rules of `checkMetadata`. */
export function checkData(data: unknown): string {
  const writer = startWriter("data");
  return write(resolve(data, writer), writer);
}

/**
 * Whether an object is what most metadata is: names with finite numbers, booleans, `null` and
 * strings of ordinary characters. `JSON.stringify` then gives the same text as `write`, in one
 * piece: text that was put together keeps its pieces, which took 800 bytes a record.
 */
function isFlat(object: Readonly<Record<string, unknown>>): boolean {
  let characters = 0;
  for (const key of Object.keys(object)) {
    if (key === "__proto__" || SPECIAL.test(key)) return false;
    const value = object[key];
    if (typeof value === "string") {
      characters += value.length;
      if (characters > METADATA_BYTES_MAX || SPECIAL.test(value)) return false;
    } else if (typeof value === "number") {
      if (!Number.isFinite(value)) return false;
    } else if (typeof value !== "boolean" && value !== null) return false;
  }
  return true;
}

function startWriter(root: string): Writer {
  return { root, path: [], containers: [], characters: 0 };
}

function write(value: unknown, writer: Writer): string {
  switch (typeof value) {
    case "string":
      return count(writeString(value, writer), writer);
    case "number":
      if (!Number.isFinite(value)) {
        throw invalid(`${where(writer)}: ${value} is not a finite number, which JSON needs`);
      }
      return count(`${value}`, writer);
    case "boolean":
      return count(value ? "true" : "false", writer);
    case "object":
      if (value === null) return count("null", writer);
      return Array.isArray(value) ? writeArray(value, writer) : writeObject(value, writer);
    default:
      throw invalid(`${where(writer)}: ${unsupported(value)}`);
  }
}

function writeArray(array: readonly unknown[], writer: Writer): string {
  enter(array, writer);
  let text = "[";
  for (let i = 0; i < array.length; i++) {
    writer.path.push(i);
    if (i > 0) text += ",";
    text += write(resolve(array[i], writer), writer);
    writer.path.pop();
  }
  leave(writer);
  return `${text}]`;
}

function writeObject(object: object, writer: Writer): string {
  if (!isPlainObject(object)) throw invalid(`${where(writer)}: ${unsupported(object)}`);
  enter(object, writer);
  let text = "{";
  for (const key of Object.keys(object)) {
    writer.path.push(key);
    if (key === "__proto__") throw invalid(`${where(writer)}: this key is not allowed`);
    const value = resolve(object[key], writer);
    if (value !== undefined) {
      if (text.length > 1) text += ",";
      text += `${count(writeString(key, writer), writer)}:${write(value, writer)}`;
    }
    writer.path.pop();
  }
  leave(writer);
  return `${text}}`;
}

function writeString(text: string, writer: Writer): string {
  if (!SPECIAL.test(text)) return `"${text}"`;
  if (hasLoneSurrogate(text)) {
    throw invalid(
      `${where(writer)}: contains half of a surrogate pair, which UTF-8 cannot express`,
    );
  }
  return JSON.stringify(text);
}

/** What stands for the value in JSON: the text of a date, the result of its own `toJSON`. */
function resolve(value: unknown, writer: Writer): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalid(`${where(writer)}: the Date is invalid`);
    return value.toISOString();
  }
  // A Buffer has a toJSON that would turn each byte into text.
  if (ArrayBuffer.isView(value)) throw invalid(`${where(writer)}: ${unsupported(value)}`);
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON !== "function") return value;
  const key = writer.path.at(-1) ?? "";
  return (value as { toJSON(key: string): unknown }).toJSON(String(key));
}

function enter(container: object, writer: Writer): void {
  if (writer.containers.includes(container)) {
    throw invalid(`${where(writer)}: contains itself, which JSON cannot express`);
  }
  if (writer.containers.length >= DEPTH_MAX) {
    throw invalid(`${where(writer)}: is nested over ${DEPTH_MAX} levels`);
  }
  writer.containers.push(container);
  count("{}", writer);
}

function leave(writer: Writer): void {
  writer.containers.pop();
}

function count(text: string, writer: Writer): string {
  writer.characters += text.length;
  if (writer.characters > RECORD_BYTES_MAX) {
    throw new BrainyError(
      "BRAINY_LIMIT",
      `${writer.root}: takes over ${RECORD_BYTES_MAX} bytes as JSON, the most a record may have`,
    );
  }
  return text;
}

function where({ root, path }: Writer): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const short = part.length <= 60 ? part : `${part.slice(0, 60)}…`;
    return /^[\w$-]+$/.test(short) ? `${text}.${short}` : `${text}[${JSON.stringify(short)}]`;
  }, root);
}

function unsupported(value: unknown): string {
  if (value === undefined) return "is undefined, which JSON cannot express; null can stand there";
  if (typeof value === "bigint") return "is a bigint; convert it to a string or a number";
  if (typeof value === "symbol") return "is a symbol, which JSON cannot express";
  if (typeof value === "function") return "is a function, which JSON cannot express";
  return `is ${describe(value)}${adviceFor(value)}`;
}

function adviceFor(value: unknown): string {
  if (ArrayBuffer.isView(value)) {
    return "; the record's own vector goes beside the metadata, other numbers into a plain array";
  }
  if (value instanceof Map) return "; Object.fromEntries(map) makes a plain object";
  if (value instanceof Set) return "; [...set] makes an array";
  return "; give a plain object, or a toJSON() method that returns one";
}

function describe(value: unknown): string {
  return value === undefined ? "undefined" : scalarName(value);
}
