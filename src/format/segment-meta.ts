import { corrupt } from "../base/errors.ts";
import { ULID_PATTERN } from "../base/ids.ts";
import { FENCE_ENTRY_BYTES, FENCE_EVERY, INDEX_ENTRY_BYTES } from "./id-index.ts";
import type { JsonFields } from "./json-fields.ts";
import type { SegmentId } from "./manifest.ts";
import { SECTION, strideOf } from "./segment.ts";
import type { SegmentMeta } from "./segment.ts";
import type { SectionReader } from "./section-reader.ts";
import { VERSION_ROW_BYTES } from "./version-column.ts";
import { parseLane } from "./version.ts";
import type { LaneId } from "./version.ts";

/** META as stored: beside what readers see, the lanes that VERSIONS refers to by number. */
export interface StoredSegmentMeta {
  readonly meta: SegmentMeta;
  readonly lanes: readonly LaneId[];
}

/** Checks every field, and those that follow from each other. */
export function readSegmentMeta(fields: JsonFields): StoredSegmentMeta {
  const rows = fields.integer("rows", 0, 2 ** 32 - 1);
  const liveRows = fields.integer("liveRows", 0, rows);
  const vectorRows = fields.integer("vectorRows", 0, liveRows);
  const dimension = fields.integer("dimension");
  if ((dimension === 0) !== (vectorRows === 0)) {
    fields.fail("dimension", "zero exactly when no row has a vector");
  }
  const stride = fields.integer("stride");
  if (stride !== strideOf(dimension)) fields.fail("stride", `${strideOf(dimension)}`);
  const minVersion = fields.version("minVersion");
  const maxVersion = fields.version("maxVersion");
  if (maxVersion < minVersion) fields.fail("maxVersion", `at least minVersion, ${minVersion}`);
  return {
    meta: {
      id: fields.matching("id", ULID_PATTERN, "a ulid") as SegmentId,
      databaseId: fields.nonEmpty("databaseId"),
      rows,
      vectorRows,
      dimension,
      stride,
      minVersion,
      maxVersion,
      clusters: fields.integer("clusters", 1),
      liveRows,
    },
    lanes: fields.strings("lanes").map((lane) => parseLane(lane, fields.path("lanes"))),
  };
}

/** Lengths that follow from the number of rows, so that no row can lie outside its section. */
export function checkSectionLengths(sections: SectionReader, meta: SegmentMeta): void {
  const { rows, vectorRows, stride, clusters } = meta;
  const offsets = 4 * (rows + 1);
  const expected = [
    [SECTION.vectors, vectorRows * stride * 4],
    [SECTION.versions, rows * VERSION_ROW_BYTES],
    [SECTION.kinds, rows],
    [SECTION.idOffsets, offsets],
    [SECTION.metadataOffsets, offsets],
    [SECTION.contentOffsets, offsets],
    [SECTION.attributesOffsets, offsets],
    [SECTION.idIndex, rows * INDEX_ENTRY_BYTES],
    [SECTION.idFence, Math.ceil(rows / FENCE_EVERY) * FENCE_ENTRY_BYTES],
    [SECTION.clusters, 4 * (clusters + 1)],
  ] as const;
  for (const [kind, length] of expected) {
    const found = sections.length(kind);
    if (found !== length) {
      throw corrupt(sections.where, `section ${kind} has ${found} bytes, ${length} belong there`);
    }
  }
}
