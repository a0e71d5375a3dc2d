import { BrainyError, corrupt, isBrainyError } from "../base/errors.ts";
import type { RangeSource } from "../format/segment-reader.ts";
import type { ObjectStore } from "../storage/object-store.ts";

/** Ranged reads of one immutable object. `BRAINY_NOT_FOUND` once it has been collected. */
export function storeRange(
  store: ObjectStore,
  object: { readonly key: string; readonly bytes: number },
): RangeSource {
  return {
    bytesTotal: object.bytes,
    async read(start, end, options) {
      const found = await store
        .get(object.key, { range: [start, end], ...options })
        .catch((error: unknown) => {
          // Asked for by what a manifest says, so it is no mistake of the caller's.
          const isBeyond = isBrainyError(error, "BRAINY_INVALID_ARGUMENT");
          throw isBeyond ? corrupt(object.key, `has no bytes ${start} to ${end}`) : error;
        });
      if (found === undefined) {
        throw new BrainyError("BRAINY_NOT_FOUND", `${object.key} is not in the store`);
      }
      return found.bytes;
    },
  };
}
