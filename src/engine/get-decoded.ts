import { isBrainyError } from "../base/errors.ts";
import type { ObjectStore, StoredObject } from "../storage/object-store.ts";

/**
 * An object through its decoder; `undefined` when it is not there. What does not decode is read once
 * more before it counts as damage, past every cache: bytes may have been damaged on their way, and
 * then the object is as it was. Rejects with what the decoder says of the second reading. One GET, or
 * two. Spec: docs/specs/reading.md, R15.
 */
export async function getDecoded<Decoded>(
  store: ObjectStore,
  key: string,
  decode: (found: StoredObject) => Decoded,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Decoded | undefined> {
  const found = await store.get(key, options);
  if (found === undefined) return undefined;
  try {
    return decode(found);
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
  }
  const again = await store.get(key, { ...options, fresh: true });
  return again === undefined ? undefined : decode(again);
}
