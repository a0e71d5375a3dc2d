import type { Clock } from "../base/clock.ts";
import { isBrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import {
  decodeConfig,
  encodeConfig,
  isSealedConfig,
  sealConfig,
  type ConfigDocument,
  type ConfigSettings,
} from "../format/config.ts";
import { decodeFixedSettings, encodeFixedSettings } from "../format/fixed-settings.ts";
import { CONFIG_KEY, FIXED_SETTINGS_KEY } from "../format/keys.ts";
import type { ObjectStore, PutCondition, StoredObject } from "../storage/object-store.ts";
import { describeDifference, fixedDifference } from "./fixed-settings.ts";
import { readNewestManifest } from "./manifest-store.ts";
import type { ProblemList } from "./verify-report.ts";

/** What to check the settings of, and whether to mend them. */
export interface VerifyConfigOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly repair?: boolean | undefined;
  readonly found: ProblemList;
  /** After each object. */
  readonly step: () => void;
}

/**
 * Holds `config.json` against the copy of what data depends on. `repair` makes the document from
 * the copy where it does not decode, differs or is gone, and a damaged copy from a document that a
 * program has sealed. Returns the id of the database, as far
 * as it is known.
 */
export async function verifyConfig(options: VerifyConfigOptions): Promise<string | undefined> {
  const { store, found, step } = options;
  const stored = await store.get(CONFIG_KEY);
  const copy = await store.get(FIXED_SETTINGS_KEY);
  const kept = copy && (await decodeCopy(found, copy));
  if (copy !== undefined) step();
  if (stored === undefined) {
    if (kept === undefined || !(await isOfManifests(store, kept))) return undefined;
    found.error(CONFIG_KEY, "is missing, but there are manifests: restore it, or repair");
    await mend(options, { ifAbsent: true }, kept, undefined);
    return kept.databaseId;
  }
  step();
  const condition = { ifMatch: stored.etag };
  const config = await found.attempt(CONFIG_KEY, async () =>
    decodeConfig(stored.bytes, CONFIG_KEY),
  );
  if (kept === undefined) {
    if (copy !== undefined && config !== undefined) await mendCopy(options, copy, config);
    return config?.settings.databaseId;
  }
  if (config === undefined) {
    if (await isOfManifests(store, kept)) await mend(options, condition, kept, undefined);
    return kept.databaseId;
  }
  const difference = fixedDifference(kept, config.settings);
  if (difference === undefined) return kept.databaseId;
  if (difference.field === "settings.databaseId" && !(await isOfManifests(store, kept))) {
    found.add(
      "info",
      FIXED_SETTINGS_KEY,
      "of another database: the next one to fix settings replaces it",
    );
    return config.settings.databaseId;
  }
  found.error(CONFIG_KEY, describeDifference(difference));
  await mend(options, condition, kept, config);
  return kept.databaseId;
}

async function decodeCopy(
  found: ProblemList,
  { bytes }: StoredObject,
): Promise<ConfigSettings | undefined> {
  try {
    return decodeFixedSettings(bytes, FIXED_SETTINGS_KEY);
  } catch (error) {
    if (!isBrainyError(error)) throw error;
    found.add("warning", FIXED_SETTINGS_KEY, error.message);
    return undefined;
  }
}

/** Of a copy that cannot be read. */
async function mendCopy(
  { store, repair, found }: VerifyConfigOptions,
  copy: StoredObject,
  config: ConfigDocument,
): Promise<void> {
  if (!isSealedConfig(config)) {
    found.error(CONFIG_KEY, "was edited, and cannot be held against its copy: put it back");
    return;
  }
  const { settings } = config;
  // A document from before the dimensions were fixed does not say what the copy may have said.
  const isWhole = settings.dimensions !== undefined && (await isOfManifests(store, settings));
  if (repair !== true || !isWhole) return;
  const condition = { ifMatch: copy.etag };
  try {
    await store.put(FIXED_SETTINGS_KEY, encodeFixedSettings(settings), { condition });
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    return;
  }
  found.markRepaired(({ key }) => key === FIXED_SETTINGS_KEY);
}

/** A copy may have been left behind by a database that somebody deleted by hand. */
async function isOfManifests(store: ObjectStore, kept: ConfigSettings): Promise<boolean> {
  try {
    return (await readNewestManifest(store))?.databaseId === kept.databaseId;
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
    return false;
  }
}

/** `config`: the document as far as it can be kept. Instances that run raise its version. */
async function mend(
  { store, clock, random, repair, found }: VerifyConfigOptions,
  condition: PutCondition,
  kept: ConfigSettings,
  config: ConfigDocument | undefined,
): Promise<void> {
  if (repair !== true) return;
  // A copy from before the dimensions were fixed has none.
  const dimensions =
    kept.dimensions ??
    config?.settings.dimensions ??
    (await readNewestManifest(store).catch(() => undefined))?.dimensions;
  const mended = sealConfig({
    ...config,
    version: (config?.version ?? 0) + 1,
    updated: new Date(clock.nowMs()).toISOString(),
    nonce: randomHex(random, 8),
    settings: { ...config?.settings, ...kept, dimensions },
    instances: config?.instances ?? {},
  });
  try {
    await store.put(CONFIG_KEY, encodeConfig(mended), { condition });
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    found.add("warning", CONFIG_KEY, "was changed meanwhile: verify again");
    return;
  }
  found.markRepaired(({ key, severity }) => key === CONFIG_KEY && severity === "error");
}
