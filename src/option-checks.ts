import { BrainyError, invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";

/** Refuses names of later versions as not there yet, and others with the nearest name. */
export function refuseUnknown(
  given: object,
  known: readonly string[],
  where: string,
  reserved: Iterable<string> = [],
): void {
  const later = new Set(reserved);
  for (const key of Object.keys(given)) {
    if (!known.includes(key) && later.has(key)) throw unsupported(`${where}.${key}`);
  }
  refuseUnknownKeys(given, known, where);
}

/** The error of something decided but not built. */
export function unsupported(what: string): BrainyError {
  return new BrainyError("BRAINY_UNSUPPORTED", `${what} is not available in this version`);
}

/** The value, or an error that it is no object. */
export function asObject(value: unknown, where: string): object {
  if (typeof value === "object" && value !== null) return value;
  throw invalid(`${where} must be an object, not ${show(value)}`);
}

/** Refuses what is no whole number in `[least, most]`. */
export function wholeNumber(value: unknown, where: string, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalid(`${where}: ${show(value)} is not a whole number from ${least} to ${most}`);
}

/** The same for a value that may be absent. */
export function optional(
  value: number | undefined,
  where: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value !== undefined) wholeNumber(value, where, least, most);
  return value;
}

/** Refuses what is neither true nor false nor absent. */
export function boolean(value: unknown, where: string): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw invalid(`${where} must be true or false`);
  }
}

/** A value for a message. */
export function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
