import { invalid } from "./base/errors.ts";
import { nearestName } from "./base/nearest-name.ts";
import type { FleetEnvironment } from "./environment.ts";
import { CONFIG_KEY } from "./format/keys.ts";
import { asObject, refuseUnknown, show } from "./option-checks.ts";
import type { BrainyOptions, StorageOption } from "./types.ts";

/*
 * What the environment of a fleet adds to its options:
 *
 *     BRAINY_CONFIG_SOURCE=file, BRAINY_CONFIG_PATH: options, before those in code
 *     BRAINY_S3_BUCKET, BRAINY_S3_REGION: storage, where neither says one
 *
 * Role, mode and name of an instance are read where they are decided.
 */

/** Options of code, file and environment together. */
export interface EnvironmentOptions {
  readonly options: BrainyOptions;
  /** What was said and is not used, for the log. */
  readonly notes: readonly string[];
  /** The file that some of them come from, for errors. */
  readonly file: string | undefined;
}

/** Options that code alone can give. */
const CODE_ONLY: ReadonlySet<string> = new Set(["clock", "random"]);
const SOURCES = ["store", "s3", "file"] as const;

/** Adds what the environment says. Only for instances of a fleet. */
export function withEnvironment(
  options: BrainyOptions,
  environment: FleetEnvironment,
  context: {
    readonly readFile: (path: string) => string;
    readonly known: readonly string[];
    readonly reserved: Iterable<string>;
  },
): EnvironmentOptions {
  const source = sourceOf(environment);
  const path = environment.BRAINY_CONFIG_PATH;
  const merged = source === "file" ? mergeFile(options, path!, context) : options;
  const { storage, notes } = storageOf(merged, environment);
  if (source === "s3") checkBucket(storage);
  const file = source === "file" ? path : undefined;
  return { options: storage === undefined ? merged : { ...merged, storage }, notes, file };
}

/** Refuses another place than the one where every process looks. */
export function checkConfigPath(path: unknown, where: string): void {
  if (path === undefined || path === CONFIG_KEY) return;
  throw invalid(
    `${where}: ${show(path)} is not ${CONFIG_KEY}, where every process of a database looks for its ` +
      "settings: two that looked in two places would make two databases of one. To keep several " +
      "databases in one bucket give each a prefix of its own: storage: 's3://bucket/prefix'",
  );
}

function sourceOf(environment: FleetEnvironment): (typeof SOURCES)[number] | undefined {
  const { BRAINY_CONFIG_SOURCE: given, BRAINY_CONFIG_PATH: path } = environment;
  const source = SOURCES.find((one) => one === given);
  if (given && source === undefined) {
    const nearest = nearestName(given, SOURCES);
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    throw invalid(`BRAINY_CONFIG_SOURCE=${given} is none of ${SOURCES.join(", ")}${hint}`);
  }
  if (source === "file") {
    if (path) return source;
    throw invalid("BRAINY_CONFIG_SOURCE=file needs BRAINY_CONFIG_PATH: a JSON file with options");
  }
  if (path && path !== CONFIG_KEY && source === undefined) {
    throw invalid(
      `BRAINY_CONFIG_PATH=${path} needs BRAINY_CONFIG_SOURCE=file beside it, if it is a JSON file ` +
        `with options; the shared settings are always in ${CONFIG_KEY}`,
    );
  }
  checkConfigPath(path || undefined, "BRAINY_CONFIG_PATH");
  return source;
}

/** Groups are merged by their keys, except storage, which is one thing. */
function mergeFile(
  options: BrainyOptions,
  path: string,
  context: Parameters<typeof withEnvironment>[2],
): BrainyOptions {
  const where = `BRAINY_CONFIG_PATH=${path}`;
  const given = parseFile(where, () => context.readFile(path));
  const known = context.known.filter((name) => !CODE_ONLY.has(name));
  refuseUnknown(given, known, where, context.reserved);
  const merged: Record<string, unknown> = { ...options };
  for (const [name, value] of Object.entries(given)) {
    const mine = merged[name] === true && name === "distributed" ? {} : merged[name];
    const isGroup = name !== "storage" && isPlain(mine) && isPlain(value);
    merged[name] = isGroup ? { ...mine, ...value } : value;
  }
  return merged;
}

function parseFile(where: string, read: () => string): object {
  try {
    const value: unknown = JSON.parse(read().replace(/^\uFEFF/, ""));
    return asObject(value, where);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(`${where}: not JSON: ${error.message}`);
    if (error instanceof Error && "code" in error && error.code === "BRAINY_INVALID_ARGUMENT") {
      throw error;
    }
    throw invalid(`${where} cannot be read: ${error instanceof Error ? error.message : "why?"}`);
  }
}

function storageOf(
  { storage }: BrainyOptions,
  { BRAINY_S3_BUCKET: bucket, BRAINY_S3_REGION: region }: FleetEnvironment,
): { readonly storage: StorageOption | undefined; readonly notes: readonly string[] } {
  if (storage !== undefined) {
    const isOther = bucket && bucketOf(storage) !== bucket;
    const note = `BRAINY_S3_BUCKET=${bucket} is not used: options.storage is given`;
    return { storage, notes: isOther ? [note] : [] };
  }
  if (!bucket && region) {
    throw invalid(`BRAINY_S3_REGION=${region} needs BRAINY_S3_BUCKET beside it`);
  }
  if (!bucket) return { storage: undefined, notes: [] };
  if (bucket.includes("/")) {
    throw invalid(
      `BRAINY_S3_BUCKET=${bucket} must be the name of a bucket alone; for a prefix in it pass ` +
        "storage: 's3://bucket/prefix'",
    );
  }
  return { storage: { type: "s3", bucket, ...(region && { region }) }, notes: [] };
}

function bucketOf(storage: StorageOption): string | undefined {
  if (typeof storage === "string") return /^s3:\/\/([^/]+)/.exec(storage)?.[1];
  return "bucket" in storage ? storage.bucket : undefined;
}

function checkBucket(storage: StorageOption | undefined): void {
  if (storage === undefined) {
    throw invalid("BRAINY_CONFIG_SOURCE=s3 needs a bucket: set BRAINY_S3_BUCKET, or pass storage");
  }
  const isStore = typeof storage === "object" && storage !== null && storage.type === "store";
  if (isStore || bucketOf(storage) !== undefined) return;
  throw invalid(
    "BRAINY_CONFIG_SOURCE=s3, but options.storage is no bucket: leave the variable out, or say store",
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
