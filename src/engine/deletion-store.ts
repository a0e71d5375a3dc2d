import { BrainyError, corrupt, isBrainyError } from "../base/errors.ts";
import {
  decodeDeletions,
  decodeDeletionsInline,
  deletionEntryInline,
  encodeDeletions,
} from "../format/deletions.ts";
import { deletionKey } from "../format/keys.ts";
import type { DeletionEntry, SegmentEntry } from "../format/manifest.ts";
import type { ObjectStore } from "../storage/object-store.ts";

const NONE = new Uint32Array(0);

/** Masked rows of a segment, ascending. One GET when they are not inside the manifest. */
export async function loadDeletions(
  store: ObjectStore,
  segment: SegmentEntry,
): Promise<Uint32Array> {
  const { deletions, rows, key } = segment;
  if (deletions === undefined) return NONE;
  if ("inline" in deletions) return decodeDeletionsInline(deletions, `masks of ${key}`, rows);
  const read = async (fresh: boolean): Promise<Uint32Array> => {
    const found = await store.get(deletions.key, { fresh });
    if (found === undefined) {
      throw new BrainyError("BRAINY_NOT_FOUND", `${deletions.key} is not in the store`);
    }
    const masked = decodeDeletions(found.bytes, deletions.key, rows);
    if (masked.length === deletions.count) return masked;
    throw corrupt(deletions.key, `masks ${masked.length} rows, not ${deletions.count}`);
  };
  return read(false).catch((error: unknown) => {
    // What a cache keeps may have been damaged on its way there.
    if (isBrainyError(error, "BRAINY_CORRUPT")) return read(true);
    throw error;
  });
}

/**
 * What a manifest says about these masked rows. When they do not fit into it they are written to
 * an object of a new name first: data before manifest.
 */
export async function storeDeletions(options: {
  readonly store: ObjectStore;
  readonly rows: Uint32Array;
  readonly partitionCount: number;
  readonly newUlid: () => string;
  /** Default: 3 KiB. */
  readonly inlineBytesMax?: number | undefined;
}): Promise<DeletionEntry> {
  const { store, rows, partitionCount, newUlid, inlineBytesMax } = options;
  const inline = deletionEntryInline(rows, inlineBytesMax);
  if (inline !== undefined) return inline;
  const bytes = encodeDeletions(rows);
  const key = deletionKey(newUlid(), partitionCount);
  await store.put(key, bytes);
  return { count: rows.length, key, bytes: bytes.byteLength };
}
