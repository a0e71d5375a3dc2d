import { encodeText } from "../base/bytes.ts";
import { checksumHex } from "../base/checksum.ts";
import { decodeRow } from "./blob-column.ts";
import { readChangeable, type ChangeableSettings } from "./changeable-settings.ts";
import { DATABASE_FORMAT_MAX, FORMAT_VERSION, newerFormat } from "./format-version.ts";
import { JsonFields, parseJson } from "./json-fields.ts";

/**
 * `_brainy/config.json`: the settings that all instances share, for people to read and to edit.
 * Its checksum tells what a program wrote from what a person did, and neither is damage. Fields
 * this version does not know are kept when it is read and written again, so spread a decoded
 * document rather than listing its fields.
 */
export interface ConfigDocument {
  /** Raised by every change of the settings. */
  readonly version: number;
  /** ISO 8601: when they were last changed. */
  readonly updated: string;
  readonly nonce: string;
  readonly settings: ConfigSettings;
  /** A view for people; the truth is in each instance's own heartbeat object. */
  readonly instances: Readonly<Record<string, unknown>>;
  /** Of everything else in the document, if a program wrote it last. */
  readonly checksum?: string | undefined;
}

/** Fixed when the database is created, but for those that may change; see `FIXED_SETTINGS`. */
export interface ConfigSettings extends ChangeableSettings {
  readonly databaseId: string;
  readonly formatVersion: number;
  readonly partitionStrategy: "hash";
  readonly partitionCount: number;
  /** Name of what places records in partitions; absent: the hash of the id. */
  readonly partitioner?: string | undefined;
  readonly embeddingModel: string;
  /** Absent until the first vector fixes it. */
  readonly dimensions?: number | undefined;
  readonly distanceMetric: DistanceMetric;
  readonly conflictResolution: ConflictResolution;
}

/** Settings that data depends on. `dimensions` may be filled in once. */
export const FIXED_SETTINGS = [
  "databaseId",
  "formatVersion",
  "partitionStrategy",
  "partitionCount",
  "partitioner",
  "embeddingModel",
  "dimensions",
  "distanceMetric",
  "conflictResolution",
] as const satisfies readonly Exclude<keyof ConfigSettings, keyof ChangeableSettings>[];

/** What becomes of concurrent changes of one record. See docs/specs/conflicts.md. */
export type ConflictResolution = "last-write-wins" | "vector-clock" | "crdt";

/** All of them, the default first. */
export const CONFLICT_RESOLUTIONS: readonly ConflictResolution[] = [
  "last-write-wins",
  "vector-clock",
  "crdt",
];

/** What "near" means for vectors of this database. */
export type DistanceMetric = "cosine" | "euclidean" | "dot";

/** Partition numbers have three digits in segment keys. */
export const PARTITIONS_MAX = 1000;
/** Well above any embedding in use; guards against a slip when editing by hand. */
export const DIMENSIONS_MAX = 65_536;

/** The `formatVersion` that a database with this setting has, at least. */
export function databaseFormat(resolution: ConflictResolution): number {
  return resolution === "last-write-wins" ? FORMAT_VERSION : DATABASE_FORMAT_MAX;
}

/** The document with the checksum that says that a program wrote it. */
export function sealConfig(config: ConfigDocument): ConfigDocument {
  return { ...config, checksum: checksumOf(config) };
}

/** Whether a program wrote this, and nobody has edited it since but for its white space. */
export function isSealedConfig(config: ConfigDocument): boolean {
  return config.checksum === checksumOf(config);
}

function checksumOf(config: ConfigDocument): string {
  const { checksum: _, ...rest } = config;
  return checksumHex(encodeText(JSON.stringify(rest)));
}

/** Pretty-printed JSON with a newline at its end. */
export function encodeConfig(config: ConfigDocument): Uint8Array {
  return encodeText(`${JSON.stringify(config, undefined, 2)}\n`);
}

/** Checks every field it knows and names the one that is wrong. Keeps all others as they are. */
export function decodeConfig(bytes: Uint8Array, where: string): ConfigDocument {
  // Editors on Windows like to put a byte order mark before JSON.
  const text = decodeRow(bytes, where).replace(/^\uFEFF/, "");
  const fields = new JsonFields(parseJson(text, where), where);
  const settings = fields.object("settings");
  return {
    ...fields.value,
    version: fields.integer("version"),
    updated: isoTime(fields, "updated"),
    nonce: fields.string("nonce"),
    settings: {
      ...settings.value,
      ...readFixed(settings, where),
      ...readChangeable(settings),
    },
    instances: fields.object("instances").value,
  };
}

/** The settings that data depends on, each checked. */
export function readFixed(settings: JsonFields, where: string): ConfigSettings {
  const formatVersion = settings.integer("formatVersion", 1);
  if (formatVersion > DATABASE_FORMAT_MAX) {
    throw newerFormat(where, formatVersion, DATABASE_FORMAT_MAX);
  }
  const conflictResolution = settings.oneOf("conflictResolution", CONFLICT_RESOLUTIONS);
  if (formatVersion < databaseFormat(conflictResolution)) {
    settings.fail("conflictResolution", '"last-write-wins": it was made with the database');
  }
  return {
    databaseId: settings.nonEmpty("databaseId"),
    formatVersion,
    partitionStrategy: settings.oneOf("partitionStrategy", ["hash"]),
    partitionCount: settings.integer("partitionCount", 1, PARTITIONS_MAX),
    ...(settings.has("partitioner") ? { partitioner: settings.nonEmpty("partitioner") } : {}),
    embeddingModel: settings.string("embeddingModel"),
    ...(settings.has("dimensions")
      ? { dimensions: settings.integer("dimensions", 1, DIMENSIONS_MAX) }
      : {}),
    distanceMetric: settings.oneOf("distanceMetric", ["cosine", "euclidean", "dot"]),
    conflictResolution,
  };
}

function isoTime(fields: JsonFields, name: string): string {
  const wanted = "an ISO 8601 time";
  const text = fields.matching(name, /^\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})$/, wanted);
  return Number.isNaN(Date.parse(text)) ? fields.fail(name, wanted) : text;
}
