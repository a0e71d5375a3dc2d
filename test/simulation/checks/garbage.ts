import { manifestKey } from "../../../src/format/keys.ts";
import type { Checkpoint } from "../../../src/format/checkpoint.ts";
import { covers, type BucketRecord, type StoredObject } from "./bucket-record.ts";

const HOUR = 3_600_000;
/** How long any of the newest ten manifests stays after it was replaced, at the shortest deadline. */
const MANIFEST_LIVES_MS = HOUR;
/** Seals of others, and what comes again under an old name. */
const LEFTOVERS_LIVE_MS = 24 * HOUR;
/** How much later than its expiry a checkpoint goes. */
const MARGIN_MS = 60_000;

/**
 * Keys of everything in a bucket that nothing needs and that has had its time, reckoned without the
 * engine's collection: right after one there is none.
 */
export function garbageOf(record: BucketRecord, nowMs: number): string[] {
  const checkpoints = pinsOf(record, nowMs);
  const manifests = record.existingManifests();
  const named = new Set<string>();
  for (const manifest of [
    ...manifests.map((link) => link.manifest),
    ...checkpoints.map((checkpoint) => checkpoint.manifest),
  ]) {
    for (const { key, deletions } of manifest.segments) {
      named.add(key);
      if (deletions !== undefined && "key" in deletions) named.add(deletions.key);
    }
  }
  const isGarbage = (object: StoredObject): boolean => {
    const ageMs = nowMs - object.atMs;
    switch (object.kind) {
      case "segment":
      case "deletions":
        return !named.has(object.key);
      case "checkpoint":
        return !checkpoints.includes(object.checkpoint);
      case "manifest": {
        const next = record.objects.get(manifestKey(object.manifest.number + 1));
        const replacedMs = record.chain.get(object.manifest.number + 1)?.atMs ?? next?.atMs;
        const sinceMs = Math.max(replacedMs ?? Number.POSITIVE_INFINITY, object.atMs);
        return nowMs - sinceMs > MANIFEST_LIVES_MS;
      }
      case "slot": {
        const { lane, number, kind, incarnation } = object.slot;
        if (isPinned(object, checkpoints)) return false;
        const mustAge = kind === "seal" && incarnation !== record.lanes.get(lane)?.incarnation;
        if ((mustAge || object.isAgain) && ageMs <= LEFTOVERS_LIVE_MS) return false;
        return manifests.every((link) => covers(link, lane, number));
      }
      default:
        return false;
    }
  };
  return [...record.objects.values()].filter(isGarbage).map(({ key }) => key);
}

/**
 * Marks of operations that nobody has seen for long and whose bytes are in some object all the same,
 * with its key; what checkpoints pin is not looked at. `isErased` says which marks are to be gone.
 */
export function remainsOf(
  record: BucketRecord,
  { nowMs, isErased }: { readonly nowMs: number; readonly isErased: (mark: string) => boolean },
): string[] {
  const checkpoints = pinsOf(record, nowMs);
  const pinned = new Set(
    checkpoints.flatMap(({ manifest }) => manifest.segments.map((s) => s.key)),
  );
  const found: string[] = [];
  for (const object of record.objects.values()) {
    const { key, kind, bytes } = object;
    const isKept = object.kind === "slot" && isPinned(object, checkpoints);
    if (kind === "checkpoint" || pinned.has(key) || isKept) continue;
    const marks = new TextDecoder("latin1").decode(bytes).match(/token-\d+/g) ?? [];
    for (const mark of new Set(marks)) if (isErased(mark)) found.push(`${mark} in ${key}`);
  }
  return found;
}

/** Those that exist and have not expired, whether or not they came too late to pin anything. */
function pinsOf(record: BucketRecord, nowMs: number): Checkpoint[] {
  return [...record.objects.values()].flatMap((object) => {
    if (object.kind !== "checkpoint") return [];
    const { expiresAtMs = Number.POSITIVE_INFINITY } = object.checkpoint;
    return nowMs > expiresAtMs + MARGIN_MS ? [] : [object.checkpoint];
  });
}

function isPinned(object: StoredObject, checkpoints: readonly Checkpoint[]): boolean {
  if (object.kind !== "slot") return false;
  const { lane, number } = object.slot;
  return checkpoints.some(({ tail }) =>
    tail.some((range) => range.lane === lane && number >= range.from && number < range.to),
  );
}
