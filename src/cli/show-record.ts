import type { BrainyRecord } from "../types.ts";

/** A record as JSON: a vector becomes an array of numbers, and nothing else changes. */
export function plainRecord(record: Omit<BrainyRecord, "version">): object {
  const { vector, ...rest } = record;
  return vector === undefined ? rest : { ...rest, vector: Array.from(vector, shortestFloat) };
}

/**
 * The number with the fewest digits that is this float32 again once it is stored: 0.1 instead of
 * 0.10000000149011612, which halves an export.
 */
export function shortestFloat(value: number): number {
  for (const digits of [7, 8]) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  // Nine digits tell any two float32 values apart (IEEE 754, section 5.12.2).
  return Number(value.toPrecision(9));
}

/** `FILE:START-END` of a passage; `undefined` for any other record. */
export function placeOf({ metadata }: BrainyRecord): string | undefined {
  const { path, lineStart, lineEnd } = metadata;
  if (typeof path !== "string" || typeof lineStart !== "number") return undefined;
  return `${path}:${lineStart}-${typeof lineEnd === "number" ? lineEnd : lineStart}`;
}

/** The beginning of what a record says, on one line. */
export function snippetOf(record: BrainyRecord, charactersMax: number): string {
  const { text, data, metadata } = record;
  const said = text ?? (typeof data === "string" ? data : JSON.stringify(data ?? metadata));
  const line = oneLine(said).trim();
  return line.length <= charactersMax ? line : `${line.slice(0, charactersMax - 1).trimEnd()}…`;
}

/** Without control characters: stored text must not be able to drive a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, " ");
}

/** The same on one line: what is quoted may hold anything. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, " ");
}
