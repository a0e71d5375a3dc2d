import type { Checkpoint } from "../format/checkpoint.ts";
import {
  MANIFEST_PREFIX,
  SEGMENT_PREFIX,
  checkpointKey,
  manifestKey,
  parseManifestKey,
  parseSegmentKey,
  slotKey,
} from "../format/keys.ts";
import type { Manifest } from "../format/manifest.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import {
  CHECKPOINT_MARGIN_MS,
  isCheckpointExpired,
  listCheckpoints,
  readCheckpoint,
} from "./checkpoint.ts";
import { SEAL_LIVES_MS, isJunk } from "./lane-ledger.ts";
import { listLog, type ListedSlot, type LogListing } from "./log-listing.ts";
import { readManifest, readNewestManifest } from "./manifest-store.ts";

/** Manifests that are kept whatever their age. */
export const MANIFESTS_KEPT = 10;

/** How long a manifest is kept after a newer one replaced it: readers finish what they began. */
export const MANIFEST_LIVES_MS = 2 * 60_000;

/** After this even one of the newest ten goes, unless less is asked for: else what it names stays. */
export const MANIFEST_LIVES_MAX_MS = 24 * 3_600_000;

/** No manifest of the newest ten goes earlier, whatever is asked for. */
export const MANIFEST_LIVES_MIN_MS = 3_600_000;

/** Keys of one `deleteMany`. */
const DELETE_BATCH = 1000;

/** Whose garbage is collected, and by whom. */
export interface CollectionOptions {
  readonly store: ObjectStore;
  /** Only the holder collects; it says who it is. */
  readonly incarnation: string;
  readonly epoch: number;
  /** Age from which one of the newest ten manifests goes. Default 24 hours; at least one. */
  readonly manifestLivesMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was deleted, by kind. */
export interface CollectionReport {
  /** `false`: somebody else holds maintenance now, and nothing but old manifests was deleted. */
  readonly isHolder: boolean;
  readonly manifests: number;
  readonly checkpoints: number;
  /** Segments and deletion vectors. */
  readonly segments: number;
  readonly slots: number;
  /** When something that is only kept for its age may go, from now on; `undefined`: nothing is. */
  readonly againInMs: number | undefined;
}

/**
 * Deletes what nothing needs any more. The order is the protocol: what may go is listed first,
 * what is needed is read after, so that an object made in between is needed or not listed.
 *
 * Never while a job of this process runs: its outputs are named by nothing yet.
 * Spec: docs/specs/collection.md. Costs five LISTs and a GET for each manifest and checkpoint.
 */
export async function collectGarbage(options: CollectionOptions): Promise<CollectionReport> {
  const { store, incarnation, epoch, signal } = options;
  const retired = await deleteOldManifests(options);
  const segmentKeys = await listSegmentKeys(store, signal);
  const listing = await listLog(store, signal);
  const newest = await readNewestManifest(store);
  const nothing = { checkpoints: 0, segments: 0, slots: 0 };
  if (newest === undefined || newest.holder !== incarnation || newest.epoch !== epoch) {
    return { isHolder: false, manifests: retired.deleted, againInMs: undefined, ...nothing };
  }
  const manifests = await readRemainingManifests(store, newest, signal);
  const pins = await readPins(store, signal);
  const references = [...manifests, ...pins.checkpoints.map(({ manifest }) => manifest)];
  const needed = referencedKeys(references);
  const segments = segmentKeys.filter((key) => !needed.has(key));
  const slots = collectableSlots({ listing, newest, manifests, checkpoints: pins.checkpoints });
  await deleteInBatches(store, pins.expired.map(checkpointKey), signal);
  await deleteInBatches(store, [...segments, ...slots.keys], signal);
  return {
    isHolder: true,
    manifests: retired.deleted,
    checkpoints: pins.expired.length,
    segments: segments.length,
    slots: slots.keys.length,
    againInMs: leastOf([retired.againInMs, slots.againInMs, pins.againInMs]),
  };
}

function leastOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known));
}

/** Replaced for longer than any reader takes: beyond the newest ten that is two minutes. */
async function deleteOldManifests({
  store,
  manifestLivesMs = MANIFEST_LIVES_MAX_MS,
  signal,
}: CollectionOptions): Promise<{
  readonly deleted: number;
  readonly againInMs: number | undefined;
}> {
  const found: { readonly number: number; readonly modifiedMs: number }[] = [];
  let storeMs = 0;
  for await (const page of store.list({ prefix: MANIFEST_PREFIX, signal })) {
    storeMs = page.storeMs;
    for (const { key, modifiedMs } of page.objects) {
      const number = parseManifestKey(key);
      if (number !== undefined) found.push({ number, modifiedMs });
    }
  }
  found.sort((a, b) => a.number - b.number);
  const keys: string[] = [];
  const waits: number[] = [];
  // The newest one stays whatever happens.
  for (const [i, { number, modifiedMs }] of found.slice(0, -1).entries()) {
    // The later of the two: a stalled process may create a long collected number again.
    const replacedMs = Math.max(modifiedMs, found[i + 1]!.modifiedMs);
    const isRecent = i >= found.length - MANIFESTS_KEPT;
    const lives = isRecent ? Math.max(manifestLivesMs, MANIFEST_LIVES_MIN_MS) : MANIFEST_LIVES_MS;
    const leftMs = lives - (storeMs - replacedMs);
    if (leftMs < 0) keys.push(manifestKey(number));
    else waits.push(leftMs);
  }
  await deleteInBatches(store, keys, signal);
  return { deleted: keys.length, againInMs: leastOf(waits) };
}

/**
 * Whether no collection can have taken `manifest` yet, nor what it names. A younger number may be
 * gone for its age, and one that is there again may be what a stalled process created.
 */
export function isSurelyKept(manifest: Manifest, newest: number, storeMs: number): boolean {
  if (manifest.number === newest) return true;
  const isRecent = manifest.number > newest - MANIFESTS_KEPT;
  return isRecent && storeMs - manifest.createdMs < MANIFEST_LIVES_MIN_MS;
}

async function listSegmentKeys(
  store: ObjectStore,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of store.list({ prefix: SEGMENT_PREFIX, signal })) {
    for (const { key } of page.objects) if (parseSegmentKey(key) !== undefined) keys.push(key);
  }
  return keys;
}

/** All that exist, also those a stalled process created again. One that is damaged stops it. */
async function readRemainingManifests(
  store: ObjectStore,
  newest: Manifest,
  signal: AbortSignal | undefined,
): Promise<Manifest[]> {
  const manifests = [newest];
  for await (const page of store.list({ prefix: MANIFEST_PREFIX, signal })) {
    for (const { key } of page.objects) {
      const number = parseManifestKey(key);
      if (number === undefined || number === newest.number) continue;
      const manifest = await readManifest(store, number);
      if (manifest !== undefined) manifests.push(manifest);
    }
  }
  return manifests;
}

async function readPins(
  store: ObjectStore,
  signal: AbortSignal | undefined,
): Promise<{
  readonly checkpoints: readonly Checkpoint[];
  readonly expired: readonly string[];
  readonly againInMs: number | undefined;
}> {
  const { names, storeMs } = await listCheckpoints(store);
  const checkpoints: Checkpoint[] = [];
  const expired: string[] = [];
  for (const name of names) {
    signal?.throwIfAborted();
    const checkpoint = await readCheckpoint(store, name);
    if (checkpoint === undefined) continue;
    if (isCheckpointExpired(checkpoint, storeMs)) expired.push(name);
    else checkpoints.push(checkpoint);
  }
  const againInMs = leastOf(
    checkpoints.map(({ expiresAtMs }) =>
      expiresAtMs === undefined ? undefined : expiresAtMs + CHECKPOINT_MARGIN_MS - storeMs,
    ),
  );
  return { checkpoints, expired, againInMs };
}

/** Keys of the segments and deletion vectors that any of `manifests` names. */
export function referencedKeys(manifests: readonly Manifest[]): Set<string> {
  const keys = new Set<string>();
  for (const { segments } of manifests) {
    for (const { key, deletions } of segments) {
      keys.add(key);
      if (deletions !== undefined && "key" in deletions) keys.add(deletions.key);
    }
  }
  return keys;
}

/** Who may need a slot. */
export interface SlotNeeds {
  readonly listing: LogListing;
  /** Read after `listing`. */
  readonly newest: Manifest;
  /** All that exist, `newest` included. */
  readonly manifests: readonly Manifest[];
  readonly checkpoints: readonly Checkpoint[];
}

/** Keys of slots that every manifest and every checkpoint covers or does not need. */
export function collectableSlots(needs: SlotNeeds): {
  readonly keys: readonly string[];
  readonly againInMs: number | undefined;
} {
  const { listing, newest, manifests, checkpoints } = needs;
  const known = new Map(newest.lanes.map((entry) => [entry.lane, entry]));
  const keys: string[] = [];
  const waits: number[] = [];
  for (const [lane, slots] of listing.lanes) {
    const seal = known.get(lane)?.seal;
    const isAfterSeal = ({ number }: ListedSlot): boolean =>
      seal !== undefined && number > seal.slot;
    const isRetired = !known.has(lane) && isJunk(slots);
    const covered = coveredEverywhere(lane, manifests, isRetired);
    for (const slot of slots) {
      if (!known.has(lane) && !isRetired) continue;
      if (slot.number > covered && !isAfterSeal(slot)) continue;
      if (isPinned(lane, slot, checkpoints)) continue;
      const leftMs = SEAL_LIVES_MS - (listing.storeMs - slot.modifiedMs);
      const isSeal = slot.number === seal?.slot && seal.seenMs !== 0;
      const mustAge = !known.has(lane) || isSeal || isAfterSeal(slot);
      if (leftMs <= 0 || !mustAge) keys.push(slotKey(lane, slot.number));
      else waits.push(leftMs);
    }
  }
  return { keys, againInMs: leastOf(waits) };
}

/**
 * The last slot of `lane` that all manifests cover. One that does not list it covers none, unless the
 * lane was retired: then it may be younger than that, and whoever lists the lane is older.
 */
function coveredEverywhere(
  lane: LaneId,
  manifests: readonly Manifest[],
  isRetired: boolean,
): number {
  let covered = Number.POSITIVE_INFINITY;
  for (const { lanes } of manifests) {
    const entry = lanes.find((listed) => listed.lane === lane);
    if (entry === undefined && isRetired) continue;
    covered = Math.min(covered, entry?.cursor ?? -1);
  }
  return covered;
}

function isPinned(lane: LaneId, slot: ListedSlot, checkpoints: readonly Checkpoint[]): boolean {
  return checkpoints.some(({ tail }) =>
    tail.some(
      (range) => range.lane === lane && slot.number >= range.from && slot.number < range.to,
    ),
  );
}

async function deleteInBatches(
  store: ObjectStore,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let start = 0; start < keys.length; start += DELETE_BATCH) {
    await store.deleteMany(keys.slice(start, start + DELETE_BATCH), { signal });
  }
}
