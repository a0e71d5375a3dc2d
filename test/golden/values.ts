import { concatBytes } from "../../src/base/bytes.ts";
import { encodeCheckpoint } from "../../src/format/checkpoint.ts";
import type { Checkpoint } from "../../src/format/checkpoint.ts";
import { encodeConfig } from "../../src/format/config.ts";
import type { ConfigDocument } from "../../src/format/config.ts";
import { deletionEntryInline, encodeDeletions } from "../../src/format/deletions.ts";
import { encodeManifest } from "../../src/format/manifest.ts";
import type { Manifest, SegmentId } from "../../src/format/manifest.ts";
import type { Operation } from "../../src/format/operation.ts";
import { segmentFromRows } from "../../src/format/segment-from-rows.ts";
import type { SegmentRow } from "../../src/format/segment.ts";
import { encodeSlot } from "../../src/format/slot.ts";
import type { Slot } from "../../src/format/slot.ts";
import { makeVersion } from "../../src/format/version.ts";
import type { LaneId, Version } from "../../src/format/version.ts";

/*
 * What the golden files of format 1 hold. Neither these values nor the files ever change: a new
 * format adds its own beside them.
 */

export const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;
export const OTHER_LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P4" as LaneId;
const DATABASE = "01JCZ0M3V8Q6T4R2W0Y9X7S5DB";
const RUN = "01JCZ0M3V8Q6T4R2W0Y9X7S5RN";

export function at(counter: number, lane: LaneId = LANE): Version {
  return makeVersion(1_732_000_000_000, counter, lane);
}

const OPERATIONS: readonly Operation[] = [
  {
    kind: "put",
    version: at(1),
    id: "ada",
    vector: Float32Array.of(1, -2.5, 0.1),
    content: '{"text":"zwölf Boxkämpfer"}',
    metadata: '{"n":1}',
    attributes: { type: "person", domain: "history", expiresAtMs: 1_800_000_000_000 },
  },
  { kind: "put", version: at(2), id: "bären/🐻", content: "", metadata: "{}" },
  {
    kind: "patch",
    version: at(3),
    id: "ada",
    metadata: '{"n":2}',
    attributes: { unset: ["a.b", "ß"], clear: ["domain"] },
    seen: [at(1), at(9, OTHER_LANE)],
  },
  {
    kind: "patch",
    version: at(4),
    id: "ada",
    vector: Float32Array.of(3, 4, 5),
    content: '{"data":{"k":[1,2]}}',
  },
  { kind: "delete", version: at(5), id: "carl", seen: [] },
];

export const SLOT: Slot = {
  kind: "operations",
  databaseId: DATABASE,
  lane: LANE,
  number: 42,
  incarnation: RUN,
  nonce: "0123456789abcdef",
  version: at(5),
  operations: OPERATIONS,
};

export const SEAL: Slot = { ...SLOT, kind: "seal", number: 43, operations: [] };

export const SEGMENT_ROWS: readonly SegmentRow[] = [
  {
    id: "ada",
    version: at(4),
    live: true,
    vector: Float32Array.of(3, 4, 5),
    content: '{"data":{"k":[1,2]}}',
    metadata: '{"n":2}',
    attributes: '{"type":"person"}',
    residual: [OPERATIONS[0]!, OPERATIONS[2]!, OPERATIONS[3]!],
  },
  {
    id: "dora",
    version: at(7, OTHER_LANE),
    live: true,
    vector: Float32Array.of(0, 0, 1),
    content: '{"text":"ohne Öl"}',
    metadata: "{}",
    attributes: "",
  },
  { id: "bären/🐻", version: at(2), live: true, content: "", metadata: "{}", attributes: "" },
  {
    id: "carl",
    version: at(5),
    live: false,
    content: "",
    metadata: "",
    attributes: "",
    residual: [OPERATIONS[4]!],
  },
];

export const DELETED_ROWS_SPARSE = Uint32Array.of(0, 5, 300, 70_000, 70_001);
export const DELETED_ROWS_DENSE = Uint32Array.from({ length: 100 }, (_, i) => i + (i >> 2));

const SEGMENT_ID = "01JCZ0M3V8Q6T4R2W0Y9X7S5SG" as SegmentId;

export const MANIFEST: Manifest = {
  formatVersion: 1,
  minReader: 1,
  minWriter: 1,
  databaseId: DATABASE,
  number: 7,
  nonce: "fedcba9876543210",
  epoch: 3,
  holder: RUN,
  createdMs: 1_732_000_000_123,
  floor: at(0),
  maxVersion: at(9),
  dimensions: 3,
  segments: [
    {
      id: SEGMENT_ID,
      key: `vectors/p000-p099/${SEGMENT_ID}.seg`,
      bytes: 4096,
      rows: 100_000,
      vectorRows: 90_000,
      minVersion: at(1),
      maxVersion: at(7),
      deletions: deletionEntryInline(DELETED_ROWS_SPARSE)!,
    },
    {
      id: "01JCZ0M3V8Q6T4R2W0Y9X7S5SH" as SegmentId,
      key: "vectors/p000-p099/01JCZ0M3V8Q6T4R2W0Y9X7S5SH.seg",
      bytes: 8192,
      rows: 200,
      vectorRows: 0,
      minVersion: at(8),
      maxVersion: at(9),
      deletions: {
        count: 2,
        key: "vectors/p000-p099/01JCZ0M3V8Q6T4R2W0Y9X7S5SJ.del",
        bytes: 300,
      },
    },
  ],
  lanes: [
    {
      lane: LANE,
      incarnation: RUN,
      openVersion: at(0),
      cursor: 42,
      lastVersion: at(5),
      headSeenMs: 1_732_000_000_100,
      head: 43,
      seal: { slot: 43, seenMs: 1_732_000_000_100 },
    },
    {
      lane: OTHER_LANE,
      incarnation: RUN,
      openVersion: at(0, OTHER_LANE),
      cursor: 1,
      lastVersion: at(9, OTHER_LANE),
      headSeenMs: 1_732_000_000_100,
      head: 1,
    },
  ],
};

export const CHECKPOINT: Checkpoint = {
  formatVersion: 1,
  databaseId: DATABASE,
  name: "before-import_2",
  nonce: "00aa",
  createdMs: 1_732_000_000_500,
  expiresAtMs: 1_732_086_400_500,
  manifest: MANIFEST,
  tail: [{ lane: OTHER_LANE, from: 2, to: 5 }],
};

export const CONFIG: ConfigDocument = {
  version: 4,
  updated: "2024-11-19T07:06:40.000Z",
  nonce: "00bb",
  settings: {
    databaseId: DATABASE,
    formatVersion: 1,
    partitionStrategy: "hash",
    partitionCount: 100,
    embeddingModel: "none",
    dimensions: 3,
    distanceMetric: "cosine",
    conflictResolution: "last-write-wins",
  },
  instances: {},
};

/** All chunks in one array. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return concatBytes(parts) as Uint8Array<ArrayBuffer>;
}

export function encodeSegment(rows: readonly SegmentRow[]): Promise<Uint8Array<ArrayBuffer>> {
  return collect(segmentFromRows(rows, { id: SEGMENT_ID, databaseId: DATABASE, dimension: 3 }));
}

/** Each golden file and the bytes that this version writes for its value. */
export async function encodeAll(): Promise<ReadonlyMap<string, Uint8Array>> {
  return new Map<string, Uint8Array>([
    ["slot.bin", encodeSlot(SLOT)],
    ["slot-seal.bin", encodeSlot(SEAL)],
    ["segment.bin", await encodeSegment(SEGMENT_ROWS)],
    ["deletions-gaps.bin", encodeDeletions(DELETED_ROWS_SPARSE)],
    ["deletions-bitmap.bin", encodeDeletions(DELETED_ROWS_DENSE)],
    ["manifest.json", encodeManifest(MANIFEST)],
    ["checkpoint.json", encodeCheckpoint(CHECKPOINT)],
    ["config.json", encodeConfig(CONFIG)],
  ]);
}
