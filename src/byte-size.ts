import { invalid } from "./base/errors.ts";
import { show } from "./option-checks.ts";

/** A number of bytes, or a text like `'8GB'`, `'512 MiB'`; units are powers of 1,024. */
export type ByteSize = number | (string & {});

const TEXT = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])i?)?B?$/i;
const UNITS = "KMGT";

/** Whole bytes, from `least` on; anything else is an error that names `where`. */
export function parseByteSize(size: unknown, where: string, least = 0): number {
  const bytes = typeof size === "string" ? bytesOf(size) : size;
  if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= least) return bytes;
  const bound = least === 0 ? "" : ` of at least ${least} bytes`;
  throw invalid(`${where}: ${show(size)} is not a size${bound}, like 8000000000 or '8GB'`);
}

function bytesOf(text: string): number | undefined {
  const [, digits, unit] = TEXT.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const power = unit === undefined ? 0 : UNITS.indexOf(unit.toUpperCase()) + 1;
  return Math.floor(Number(digits) * 1_024 ** power);
}
