import { FORMAT_VERSION } from "./format-version.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";

/**
 * Hints that one process run published at one moment, under a key that only it writes:
 * `_brainy/events/<ulid>.json`. It removes them again after a short while.
 */
export interface EventBatch {
  /** Oldest first. What is in them is checked by whoever acts on them. */
  readonly hints: readonly object[];
}

/** Pretty-printed JSON with a checksum, like a manifest. */
export function encodeEventBatch({ hints }: EventBatch): Uint8Array {
  return encodeSealedJson({ formatVersion: FORMAT_VERSION, hints });
}

/** Throws `BRAINY_CORRUPT`, or `BRAINY_UNSUPPORTED` for a newer format. */
export function decodeEventBatch(bytes: Uint8Array, where: string): EventBatch {
  const fields = decodeSealedJson(bytes, where);
  fields.integer("formatVersion", 1);
  return { hints: fields.objects("hints").map(({ value }) => value) };
}
