import { invalid } from "../base/errors.ts";
import type { Alternatives, JsonValue } from "./filter-node.ts";
import { isPlainObject } from "./plain-object.ts";

const VALUES_MAX = 10_000;

/** Metadata is at most this deep, so a deeper operand can equal nothing. */
const DEPTH_MAX = 32;

/** What an operand is equal to. The result shares nothing with what the user handed in. */
export function readOperand(operand: unknown, where: string): Alternatives {
  if (operand instanceof Date) return [isoString(operand, where), operand.getTime()];
  return [copyJson(operand, where, 1)];
}

/** The operand of `$in` and its kin. */
export function operandArray(operand: unknown, where: string): Alternatives[] {
  if (!Array.isArray(operand)) {
    throw invalid(`${where}: takes an array of values, not ${scalarName(operand)}`);
  }
  if (operand.length > VALUES_MAX) {
    throw invalid(`${where}: takes at most ${VALUES_MAX} values, not ${operand.length}`);
  }
  // Array.from turns holes into undefined, which is then refused by name.
  return Array.from(operand as readonly unknown[], (value, i) =>
    readOperand(value, `${where}[${i}]`),
  );
}

/** The bound of `$gt` and its kin: numbers order with numbers, strings with strings. */
export function orderedOperand(
  operand: unknown,
  where: string,
): { readonly number?: number; readonly string?: string } {
  if (operand instanceof Date) {
    return { string: isoString(operand, where), number: operand.getTime() };
  }
  if (typeof operand === "string") return { string: operand };
  if (typeof operand === "number") return { number: finite(operand, where) };
  throw invalid(`${where}: takes a number, a string or a Date, not ${scalarName(operand)}`);
}

/** A value in the words of an error message, short whatever it is. */
export function scalarName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  switch (typeof value) {
    case "object": {
      if (isPlainObject(value)) return "an object";
      const name: unknown = value.constructor?.name;
      return typeof name === "string" && name !== "" ? `a ${name}` : "an object";
    }
    case "function":
      return "a function";
    case "string":
      return value.length <= 40 ? JSON.stringify(value) : `a string of ${value.length} characters`;
    case "symbol":
      return "a symbol";
    case "bigint":
      return "a bigint";
    case "number":
    case "boolean":
      return String(value);
    default:
      return "undefined";
  }
}

function copyJson(value: unknown, where: string, depth: number): JsonValue {
  if (depth > DEPTH_MAX) {
    throw invalid(`${where}: a value is nested over ${DEPTH_MAX} levels, or contains itself`);
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return finite(value, where);
  if (value instanceof Date) return isoString(value, where);
  if (Array.isArray(value)) {
    return Array.from(value as readonly unknown[], (element, i) =>
      copyJson(element, `${where}[${i}]`, depth + 1),
    );
  }
  if (isPlainObject(value)) {
    const copy: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
    for (const [key, inner] of Object.entries(value)) {
      copy[key] = copyJson(inner, `${where}.${key}`, depth + 1);
    }
    return copy;
  }
  if (value === undefined) {
    throw invalid(`${where}: is undefined; to match absent fields write { $exists: false }`);
  }
  throw invalid(`${where}: ${scalarName(value)} is not a value that metadata can hold`);
}

function finite(value: number, where: string): number {
  if (Number.isFinite(value)) return value;
  throw invalid(`${where}: ${value} is not a finite number`);
}

function isoString(date: Date, where: string): string {
  if (Number.isNaN(date.getTime())) throw invalid(`${where}: the Date is invalid`);
  return date.toISOString();
}
