import { decodeText } from "../base/bytes.ts";
import { HINT_TEXT_MAX, TOPIC_PATTERN, decodeHint, encodeHint, type Hint } from "./hint.ts";

/*
 * What a relay and its clients say to each other: one JSON object in each text frame.
 *
 *   client ─► relay   {"join":"<database>"}   {"leave":"<database>"}   {"hint":{…}}
 *   relay ─► client   {"hint":{…}}
 */

/** One frame that was understood. */
export type RelayFrame =
  | { readonly kind: "join"; readonly topic: string }
  | { readonly kind: "leave"; readonly topic: string }
  | { readonly kind: "hint"; readonly hint: Hint };

/** Bytes of the longest frame: a character of a hint takes up to three in UTF-8. */
export const FRAME_BYTES_MAX = 3 * HINT_TEXT_MAX + 64;

/** The frame that starts or stops to listen to a database. */
export function encodeTopic(kind: "join" | "leave", topic: string): string {
  return JSON.stringify({ [kind]: topic });
}

/** The frame of a hint; `undefined` when it is too long, or no JSON. */
export function encodeHintFrame(hint: Hint): string | undefined {
  const text = encodeHint(hint);
  return text === undefined ? undefined : `{"hint":${text}}`;
}

/** What came in, as `ws` gives it. `undefined`: garbage. */
export function decodeFrame(data: unknown, isBinary: boolean): RelayFrame | undefined {
  if (isBinary || !(data instanceof Uint8Array)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(decodeText(data));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { join, leave, hint: given } = value as Record<string, unknown>;
  for (const [kind, topic] of [["join", join] as const, ["leave", leave] as const]) {
    if (typeof topic === "string" && TOPIC_PATTERN.test(topic)) return { kind, topic };
  }
  const hint = decodeHint(given);
  return hint === undefined ? undefined : { kind: "hint", hint };
}
