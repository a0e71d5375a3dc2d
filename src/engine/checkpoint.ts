import type { Clock } from "../base/clock.ts";
import { BrainyError, corrupt, invalid } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import {
  decodeCheckpoint,
  encodeCheckpoint,
  type Checkpoint,
  type TailRange,
} from "../format/checkpoint.ts";
import { FORMAT_VERSION } from "../format/format-version.ts";
import { CHECKPOINT_PREFIX, checkpointKey, parseCheckpointKey, slotKey } from "../format/keys.ts";
import type { Manifest } from "../format/manifest.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { getDecoded } from "./get-decoded.ts";
import { uncoveredTails } from "./lane-ledger.ts";
import { listLog } from "./log-listing.ts";
import {
  findNewestManifest,
  isStillHere,
  readManifest,
  type ListedManifest,
} from "./manifest-store.ts";

/** How often a checkpoint is begun again because maintenance overtook it. */
const ATTEMPTS_MAX = 16;

/** How much later than its expiry a checkpoint is deleted: clocks of stores differ by less. */
export const CHECKPOINT_MARGIN_MS = 60_000;

/** What to pin, under which name and for how long. */
export interface CreateCheckpointOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly databaseId: string;
  /** 1 to 64 letters, digits, `_` and `-`. */
  readonly name: string;
  /** From then on, in milliseconds, it pins nothing. Default: until it is deleted. */
  readonly expiresInMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Pins the newest manifest and the log beyond it. Costs two LISTs, three GETs and one PUT.
 *
 * Rejects with `BRAINY_CONFLICT` when the name is taken, and with `BRAINY_NOT_FOUND` in a
 * database that has no manifest yet. Spec: docs/specs/collection.md, invariant C4.
 */
export async function createCheckpoint(options: CreateCheckpointOptions): Promise<Checkpoint> {
  const { store, clock, random, name, signal } = options;
  const key = checkpointKey(name);
  if (parseCheckpointKey(key) === undefined) {
    throw invalid(`checkpoint name ${JSON.stringify(name)}: 1 to 64 letters, digits, "_" or "-"`);
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    signal?.throwIfAborted();
    const taken = await takeCheckpoint(options);
    if (taken === undefined) continue;
    const { checkpoint, listed } = taken;
    const bytes = encodeCheckpoint(checkpoint);
    const outcome = await createOnce({ store, clock, random, key, bytes });
    if (outcome.kind === "lost") {
      throw new BrainyError("BRAINY_CONFLICT", `a checkpoint named ${name} exists already`);
    }
    // It pins what it names only if its manifest, which pinned that until now, is still there.
    if (await isStillHere(store, listed)) return checkpoint;
    await store.deleteMany([key]);
  }
  throw new BrainyError(
    "BRAINY_UNAVAILABLE",
    `checkpoint ${name}: manifests were collected faster than one could be pinned`,
  );
}

/** A checkpoint that is not stored yet, and its manifest as it was listed. */
interface Taken {
  readonly checkpoint: Checkpoint;
  readonly listed: ListedManifest;
}

/** `undefined`: what was listed is gone already, begin again. */
async function takeCheckpoint(options: CreateCheckpointOptions): Promise<Taken | undefined> {
  const { store, databaseId, name, expiresInMs, signal, random } = options;
  const listing = await listLog(store, signal);
  const listed = await newestOf(store);
  const manifest = await readManifest(store, listed.number);
  if (manifest === undefined) return undefined;
  if (manifest.databaseId !== databaseId) {
    throw new BrainyError("BRAINY_FENCED", `another database is here now: ${manifest.databaseId}`);
  }
  const tail = uncoveredTails({ manifest, listing }).map(({ lane, from, to }) => ({
    lane,
    from,
    to,
  }));
  if (!(await areWhole(store, manifest, tail))) return undefined;
  const createdMs = Math.floor(listing.storeMs);
  const checkpoint: Checkpoint = {
    formatVersion: FORMAT_VERSION,
    databaseId,
    name,
    nonce: randomHex(random, 16),
    createdMs,
    ...(expiresInMs === undefined ? {} : { expiresAtMs: createdMs + Math.ceil(expiresInMs) }),
    manifest,
    tail,
  };
  return { checkpoint, listed };
}

/**
 * A lane that the manifest does not list is either newer than it, or was retired after it was
 * listed here; then its first slot is gone.
 */
async function areWhole(
  store: ObjectStore,
  manifest: Manifest,
  tail: readonly TailRange[],
): Promise<boolean> {
  const known = new Set(manifest.lanes.map(({ lane }) => lane));
  for (const { lane, from } of tail) {
    if (known.has(lane)) continue;
    if ((await store.head(slotKey(lane, from))) === undefined) return false;
  }
  return true;
}

async function newestOf(store: ObjectStore): Promise<ListedManifest> {
  const listed = await findNewestManifest(store);
  if (listed !== undefined) return listed;
  throw new BrainyError("BRAINY_NOT_FOUND", "the database has no manifest yet: compact it first");
}

/** `undefined` when there is none of that name. */
export async function readCheckpoint(
  store: ObjectStore,
  name: string,
): Promise<Checkpoint | undefined> {
  const key = checkpointKey(name);
  return getDecoded(store, key, ({ bytes }) => {
    const checkpoint = decodeCheckpoint(bytes, key);
    if (checkpoint.name !== name) throw corrupt(key, `names itself ${checkpoint.name}`);
    return checkpoint;
  });
}

/** Names of all checkpoints, expired ones included, and the store's time. One LIST. */
export async function listCheckpoints(
  store: ObjectStore,
): Promise<{ readonly names: readonly string[]; readonly storeMs: number }> {
  const names: string[] = [];
  let storeMs = 0;
  for await (const page of store.list({ prefix: CHECKPOINT_PREFIX })) {
    storeMs = page.storeMs;
    for (const { key } of page.objects) {
      const name = parseCheckpointKey(key);
      if (name !== undefined) names.push(name);
    }
  }
  return { names: names.toSorted(), storeMs };
}

/** Idempotent. What only it pinned is collected later. */
export async function deleteCheckpoint(store: ObjectStore, name: string): Promise<void> {
  await store.deleteMany([checkpointKey(name)]);
}

/** Past its expiry by more than the margin: it pins nothing. */
export function isCheckpointExpired(checkpoint: Checkpoint, storeMs: number): boolean {
  const { expiresAtMs } = checkpoint;
  return expiresAtMs !== undefined && storeMs > expiresAtMs + CHECKPOINT_MARGIN_MS;
}
