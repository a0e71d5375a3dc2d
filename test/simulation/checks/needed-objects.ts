import { checkpointKey } from "../../../src/format/keys.ts";
import type { Manifest } from "../../../src/format/manifest.ts";
import type { Slot } from "../../../src/format/slot.ts";
import {
  covers,
  type BucketCheck,
  type BucketRecord,
  type ChainLink,
  type StoredObject,
} from "./bucket-record.ts";
import { claimOf } from "./manifest-chain.ts";

/** However many manifests follow it. */
const MANIFEST_LIVES_MS = 2 * 60_000;
/** One of the newest ten. */
const RECENT_MANIFEST_LIVES_MS = 3_600_000;
const RECENT = 10;
/** A seal that the lane's own writer did not make. */
const SEAL_LIVES_MS = 24 * 3_600_000;

/** Nothing is deleted that a manifest or a checkpoint needs, and none of these before its time. */
export class NeededObjects implements BucketCheck {
  stored(object: StoredObject, record: BucketRecord): void {
    if (object.kind !== "checkpoint" || !record.countsFrom(object)) return;
    const { manifest, tail } = object.checkpoint;
    const claim = claimOf(object.key);
    for (const key of namesOf(manifest)) {
      claim(record.objects.has(key), `pins ${key}, which is not there`);
    }
    const slots = new Set<string>();
    for (const each of record.objects.values()) {
      if (each.kind === "slot") slots.add(`${each.slot.lane} ${each.slot.number}`);
    }
    for (const { lane, from, to } of tail) {
      for (let number = from; number < to; number++) {
        claim(slots.has(`${lane} ${number}`), `pins slot ${lane}/${number}, which is not there`);
      }
    }
  }

  deleted(object: StoredObject, record: BucketRecord, atMs: number): void {
    // What came late or twice is behind everything that counts.
    if (object.isAgain) return;
    const { key, kind } = object;
    if (kind === "manifest") checkManifest(object.manifest, record, atMs);
    if (kind === "slot") checkSlot(object, object.slot, { record, atMs });
    if (kind === "segment" || kind === "deletions") {
      for (const { name, manifest } of readers(record, atMs)) {
        claimOf(key)(!namesOf(manifest).includes(key), `was deleted, ${name} names it`);
      }
    }
    claimOf(key)(kind !== "lease", "a lease was deleted");
    if (kind !== "checkpoint") return;
    const { expiresAtMs = Number.POSITIVE_INFINITY } = object.checkpoint;
    const isOver = atMs > expiresAtMs || !record.checkpoints(atMs).includes(object.checkpoint);
    claimOf(key)(isOver, "was deleted before it expired");
  }
}

/** Who may read what a manifest names. */
function readers(
  record: BucketRecord,
  atMs: number,
): { readonly name: string; readonly manifest: Manifest }[] {
  const pins = record.checkpoints(atMs).map(({ name, manifest }) => ({
    name: checkpointKey(name),
    manifest,
  }));
  const manifests = record.existingManifests().map(({ manifest }) => ({
    name: `manifest ${manifest.number}`,
    manifest,
  }));
  return [...manifests, ...pins];
}

function namesOf({ segments }: Manifest): string[] {
  return segments.flatMap(({ key, deletions }) =>
    deletions !== undefined && "key" in deletions ? [key, deletions.key] : [key],
  );
}

function checkManifest({ number }: Manifest, record: BucketRecord, atMs: number): void {
  const claim = claimOf(`manifest ${number}`);
  const next = record.chain.get(number + 1);
  claim(next !== undefined, "the newest was deleted");
  const ageMs = atMs - next!.atMs;
  const isRecent = number > record.newest!.manifest.number - RECENT;
  const livesMs = isRecent ? RECENT_MANIFEST_LIVES_MS : MANIFEST_LIVES_MS;
  claim(ageMs >= livesMs, `was deleted ${ageMs} ms after it was replaced`);
}

function checkSlot(
  { key, atMs: storedMs }: StoredObject,
  { lane, number, kind, incarnation }: Slot,
  { record, atMs }: { readonly record: BucketRecord; readonly atMs: number },
): void {
  const claim = claimOf(key);
  const needs = (link: ChainLink): boolean => !covers(link, lane, number);
  const needing = record.existingManifests().find(needs);
  claim(needing === undefined, `was deleted, manifest ${needing?.manifest.number} needs it`);
  claim(record.newest !== undefined, "was deleted before there was a manifest");
  for (const { name, tail } of record.checkpoints(atMs)) {
    const isPinned = tail.some((r) => r.lane === lane && number >= r.from && number < r.to);
    claim(!isPinned, `was deleted, checkpoint ${name} pins it`);
  }
  if (kind !== "seal" || incarnation === record.lanes.get(lane)?.incarnation) return;
  const ageMs = atMs - storedMs;
  claim(ageMs >= SEAL_LIVES_MS, `a seal that others made was deleted after ${ageMs} ms`);
}
