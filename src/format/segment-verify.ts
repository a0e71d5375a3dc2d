import { equalBytes } from "../base/bytes.ts";
import { corrupt } from "../base/errors.ts";
import { uint32View } from "./blob-column.ts";
import type { BlobColumn } from "./blob-column.ts";
import { hashIdBytes } from "./hash-id.ts";
import { IdEntries, buildIdIndex } from "./id-index.ts";
import { decodeAttributes } from "./operation-attributes.ts";
import { checkRecordTexts, parseContent, parseRecordText, type TextOwner } from "./record-texts.ts";
import { SECTION } from "./segment.ts";
import { problemOf } from "./section-reader.ts";
import type { SegmentReader } from "./segment-reader.ts";

/**
 * Everything that must hold in one segment: first each byte against its checksum, then each
 * column by itself, then the columns against each other. Holds one column at a time, and the ids.
 */
export async function* verifySegment(
  segment: SegmentReader,
): AsyncGenerator<string, void, undefined> {
  let isDamaged = false;
  for await (const problem of segment.sections.verify()) {
    isDamaged = true;
    yield problem;
  }
  // What follows would only say the same again.
  if (isDamaged) return;
  const checks = [
    () => segment.kinds(),
    () => checkVersions(segment),
    () => checkClusters(segment),
    () => checkMetadata(segment),
    () => checkContent(segment),
    () => checkAttributes(segment),
    () => checkResidual(segment),
    () => checkIds(segment),
  ];
  for (const check of checks) {
    const problem = await problemOf(check);
    if (problem !== undefined) yield problem;
  }
}

async function checkVersions(segment: SegmentReader): Promise<void> {
  const { minVersion, maxVersion } = segment.meta;
  const versions = await segment.versions();
  for (let row = 0; row < versions.count; row++) {
    const version = versions.version(row);
    if (version < minVersion || version > maxVersion) {
      throw corrupt(segment.where, `row ${row} has version ${version}, outside the segment's`);
    }
  }
}

async function checkClusters({ sections, meta, where }: SegmentReader): Promise<void> {
  const offsets = uint32View(await sections.readAll(SECTION.clusters));
  let previous = 0;
  for (const offset of offsets) {
    if (offset < previous) throw corrupt(where, "cluster offsets go back");
    previous = offset;
  }
  if (offsets[0] !== 0 || previous !== meta.vectorRows) {
    throw corrupt(where, "clusters do not cover the vectors");
  }
}

/** Texts of live rows are JSON of objects, those of dead rows text of whatever kind. */
async function checkMetadata(segment: SegmentReader): Promise<void> {
  const [column, ids] = await Promise.all([segment.metadata(), segment.ids()]);
  checkTexts(column);
  for (let row = 0; row < segment.meta.liveRows; row++) {
    parseRecordText(column.text(row), "metadata", ownerOf(segment, ids, row));
  }
}

async function checkContent(segment: SegmentReader): Promise<void> {
  const [column, ids] = await Promise.all([segment.content(), segment.ids()]);
  checkTexts(column);
  for (let row = 0; row < segment.meta.liveRows; row++) {
    const content = column.text(row);
    if (content !== "") parseContent({ ...ownerOf(segment, ids, row), content });
  }
}

async function checkAttributes(segment: SegmentReader): Promise<void> {
  const column = await segment.attributes();
  checkTexts(column);
  for (let row = 0; row < column.count; row++) {
    const text = column.text(row);
    if (text !== "") decodeAttributes(text, `${segment.where}: row ${row}`);
  }
}

function ownerOf({ where }: SegmentReader, ids: BlobColumn, row: number): TextOwner {
  return { id: ids.text(row), where };
}

/** Offsets were checked when the column was made; this finds text that is no UTF-8. */
function checkTexts(column: BlobColumn): void {
  for (let row = 0; row < column.count; row++) column.text(row);
}

async function checkResidual(segment: SegmentReader): Promise<void> {
  const { minVersion, maxVersion } = segment.meta;
  for (const [row, operations] of await segment.residual()) {
    for (const operation of operations) {
      const { version } = operation;
      checkRecordTexts(operation, segment.where);
      if (version >= minVersion && version <= maxVersion) continue;
      throw corrupt(segment.where, `row ${row} keeps an operation of version ${version}`);
    }
  }
}

/** Index, fence and filter are what the ids make them, and no id is there twice. */
async function checkIds(segment: SegmentReader): Promise<void> {
  const { where, sections, meta } = segment;
  const ids = await segment.ids();
  checkTexts(ids);
  const filter = await segment.idFilter();
  const his = new Uint32Array(ids.count);
  const los = new Uint32Array(ids.count);
  for (let row = 0; row < ids.count; row++) {
    if (ids.length(row) === 0) throw corrupt(where, `row ${row} has no id`);
    const hash = hashIdBytes(ids.bytes(row));
    if (!filter.mayContain(hash)) throw corrupt(where, `the id filter misses row ${row}`);
    his[row] = hash.hi;
    los[row] = hash.lo;
  }
  const expected = buildIdIndex(his, los);
  if (!equalBytes(await sections.readAll(SECTION.idIndex), expected.index)) {
    throw corrupt(where, "the id index does not match the ids");
  }
  if (!equalBytes(await sections.readAll(SECTION.idFence), expected.fence)) {
    throw corrupt(where, "the fence does not match the id index");
  }
  const entries = new IdEntries(expected.index, meta.rows, where);
  for (let entry = 1; entry < entries.count; entry++) {
    const rows = [entries.row(entry - 1), entries.row(entry)] as const;
    if (his[rows[0]] !== his[rows[1]] || los[rows[0]] !== los[rows[1]]) continue;
    if (equalBytes(ids.bytes(rows[0]), ids.bytes(rows[1]))) {
      throw corrupt(where, `rows ${rows[0]} and ${rows[1]} have the same id`);
    }
  }
}
