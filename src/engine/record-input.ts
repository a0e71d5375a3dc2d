import { BrainyError, invalid } from "../base/errors.ts";
import { scalarName } from "./filter-operand.ts";
import { RECORD_BYTES_MAX } from "./record-limits.ts";
import { hasLoneSurrogate, utf8Length } from "./record-text.ts";

export { checkData, checkMetadata } from "./record-json.ts";
export { checkVector, checkVectorInto, DIMENSIONS_MAX } from "./record-vector.ts";
export { utf8Length } from "./record-text.ts";

/** An id is part of every answer and every operation, so it stays short. */
export const ID_BYTES_MAX = 1024;

/** A search that wants more than this wants an export. */
export const K_MAX = 10_000;

/** The furthest moment from 1970 that a JavaScript `Date` can express. */
const DATE_MS_MAX = 8.64e15;

/** Date alone, which is midnight UTC, or date and time with their zone. */
const ISO_PATTERN =
  /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** An id as users give it: any well-formed text of 1 to 1,024 bytes without NUL. */
export function checkId(id: unknown): string {
  if (typeof id !== "string") throw invalid(`id: must be a string, not ${scalarName(id)}`);
  if (id === "") throw invalid("id: must not be empty");
  if (id.length * 3 > ID_BYTES_MAX) {
    const bytes = utf8Length(id);
    if (bytes > ID_BYTES_MAX) {
      throw invalid(`id: takes ${bytes} bytes of UTF-8, at most ${ID_BYTES_MAX} are allowed`);
    }
  }
  if (id.includes("\0")) throw invalid("id: must not contain a NUL character");
  if (hasLoneSurrogate(id)) {
    throw invalid("id: contains half of a surrogate pair, which UTF-8 cannot express");
  }
  return id;
}

/** How many hits a search returns. */
export function checkK(k: unknown): number {
  if (typeof k !== "number" || !Number.isInteger(k) || k < 1 || k > K_MAX) {
    throw invalid(`k: must be a whole number from 1 to ${K_MAX}, not ${scalarName(k)}`);
  }
  return k;
}

/** When a record ceases to exist, in milliseconds since 1970. It may be in the past. */
export function checkExpiresAt(value: unknown): number {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalid("expiresAt: the Date is invalid");
    return value.getTime();
  }
  if (typeof value === "number") {
    if (Number.isInteger(value) && Math.abs(value) <= DATE_MS_MAX) return value;
    throw invalid(`expiresAt: ${value} is not a whole number of milliseconds since 1970`);
  }
  if (typeof value === "string") {
    const moment = isIsoDate(value) ? Date.parse(value) : NaN;
    if (!Number.isNaN(moment)) return moment;
    throw invalid(
      `expiresAt: ${scalarName(value)} is not an ISO date with its zone, as 2030-01-31T12:00:00Z is`,
    );
  }
  throw invalid(
    `expiresAt: must be a Date, an ISO string or milliseconds since 1970, not ${scalarName(value)}`,
  );
}

/** `Date.parse` takes February 31 for March 3, which nobody meant. */
function isIsoDate(text: string): boolean {
  if (!ISO_PATTERN.test(text)) return false;
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

/** `bytesTotal` is the sum of the record's vector, content and metadata. */
export function checkRecordSize(bytesTotal: number): void {
  if (bytesTotal <= RECORD_BYTES_MAX) return;
  throw new BrainyError(
    "BRAINY_LIMIT",
    `record: takes ${bytesTotal} bytes, at most ${RECORD_BYTES_MAX} are allowed; split it`,
  );
}
