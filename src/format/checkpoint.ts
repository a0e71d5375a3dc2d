import type { JsonFields } from "./json-fields.ts";
import { manifestDocument, readManifest } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";
import type { LaneId } from "./version.ts";

/**
 * Pins one state of the database: what it names is not collected while it exists.
 * Key: `_brainy/checkpoints/<name>.json`, created if absent.
 */
export interface Checkpoint {
  readonly formatVersion: number;
  readonly databaseId: string;
  readonly name: string;
  readonly nonce: string;
  /** Store time, milliseconds since 1970. */
  readonly createdMs: number;
  /** Store time from which it pins nothing; absent when it must be deleted by hand. */
  readonly expiresAtMs?: number | undefined;
  readonly manifest: Manifest;
  /** Slots that the manifest does not cover and the state needs. */
  readonly tail: readonly TailRange[];
}

/** Slots `[from, to)` of one lane. */
export interface TailRange {
  readonly lane: LaneId;
  readonly from: number;
  readonly to: number;
}

/** Pretty-printed JSON with a checksum, like a manifest. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return encodeSealedJson({
    formatVersion: checkpoint.formatVersion,
    databaseId: checkpoint.databaseId,
    name: checkpoint.name,
    nonce: checkpoint.nonce,
    createdMs: checkpoint.createdMs,
    expiresAtMs: checkpoint.expiresAtMs,
    manifest: manifestDocument(checkpoint.manifest),
    tail: checkpoint.tail,
  });
}

/** Checks every field, those of the manifest inside included. */
export function decodeCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const fields = decodeSealedJson(bytes, where);
  const checkpoint: Checkpoint = {
    formatVersion: fields.integer("formatVersion", 1),
    databaseId: fields.nonEmpty("databaseId"),
    name: fields.matching("name", /^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, _ and -"),
    nonce: fields.nonEmpty("nonce"),
    createdMs: fields.integer("createdMs"),
    ...(fields.has("expiresAtMs") ? { expiresAtMs: fields.integer("expiresAtMs") } : {}),
    manifest: readManifest(fields.object("manifest")),
    tail: fields.objects("tail").map(readTailRange),
  };
  if (checkpoint.manifest.databaseId !== checkpoint.databaseId) {
    fields.fail("databaseId", `that of its manifest, ${checkpoint.manifest.databaseId}`);
  }
  if (new Set(checkpoint.tail.map((range) => range.lane)).size < checkpoint.tail.length) {
    fields.fail("tail", "without duplicate lanes");
  }
  return checkpoint;
}

function readTailRange(fields: JsonFields): TailRange {
  const from = fields.integer("from");
  return { lane: fields.lane("lane"), from, to: fields.integer("to", from) };
}
