import type { Brand } from "../base/brand.ts";
import { ULID_PATTERN } from "../base/ids.ts";
import { FORMAT_VERSION } from "./format-version.ts";
import type { JsonFields } from "./json-fields.ts";
import { parseSegmentKey } from "./keys.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";
import { VERSION_ZERO, type LaneId, type Version } from "./version.ts";

/** A ulid naming one segment. Never reused. */
export type SegmentId = Brand<string, "SegmentId">;

/**
 * The state of the database below the tail: numbered, immutable, created if absent.
 * Key: `_brainy/manifests/<%016d number>.json`. The highest number is the truth.
 */
export interface Manifest {
  readonly formatVersion: number;
  /** Lowest format version that may read, or write, a store with this manifest. */
  readonly minReader: number;
  readonly minWriter: number;
  readonly databaseId: string;
  readonly number: number;
  readonly nonce: string;
  /** Raised by each takeover of maintenance. */
  readonly epoch: number;
  /** Incarnation that maintains; `""` in a manifest that nobody holds. */
  readonly holder: string;
  /** Store time of its making, milliseconds since 1970. */
  readonly createdMs: number;
  /** No operation at or below it can still appear. Never falls. */
  readonly floor: Version;
  /** The greatest version that segments of this manifest cover. */
  readonly maxVersion: Version;
  readonly dimensions: number | undefined;
  readonly segments: readonly SegmentEntry[];
  readonly lanes: readonly LaneEntry[];
}

/** One live segment, with what planning a compaction or a query needs of it. */
export interface SegmentEntry {
  readonly id: SegmentId;
  /** Full object key. */
  readonly key: string;
  readonly bytes: number;
  /** All rows, dead and masked ones included. */
  readonly rows: number;
  readonly vectorRows: number;
  readonly minVersion: Version;
  readonly maxVersion: Version;
  /** Rows that a later manifest masked; absent when none is. */
  readonly deletions?: DeletionEntry | undefined;
  /**
   * Store time since when it holds what no reader sees any more: masked rows, tombstones, operations
   * that others have replaced. Absent when there is nothing of the kind.
   */
  readonly remainsSinceMs?: number | undefined;
}

/** Inline when small, else an object of its own. */
export type DeletionEntry =
  | { readonly count: number; readonly inline: string }
  | { readonly count: number; readonly key: string; readonly bytes: number };

/** How far one lane is covered, and whether it has ended. */
export interface LaneEntry {
  readonly lane: LaneId;
  /** Incarnation that writes it, from its open record. */
  readonly incarnation: string;
  /** Version of its open record. */
  readonly openVersion: Version;
  /** Last slot that segments of this manifest cover; operations up to here are in segments. */
  readonly cursor: number;
  /** Version of that slot. */
  readonly lastVersion: Version;
  /** Store time when maintenance first saw the lane's head at its present place. */
  readonly headSeenMs: number;
  readonly head: number;
  /** Present once the seal at slot `slot` is known; the lane takes no operation after it. */
  readonly seal?: { readonly slot: number; readonly seenMs: number } | undefined;
}

/** Pretty-printed JSON with a checksum; two encodings of one manifest are the same bytes. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeSealedJson(manifestDocument(manifest));
}

/** Checks every field. Whether the number is the one in the key is for the caller. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  return readManifest(decodeSealedJson(bytes, where));
}

/** The fields of a manifest in their order in the file. */
export function manifestDocument(manifest: Manifest): object {
  return {
    formatVersion: manifest.formatVersion,
    minReader: manifest.minReader,
    minWriter: manifest.minWriter,
    databaseId: manifest.databaseId,
    number: manifest.number,
    nonce: manifest.nonce,
    epoch: manifest.epoch,
    holder: manifest.holder,
    createdMs: manifest.createdMs,
    floor: manifest.floor,
    maxVersion: manifest.maxVersion,
    dimensions: manifest.dimensions,
    segments: manifest.segments,
    lanes: manifest.lanes,
  };
}

/** A manifest out of an object that holds one, a checkpoint for instance. */
export function readManifest(fields: JsonFields): Manifest {
  const minReader = fields.integer("minReader", 1);
  const manifest: Manifest = {
    formatVersion: fields.integer("formatVersion", minReader),
    minReader,
    minWriter: fields.integer("minWriter", 1),
    databaseId: fields.nonEmpty("databaseId"),
    number: fields.integer("number"),
    nonce: fields.nonEmpty("nonce"),
    epoch: fields.integer("epoch"),
    holder: fields.string("holder"),
    createdMs: fields.integer("createdMs"),
    floor: fields.version("floor"),
    maxVersion: fields.version("maxVersion"),
    dimensions: fields.has("dimensions") ? fields.integer("dimensions", 1) : undefined,
    segments: fields.objects("segments").map(readSegmentEntry),
    lanes: fields.objects("lanes").map(readLaneEntry),
  };
  refuseTwice(
    fields,
    "segments",
    manifest.segments.map((segment) => segment.id),
  );
  refuseTwice(
    fields,
    "segments",
    manifest.segments.map((segment) => segment.key),
  );
  refuseTwice(
    fields,
    "lanes",
    manifest.lanes.map((lane) => lane.lane),
  );
  return manifest;
}

function readSegmentEntry(fields: JsonFields): SegmentEntry {
  const rows = fields.integer("rows");
  const minVersion = fields.version("minVersion");
  const maxVersion = fields.version("maxVersion");
  if (maxVersion < minVersion) fields.fail("maxVersion", `at least minVersion, ${minVersion}`);
  return {
    id: fields.matching("id", ULID_PATTERN, "a ulid") as SegmentId,
    key: readKey(fields, "seg"),
    bytes: fields.integer("bytes"),
    rows,
    vectorRows: fields.integer("vectorRows", 0, rows),
    minVersion,
    maxVersion,
    ...(fields.has("deletions")
      ? { deletions: readDeletionEntry(fields.object("deletions"), rows) }
      : {}),
    ...(fields.has("remainsSinceMs") ? { remainsSinceMs: fields.integer("remainsSinceMs") } : {}),
  };
}

/** A key of the layout, and so one that stores take. */
function readKey(fields: JsonFields, kind: "seg" | "del"): string {
  const key = fields.nonEmpty("key");
  const wanted = kind === "seg" ? "the key of a segment" : "the key of a deletion vector";
  return parseSegmentKey(key)?.kind === kind ? key : fields.fail("key", wanted);
}

function readDeletionEntry(fields: JsonFields, rows: number): DeletionEntry {
  const count = fields.integer("count", 1, rows);
  if (!fields.has("inline")) {
    return { count, key: readKey(fields, "del"), bytes: fields.integer("bytes") };
  }
  if (fields.has("key")) fields.fail("key", "absent beside inline");
  return { count, inline: fields.nonEmpty("inline") };
}

function readLaneEntry(fields: JsonFields): LaneEntry {
  const entry = {
    lane: fields.lane("lane"),
    incarnation: fields.nonEmpty("incarnation"),
    openVersion: fields.version("openVersion"),
    cursor: fields.integer("cursor"),
    lastVersion: fields.version("lastVersion"),
    headSeenMs: fields.integer("headSeenMs"),
    head: fields.integer("head"),
  };
  if (!fields.has("seal")) return entry;
  const seal = fields.object("seal");
  return {
    ...entry,
    seal: { slot: seal.integer("slot"), seenMs: seal.integer("seenMs") },
  };
}

function refuseTwice(fields: JsonFields, name: string, values: readonly string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) fields.fail(name, `without duplicates (${value} is listed twice)`);
    seen.add(value);
  }
}

/** What comes before manifest 1. */
export function emptyManifest(databaseId: string): Manifest {
  return {
    formatVersion: FORMAT_VERSION,
    minReader: FORMAT_VERSION,
    minWriter: FORMAT_VERSION,
    databaseId,
    number: 0,
    nonce: "none",
    epoch: 0,
    holder: "",
    createdMs: 0,
    floor: VERSION_ZERO,
    maxVersion: VERSION_ZERO,
    dimensions: undefined,
    segments: [],
    lanes: [],
  };
}
