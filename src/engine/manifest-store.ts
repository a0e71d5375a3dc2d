import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { MANIFEST_PREFIX, manifestKey, parseManifestKey } from "../format/keys.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../format/manifest.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { getDecoded } from "./get-decoded.ts";

/** How often a reader begins again because what it had listed was collected meanwhile. */
const ATTEMPTS_MAX = 16;

/** A manifest as a LIST shows it. */
export interface ListedManifest extends ObjectInfo {
  readonly number: number;
}

/** Numbers of all manifests that exist, ascending. One LIST; all its pages are read. */
export async function listManifests(store: ObjectStore): Promise<number[]> {
  return (await listedManifests(store)).map(({ number }) => number);
}

/** The highest manifest that exists, unread. One LIST; all its pages are read. */
export async function findNewestManifest(store: ObjectStore): Promise<ListedManifest | undefined> {
  return (await listedManifests(store)).at(-1);
}

/** All manifests that exist, ascending. One LIST; all its pages are read. */
export async function listedManifests(store: ObjectStore): Promise<ListedManifest[]> {
  const manifests: ListedManifest[] = [];
  for await (const page of store.list({ prefix: MANIFEST_PREFIX })) {
    for (const object of page.objects) {
      const number = parseManifestKey(object.key);
      if (number !== undefined) manifests.push({ ...object, number });
    }
  }
  return manifests.sort((a, b) => a.number - b.number);
}

/**
 * Whether `manifest` still exists, as the very object that a LIST showed, and no next one does:
 * two HEADs. While it exists nothing is collected that it does not cover, so a log that was listed
 * before the call lacks nothing beyond it. One that was collected and created again is younger.
 * That there is no next one is a doorbell that did not ring, and proves nothing.
 */
export async function isUndisturbed(
  store: ObjectStore,
  manifest: ListedManifest,
): Promise<boolean> {
  const [isHere, next] = await Promise.all([
    isStillHere(store, manifest),
    store.head(manifestKey(manifest.number + 1)),
  ]);
  return isHere && next === undefined;
}

/**
 * Whether `manifest` exists as the very object that a LIST showed: one HEAD. A late PUT may create
 * one again after it was collected, and what it names is gone then: it is younger by minutes.
 */
export async function isStillHere(store: ObjectStore, manifest: ListedManifest): Promise<boolean> {
  const same = await store.head(manifest.key);
  if (same === undefined || same.etag !== manifest.etag) return false;
  // Some stores tell milliseconds in one answer and whole seconds in the other.
  return Math.abs(same.modifiedMs - manifest.modifiedMs) <= 1_000;
}

/**
 * The manifest with the highest number, or `undefined` in a store that has none.
 *
 * Highest by a full LIST, never by probing: a number below the highest may have been collected
 * and created again by a process that slept. One that does not decode is `BRAINY_CORRUPT`;
 * nothing falls back to an older one by itself.
 */
export async function readNewestManifest(store: ObjectStore): Promise<Manifest | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const number = (await listManifests(store)).at(-1);
    if (number === undefined) return undefined;
    const manifest = await readManifest(store, number);
    if (manifest !== undefined) return manifest;
  }
  throw new BrainyError(
    "BRAINY_UNAVAILABLE",
    `${store.name}: manifests were collected faster than they could be read`,
  );
}

/** One manifest by number; `undefined` when it is not there. */
export async function readManifest(
  store: ObjectStore,
  number: number,
): Promise<Manifest | undefined> {
  const key = manifestKey(number);
  return getDecoded(store, key, ({ bytes }) => decodeManifest(bytes, key));
}

/** What is known after an attempt to commit. */
export type CommitOutcome =
  /** It is the highest: committed, and nothing came after it yet. */
  | { readonly kind: "committed" }
  /** There is a higher number: whether ours came first is not known. Continue from `newest`. */
  | { readonly kind: "superseded"; readonly newest: Manifest };

/**
 * The commit point of the database: create `manifest.number` if absent, then LIST.
 *
 * A makers' objects are never deleted here, whatever the outcome: only collection does that.
 * Spec: docs/specs/manifest.md, invariant M1.
 */
export async function commitManifest(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly manifest: Manifest;
}): Promise<CommitOutcome> {
  const { store, clock, random, manifest } = options;
  const key = manifestKey(manifest.number);
  const bytes = encodeManifest(manifest);
  const outcome = await createOnce({ store, clock, random, key, bytes });
  const newest = await readNewestManifest(store);
  if (newest === undefined) {
    throw new BrainyError("BRAINY_FENCED", `${key} is gone: the database was deleted or replaced`);
  }
  if (outcome.kind === "won" && newest.number === manifest.number) return { kind: "committed" };
  return { kind: "superseded", newest };
}
