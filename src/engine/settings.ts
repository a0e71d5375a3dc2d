import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import {
  decodeConfig,
  encodeConfig,
  type ConfigDocument,
  type DistanceMetric,
} from "../format/config.ts";
import { FORMAT_VERSION } from "../format/format-version.ts";
import { CONFIG_KEY } from "../format/keys.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { listManifests } from "./manifest-store.ts";

const ATTEMPTS_MAX = 16;

/** What a user asked for; what is not given is taken from the store, or from its default. */
export interface WantedSettings {
  readonly dimensions?: number | undefined;
  readonly metric?: DistanceMetric | undefined;
  /** Name of the embedding model. */
  readonly embeddingModel?: string | undefined;
}

interface Stored {
  readonly config: ConfigDocument;
  readonly etag: Etag;
}

/**
 * The shared settings of a database: fixed ones are in `config.json` *before* the first slot
 * that depends on them, so that two processes can never write vectors of two lengths.
 * Spec: docs/specs/settings.md.
 */
export async function readSettings(store: ObjectStore): Promise<ConfigDocument | undefined> {
  return (await readStored(store))?.config;
}

/** Creates the settings, or returns those that another process created first. */
export async function createSettings(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly wanted: WantedSettings;
}): Promise<ConfigDocument> {
  const { store, clock, random, wanted } = options;
  const config: ConfigDocument = {
    version: 1,
    updated: new Date(clock.nowMs()).toISOString(),
    nonce: randomHex(random, 8),
    settings: {
      databaseId: randomHex(random, 16),
      formatVersion: FORMAT_VERSION,
      partitionStrategy: "hash",
      partitionCount: 100,
      embeddingModel: wanted.embeddingModel ?? "none",
      ...(wanted.dimensions !== undefined && { dimensions: wanted.dimensions }),
      distanceMetric: wanted.metric ?? "cosine",
      conflictResolution: "last-write-wins",
    },
    instances: {},
  };
  const bytes = encodeConfig(config);
  const outcome = await createOnce({ store, clock, random, key: CONFIG_KEY, bytes });
  const stored = outcome.kind === "won" ? config : decodeConfig(outcome.found, CONFIG_KEY);
  checkSettings(stored, wanted);
  return stored;
}

/** Fixes `dimensions` when it was left open; the first to do so wins, and the others compare. */
export async function fixDimensions(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly dimensions: number;
}): Promise<ConfigDocument> {
  const { store, clock, random, dimensions } = options;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = await readStored(store);
    if (stored === undefined) {
      throw new BrainyError("BRAINY_FENCED", `${CONFIG_KEY} is gone: the database was deleted`);
    }
    const { config, etag } = stored;
    if (config.settings.dimensions !== undefined) {
      checkSettings(config, { dimensions });
      return config;
    }
    const changed: ConfigDocument = {
      ...config,
      version: config.version + 1,
      updated: new Date(clock.nowMs()).toISOString(),
      nonce: randomHex(random, 8),
      settings: { ...config.settings, dimensions },
    };
    try {
      await store.put(CONFIG_KEY, encodeConfig(changed), { condition: { ifMatch: etag } });
    } catch (error) {
      // Lost, or unknown: either way the next round looks at what is there.
      const isOpen =
        isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_UNAVAILABLE");
      if (!isOpen) throw error;
      await clock.sleep(random.next() * 50);
    }
  }
  throw new BrainyError("BRAINY_CONFLICT", `${CONFIG_KEY}: lost ${ATTEMPTS_MAX} races in a row`);
}

/** Refuses a database whose fixed settings are not those asked for, naming both values. */
export function checkSettings(config: ConfigDocument, wanted: WantedSettings): void {
  const { dimensions, distanceMetric, embeddingModel } = config.settings;
  const pairs = [
    ["dimensions", dimensions, wanted.dimensions],
    ["metric", distanceMetric, wanted.metric],
    [
      "embedding model",
      embeddingModel === "none" ? undefined : embeddingModel,
      wanted.embeddingModel,
    ],
  ] as const;
  for (const [name, stored, asked] of pairs) {
    if (stored === undefined || asked === undefined || stored === asked) continue;
    throw new BrainyError(
      "BRAINY_INVALID_ARGUMENT",
      `this database has ${name} ${stored}, not ${asked}: ${name} is fixed when a database is created`,
    );
  }
}

async function readStored(store: ObjectStore): Promise<Stored | undefined> {
  const found = await getStored(store);
  if (found !== undefined || (await listManifests(store)).length === 0) return found;
  // Settings come before manifests, so unless somebody has created both just now they are gone.
  const created = await getStored(store);
  if (created !== undefined) return created;
  throw new BrainyError(
    "BRAINY_CORRUPT",
    `${CONFIG_KEY} is missing, but there are manifests: restore it from a backup`,
  );
}

async function getStored(store: ObjectStore): Promise<Stored | undefined> {
  const found = await store.get(CONFIG_KEY);
  if (found === undefined) return undefined;
  return { config: decodeConfig(found.bytes, CONFIG_KEY), etag: found.etag };
}
