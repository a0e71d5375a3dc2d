import { encodeText } from "../base/bytes.ts";
import { decodeRow } from "./blob-column.ts";
import { FORMAT_VERSION, newerFormat } from "./format-version.ts";
import { JsonFields, parseJson } from "./json-fields.ts";

/**
 * `_brainy/config.json`: the settings that all instances share, for people to read and to edit.
 * It carries no checksum for that reason. Fields this version does not know are kept when it is
 * read and written again, so spread a decoded document rather than listing its fields.
 */
export interface ConfigDocument {
  /** Raised by every change. */
  readonly version: number;
  /** ISO 8601. */
  readonly updated: string;
  readonly nonce: string;
  readonly settings: ConfigSettings;
  /** A view for people; the truth is in each instance's own heartbeat object. */
  readonly instances: Readonly<Record<string, unknown>>;
}

/** Fixed when the database is created; `dimensions` may be filled in once. */
export interface ConfigSettings {
  readonly databaseId: string;
  readonly formatVersion: number;
  readonly partitionStrategy: "hash";
  readonly partitionCount: number;
  readonly embeddingModel: string;
  /** Absent until the first vector fixes it. */
  readonly dimensions?: number | undefined;
  readonly distanceMetric: DistanceMetric;
  readonly conflictResolution: "last-write-wins";
}

/** What "near" means for vectors of this database. */
export type DistanceMetric = "cosine" | "euclidean" | "dot";

/** Partition numbers have three digits in segment keys. */
export const PARTITIONS_MAX = 1000;
/** Well above any embedding in use; guards against a slip when editing by hand. */
export const DIMENSIONS_MAX = 65_536;

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
  const formatVersion = settings.integer("formatVersion", 1);
  if (formatVersion > FORMAT_VERSION) throw newerFormat(where, formatVersion);
  return {
    ...fields.value,
    version: fields.integer("version"),
    updated: isoTime(fields, "updated"),
    nonce: fields.string("nonce"),
    settings: {
      ...settings.value,
      databaseId: settings.nonEmpty("databaseId"),
      formatVersion,
      partitionStrategy: settings.oneOf("partitionStrategy", ["hash"]),
      partitionCount: settings.integer("partitionCount", 1, PARTITIONS_MAX),
      embeddingModel: settings.string("embeddingModel"),
      ...(settings.has("dimensions")
        ? { dimensions: settings.integer("dimensions", 1, DIMENSIONS_MAX) }
        : {}),
      distanceMetric: settings.oneOf("distanceMetric", ["cosine", "euclidean", "dot"]),
      conflictResolution: settings.oneOf("conflictResolution", ["last-write-wins"]),
    },
    instances: fields.object("instances").value,
  };
}

function isoTime(fields: JsonFields, name: string): string {
  const wanted = "an ISO 8601 time";
  const text = fields.matching(name, /^\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})$/, wanted);
  return Number.isNaN(Date.parse(text)) ? fields.fail(name, wanted) : text;
}
