import { BrainyError, isBrainyError } from "../base/errors.ts";
import { FIXED_SETTINGS, type ConfigSettings } from "../format/config.ts";
import { decodeFixedSettings, encodeFixedSettings } from "../format/fixed-settings.ts";
import { CONFIG_KEY, FIXED_SETTINGS_KEY } from "../format/keys.ts";
import type { ObjectStore, StoredObject } from "../storage/object-store.ts";
import { getDecoded } from "./get-decoded.ts";

/** A fixed setting that is not what data depends on. */
export interface FixedDifference {
  /** Its path in the document: `settings.dimensions`. */
  readonly field: string;
  /** `undefined`: it was not there. */
  readonly was: unknown;
  /** `undefined`: it was taken out. */
  readonly is: unknown;
}

/** The first fixed setting in which `is` departs from `was`. Open dimensions may be filled in. */
export function fixedDifference(
  was: ConfigSettings,
  is: ConfigSettings,
): FixedDifference | undefined {
  for (const name of FIXED_SETTINGS) {
    const isOpen = name === "dimensions" && was.dimensions === undefined;
    if (isOpen || was[name] === is[name]) continue;
    return { field: `settings.${name}`, was: was[name], is: is[name] };
  }
  return undefined;
}

/** For messages: what is wrong, and what is wanted. */
export function describeDifference({ field, was, is }: FixedDifference): string {
  const found = is === undefined ? "was taken out" : `is ${JSON.stringify(is)}`;
  const cure = was === undefined ? "take it out" : `put ${JSON.stringify(was)} back`;
  return `${field} ${found}, and data depends on it: ${cure}`;
}

/**
 * Keeps a copy of the settings that nobody edits. Called by whoever has just fixed them; a copy
 * that could not be written costs nothing but the help that it would have been.
 */
export async function keepFixedSettings(
  store: ObjectStore,
  settings: ConfigSettings,
): Promise<void> {
  const bytes = encodeFixedSettings(settings);
  try {
    await store.put(FIXED_SETTINGS_KEY, bytes, { condition: { ifAbsent: true } });
  } catch (error) {
    if (isBrainyError(error, "BRAINY_FENCED")) throw error;
    if (isBrainyError(error, "BRAINY_CONFLICT")) await replaceOlder(store, settings, bytes);
  }
}

/**
 * The copy, or `undefined` where there is none. One that cannot be read is no such thing, since it may
 * say otherwise than the document: `BRAINY_CORRUPT`.
 */
export async function readFixedSettings(store: ObjectStore): Promise<ConfigSettings | undefined> {
  try {
    return await getCopy(store);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    throw new BrainyError(
      "BRAINY_CORRUPT",
      `${CONFIG_KEY} cannot be held against its copy: ${error.message}; put the document back as ` +
        `it was and run \`brainy verify --repair\`, or delete the copy if the document is right`,
      { cause: error },
    );
  }
}

/** Whether there is a copy that can be read. */
export async function hasFixedSettings(store: ObjectStore): Promise<boolean> {
  try {
    return (await getCopy(store)) !== undefined;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  }
}

function getCopy(store: ObjectStore): Promise<ConfigSettings | undefined> {
  const decode = ({ bytes }: StoredObject): ConfigSettings =>
    decodeFixedSettings(bytes, FIXED_SETTINGS_KEY);
  return getDecoded(store, FIXED_SETTINGS_KEY, decode);
}

function isUnreadable(error: unknown): error is BrainyError {
  return isBrainyError(error, "BRAINY_CORRUPT") || isBrainyError(error, "BRAINY_UNSUPPORTED");
}

/**
 * A copy from before the dimensions were fixed; or one that a database left behind which somebody has
 * deleted, but for this object.
 */
async function replaceOlder(
  store: ObjectStore,
  { databaseId, dimensions }: ConfigSettings,
  bytes: Uint8Array,
): Promise<void> {
  try {
    const found = await store.get(FIXED_SETTINGS_KEY);
    if (found === undefined) return;
    const kept = decodedOrNone(found.bytes);
    const isWhole = kept?.dimensions !== undefined || dimensions === undefined;
    if (kept?.databaseId === databaseId && isWhole) return;
    await store.put(FIXED_SETTINGS_KEY, bytes, { condition: { ifMatch: found.etag } });
  } catch {
    // Whoever needs the copy finds that it is of another database, and does without.
  }
}

function decodedOrNone(bytes: Uint8Array): ConfigSettings | undefined {
  try {
    return decodeFixedSettings(bytes, FIXED_SETTINGS_KEY);
  } catch {
    return undefined;
  }
}
