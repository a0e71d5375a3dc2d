import { invalid } from "../base/errors.ts";

/** Longest key, prefix of `prefixed` included. Object stores allow 1,024 bytes; paths less. */
export const KEY_CHARACTERS_MAX = 512;

/** Longest part between two `/`: file systems allow 255, and the store adds to some names. */
export const KEY_SEGMENT_CHARACTERS_MAX = 240;

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** Devices that Windows opens under any folder and with any extension. */
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** Throws `BRAINY_INVALID_ARGUMENT` unless every store can hold an object of this name. */
export function checkKey(key: string): void {
  const why = typeof key === "string" ? whyNoKey(key) : "it is not a string";
  if (why !== undefined) throw invalid(`key ${shown(key)}: ${why}`);
}

/** Whether `checkKey` accepts it: for names that come from a folder and not from a caller. */
export function isKey(key: string): boolean {
  return whyNoKey(key) === undefined;
}

/**
 * Throws `BRAINY_INVALID_ARGUMENT` unless some key can begin with `prefix`. Its last part may be
 * cut anywhere: `a/b` is the beginning of `a/bc`, and `` of everything.
 */
export function checkKeyPrefix(prefix: string): void {
  if (typeof prefix !== "string") throw invalid(`prefix ${shown(prefix)}: it is not a string`);
  const cut = prefix.lastIndexOf("/");
  const folders = cut === -1 ? undefined : prefix.slice(0, cut);
  const rest = prefix.slice(cut + 1);
  const why =
    (folders === undefined ? undefined : whyNoKey(folders)) ??
    (prefix.length > KEY_CHARACTERS_MAX ? "it is too long" : undefined) ??
    (rest === "" || SEGMENT.test(rest)
      ? undefined
      : `no key has a part that begins ${shown(rest)}`);
  if (why !== undefined) throw invalid(`prefix ${shown(prefix)}: ${why}`);
}

function whyNoKey(key: string): string | undefined {
  if (key.length > KEY_CHARACTERS_MAX) return `it is longer than ${KEY_CHARACTERS_MAX} characters`;
  for (const segment of key.split("/")) {
    if (segment === "") return "it is empty, or has an empty part between slashes";
    if (!SEGMENT.test(segment)) {
      return `${shown(segment)} is not of A-Z a-z 0-9 . _ - or begins with a dot`;
    }
    if (segment.endsWith(".")) return `${shown(segment)} ends with a dot, which Windows drops`;
    if (DEVICE.test(segment)) return `${shown(segment)} is a device on Windows`;
    if (segment.length > KEY_SEGMENT_CHARACTERS_MAX) {
      return `a part is longer than ${KEY_SEGMENT_CHARACTERS_MAX} characters`;
    }
  }
  return undefined;
}

/** Quoted, with control characters escaped, and short enough for a message. */
function shown(value: unknown): string {
  const text = JSON.stringify(String(value));
  return text.length <= 100 ? text : `${text.slice(0, 97)}…"`;
}
