import { equalBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import {
  decodeConfig,
  encodeConfig,
  isSealedConfig,
  sealConfig,
  databaseFormat,
  type ConfigDocument,
  type ConfigSettings,
  type ConflictResolution,
  type DistanceMetric,
} from "../format/config.ts";
import { HASH_PARTITIONER } from "../format/hash-id.ts";
import { CONFIG_KEY } from "../format/keys.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import {
  describeDifference,
  fixedDifference,
  keepFixedSettings,
  readFixedSettings,
} from "./fixed-settings.ts";
import { getDecoded } from "./get-decoded.ts";
import { listManifests, readNewestManifest } from "./manifest-store.ts";

const ATTEMPTS_MAX = 16;

/** What a user asked for; what is not given is taken from the store, or from its default. */
export interface WantedSettings {
  readonly dimensions?: number | undefined;
  readonly metric?: DistanceMetric | undefined;
  /** Name of the embedding model. */
  readonly embeddingModel?: string | undefined;
  /** What places records in partitions. Without one, any that the database has will do. */
  readonly partitioner?: { readonly name: string; readonly partitionCount: number } | undefined;
  /** Default of a new database: `last-write-wins`. */
  readonly conflictResolution?: ConflictResolution | undefined;
}

/** The document, and which version of the object it is. */
export interface StoredConfig {
  readonly config: ConfigDocument;
  readonly etag: Etag;
}

/**
 * The shared settings of a database: fixed ones are in `config.json` *before* the first slot
 * that depends on them, so that two processes can never write vectors of two lengths.
 * A process that has settings already goes on with them, whatever somebody has uploaded since.
 * Spec: docs/specs/settings.md.
 */
export async function readSettings(
  store: ObjectStore,
  known?: ConfigDocument,
): Promise<ConfigDocument | undefined> {
  try {
    const config = (await readStored(store))?.config;
    const isOther =
      known !== undefined &&
      config !== undefined &&
      fixedDifference(known.settings, config.settings);
    return isOther ? known : config;
  } catch (error) {
    if (known === undefined || !isBrainyError(error, "BRAINY_CORRUPT")) throw error;
    return known;
  }
}

/** Creates the settings, or returns those that another process created first. */
export async function createSettings(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly wanted: WantedSettings;
}): Promise<ConfigDocument> {
  const { store, clock, random, wanted } = options;
  const { conflictResolution = "last-write-wins" } = wanted;
  const config: ConfigDocument = {
    version: 1,
    updated: new Date(clock.nowMs()).toISOString(),
    nonce: randomHex(random, 8),
    settings: {
      databaseId: randomHex(random, 16),
      formatVersion: databaseFormat(conflictResolution),
      partitionStrategy: "hash",
      partitionCount: wanted.partitioner?.partitionCount ?? 100,
      ...namedPartitioner(wanted),
      embeddingModel: wanted.embeddingModel ?? "none",
      ...(wanted.dimensions !== undefined && { dimensions: wanted.dimensions }),
      distanceMetric: wanted.metric ?? "cosine",
      conflictResolution,
    },
    instances: {},
  };
  const bytes = encodeConfig(sealConfig(config));
  const outcome = await createOnce({ store, clock, random, key: CONFIG_KEY, bytes });
  if (outcome.kind === "won") {
    await keepFixedSettings(store, config.settings);
    return config;
  }
  // What another process made may have been edited since, so it is read as any settings are.
  const stored = await readStored(store);
  if (stored === undefined) throw goneError();
  checkSettings(stored.config, wanted);
  return stored.config;
}

/**
 * Fixes `dimensions` when it was left open; the first to do so wins, and the others compare.
 * `known` are the settings that this process works with: a document that was edited into another
 * one meanwhile is refused.
 */
export async function fixDimensions(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly dimensions: number;
  readonly known?: ConfigSettings | undefined;
}): Promise<ConfigDocument> {
  const { store, clock, random, dimensions, known } = options;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = await readStored(store);
    if (stored === undefined) throw goneError();
    const { config } = stored;
    const difference = known && fixedDifference(known, config.settings);
    if (difference !== undefined) throw editedError(describeDifference(difference));
    if (config.settings.dimensions !== undefined) {
      checkSettings(config, { dimensions });
      return config;
    }
    // Somebody may have uploaded a document from before the dimensions were fixed.
    const kept = await readFixedSettings(store);
    const isOwn = kept?.databaseId === config.settings.databaseId;
    if (isOwn && !(await agreesWithKept(store, stored, kept))) continue;
    const settings = { ...config.settings, dimensions };
    const changed = await changeConfig({ store, clock, random, stored, settings });
    if (changed !== undefined) {
      await keepFixedSettings(store, changed.config.settings);
      return changed.config;
    }
    await clock.sleep(random.next() * 50);
  }
  throw new BrainyError("BRAINY_CONFLICT", `${CONFIG_KEY}: lost ${ATTEMPTS_MAX} races in a row`);
}

/**
 * Replaces the document that `stored` is by compare-and-swap, once. `undefined`: lost, or not
 * answered; either way the caller looks at what is there. New `settings` raise the version.
 */
export async function changeConfig(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly stored: StoredConfig;
  readonly settings?: ConfigSettings | undefined;
  readonly instances?: ConfigDocument["instances"] | undefined;
  /** The version before this change. Default: that of `stored`. */
  readonly versionBefore?: number | undefined;
}): Promise<StoredConfig | undefined> {
  const { store, clock, random, stored, settings, instances } = options;
  const { version } = stored.config;
  const changed = sealConfig({
    ...stored.config,
    nonce: randomHex(random, 8),
    ...(settings !== undefined && {
      version: Math.max(version, options.versionBefore ?? version) + 1,
      updated: new Date(clock.nowMs()).toISOString(),
      settings,
    }),
    ...(instances !== undefined && { instances }),
  });
  try {
    const condition = { ifMatch: stored.etag };
    const { etag } = await store.put(CONFIG_KEY, encodeConfig(changed), { condition });
    return { config: changed, etag };
  } catch (error) {
    const isOpen =
      isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_UNAVAILABLE");
    if (!isOpen) throw error;
    return undefined;
  }
}

/** Nothing for the usual one, so that its databases look as they always did. */
function namedPartitioner({ partitioner }: WantedSettings): { readonly partitioner?: string } {
  if (partitioner === undefined || partitioner.name === HASH_PARTITIONER) return {};
  return { partitioner: partitioner.name };
}

/** Refuses a database whose fixed settings are not those asked for, naming both values. */
export function checkSettings(config: ConfigDocument, wanted: WantedSettings): void {
  const { dimensions, distanceMetric, embeddingModel, partitionCount, conflictResolution } =
    config.settings;
  const { partitioner = HASH_PARTITIONER } = config.settings;
  const pairs = [
    ["dimensions", dimensions, wanted.dimensions],
    ["metric", distanceMetric, wanted.metric],
    [
      "embedding model",
      embeddingModel === "none" ? undefined : embeddingModel,
      wanted.embeddingModel,
    ],
    ["partitioner", partitioner, wanted.partitioner?.name],
    ["partitionCount", partitionCount, wanted.partitioner?.partitionCount],
    ["conflictResolution", conflictResolution, wanted.conflictResolution],
  ] as const;
  for (const [name, stored, asked] of pairs) {
    if (stored === undefined || asked === undefined || stored === asked) continue;
    throw new BrainyError(
      "BRAINY_INVALID_ARGUMENT",
      `this database has ${name} ${stored}, not ${asked}: ${name} is fixed when a database is created`,
    );
  }
}

/** The document of the store, checked against what data depends on when a person has edited it. */
export async function readStored(store: ObjectStore): Promise<StoredConfig | undefined> {
  const found = await getStored(store);
  if (found !== undefined || (await listManifests(store)).length === 0) return found;
  // Settings come before manifests, so unless somebody has created both just now they are gone.
  const created = await getStored(store);
  if (created !== undefined) return created;
  throw new BrainyError(
    "BRAINY_CORRUPT",
    `${CONFIG_KEY} is missing, but there are manifests: restore it from a backup${await cure(store)}`,
  );
}

async function getStored(store: ObjectStore): Promise<StoredConfig | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const found = await getEdited(store);
    if (found === undefined) return undefined;
    const { stored, bytes } = found;
    // What programs write is right, and costs no further look.
    if (isSealedConfig(stored.config)) return stored;
    if (!(await isReadAgain(store, CONFIG_KEY, bytes))) continue;
    const kept = await readFixedSettings(store);
    const agrees =
      kept === undefined
        ? await agreesWithData(store, stored)
        : await agreesWithKept(store, stored, kept);
    if (agrees) return stored;
  }
  throw new BrainyError("BRAINY_UNAVAILABLE", `${CONFIG_KEY} changes faster than it can be read`);
}

/**
 * Whether an object is these bytes. What a person wrote has no checksum to go by, so it counts when
 * it is read a second time, past every cache: bytes may have been damaged on their way, and what is
 * adopted of the settings is written again for all. One GET.
 */
export async function isReadAgain(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<boolean> {
  const again = await store.get(key, { fresh: true });
  return again !== undefined && equalBytes(again.bytes, bytes);
}

async function getEdited(
  store: ObjectStore,
): Promise<{ readonly stored: StoredConfig; readonly bytes: Uint8Array } | undefined> {
  try {
    return await getDecoded(store, CONFIG_KEY, ({ bytes, etag }) => ({
      stored: { config: decodeConfig(bytes, CONFIG_KEY), etag },
      bytes,
    }));
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
    const advice = `upload it again with that put right${await cure(store)}`;
    throw new BrainyError("BRAINY_CORRUPT", `${error.message}; ${advice}`, { cause: error });
  }
}

async function cure(store: ObjectStore): Promise<string> {
  const kept = await readFixedSettings(store).catch(() => undefined);
  if (kept === undefined) return "";
  return `, or run \`brainy verify --repair\`, which makes it from the copy of the fixed settings (${JSON.stringify(kept)})`;
}

/**
 * `false`: the document has changed since it was read, so it has to be read again: what differs may
 * have been fixed in between. Rejects when it differs and is what the store has now.
 */
async function agreesWithKept(
  store: ObjectStore,
  { config, etag }: StoredConfig,
  kept: ConfigSettings,
): Promise<boolean> {
  const difference = fixedDifference(kept, config.settings);
  if (difference === undefined) return true;
  if ((await store.head(CONFIG_KEY))?.etag !== etag) return false;
  throw editedError(describeDifference(difference));
}

/** The same where dimensions were never fixed, so that there is no copy: its id is that of the data. */
async function agreesWithData(
  store: ObjectStore,
  { config, etag }: StoredConfig,
): Promise<boolean> {
  const { databaseId } = config.settings;
  const manifest = await readNewestManifest(store);
  if (manifest === undefined || manifest.databaseId === databaseId) return true;
  if ((await store.head(CONFIG_KEY))?.etag !== etag) return false;
  const was = manifest.databaseId;
  throw editedError(describeDifference({ field: "settings.databaseId", was, is: databaseId }));
}

function goneError(): BrainyError {
  return new BrainyError("BRAINY_FENCED", `${CONFIG_KEY} is gone: the database was deleted`);
}

function editedError(what: string): BrainyError {
  return new BrainyError("BRAINY_CORRUPT", `${CONFIG_KEY} was edited: ${what}`);
}
