import { invalid } from "../base/errors.ts";
import type { GetOptions } from "./object-store.ts";

/** Throws `BRAINY_INVALID_ARGUMENT` for a range that no object could satisfy. */
export function checkByteRange(key: string, { range, suffix }: GetOptions): void {
  if (range !== undefined && suffix !== undefined) {
    throw invalid(`get ${key}: range and suffix exclude each other`);
  }
  if (suffix !== undefined && !(Number.isSafeInteger(suffix) && suffix >= 0)) {
    throw invalid(`get ${key}: suffix ${suffix} is not a whole number of bytes`);
  }
  if (range === undefined) return;
  const [start, end] = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw invalid(`get ${key}: [${start}, ${end}) is not a range of bytes`);
  }
}

/**
 * The half-open part of an object of `bytesTotal` bytes that a `get` asks for. A start at the very
 * end is an empty part; one beyond it is `BRAINY_INVALID_ARGUMENT`.
 */
export function resolveByteRange(
  key: string,
  { range, suffix }: GetOptions,
  bytesTotal: number,
): readonly [start: number, end: number] {
  if (suffix !== undefined) return [Math.max(0, bytesTotal - suffix), bytesTotal];
  if (range === undefined) return [0, bytesTotal];
  const [start, end] = range;
  if (start > bytesTotal) {
    throw invalid(`get ${key}: range starts at ${start}, beyond its ${bytesTotal} bytes`);
  }
  return [start, Math.min(end, bytesTotal)];
}
