import { hashId } from "../../src/format/hash-id.ts";
import { SegmentReader, memorySource } from "../../src/format/segment-reader.ts";
import type { TextColumnName } from "../../src/format/segment-reader.ts";
import type { Draw } from "./draw.ts";
import { demand } from "./target.ts";

const TEXTS: readonly TextColumnName[] = ["id", "metadata", "content", "attributes"];

/**
 * Opens a segment and asks it everything that the engine asks. A segment may be wrong in a way that
 * only `verify` finds; but whatever it answers has to be in range, and where `verify` finds
 * nothing all of it has to be right.
 */
export async function readSegment(input: Uint8Array, draw: Draw): Promise<void> {
  const segment = await SegmentReader.open(memorySource(new Uint8Array(input)), "k");
  const { rows, vectorRows, liveRows, dimension, stride } = segment.meta;
  demand(vectorRows <= liveRows && liveRows <= rows, "rows of each kind");
  demand(rows * 12 <= input.byteLength, "no more rows than bytes");
  const problems: string[] = [];
  for await (const problem of segment.verify()) problems.push(problem);
  const kinds = await segment.kinds();
  demand(kinds.length === rows, "a kind for each row");
  await readTexts(segment, draw);
  await readVersions(segment, problems.length === 0, draw);
  await findIds(segment, problems.length === 0, draw);
  const vectors = new Uint8Array(vectorRows * stride * 4);
  await segment.loadVectors(vectors);
  demand(dimension > 0 || vectors.byteLength === 0, "vectors have a dimension");
  const end = draw.below(vectorRows + 1);
  demand((await segment.vectorRows(0, end)).byteLength === end * stride * 4, "some vectors");
  for (const [row, kept] of await segment.residual()) {
    demand(row < rows && kept.length > 0, "operations of a row");
  }
}

async function readTexts(segment: SegmentReader, draw: Draw): Promise<void> {
  const { rows } = segment.meta;
  const columns = await Promise.all([
    segment.ids(),
    segment.metadata(),
    segment.content(),
    segment.attributes(),
  ]);
  const some = draw.list(Math.min(rows, 5), () => draw.below(rows));
  for (const [i, name] of TEXTS.entries()) {
    const column = columns[i]!;
    demand(column.count === rows, "a text for each row");
    const texts = await segment.textsOf(name, some);
    for (const [k, text] of texts.entries())
      demand(column.text(some[k]!) === text, "the same text");
    const start = draw.below(rows + 1);
    const stop = draw.between(start, rows);
    const stretch = await segment.textRows(name, start, stop);
    demand(stretch.count === stop - start, "a stretch of texts");
    column.texts();
  }
}

async function readVersions(segment: SegmentReader, isSound: boolean, draw: Draw): Promise<void> {
  const { rows, minVersion, maxVersion } = segment.meta;
  const versions = await segment.versions();
  demand(versions.count === rows, "a version for each row");
  for (let row = 0; row < rows; row++) {
    const version = versions.version(row);
    demand(version.length === 46, "a version");
    demand(!isSound || (version >= minVersion && version <= maxVersion), "a version in bounds");
  }
  const start = draw.below(rows + 1);
  const stretch = await segment.versionRows(start, rows);
  demand(stretch.count === rows - start, "a stretch of versions");
}

async function findIds(segment: SegmentReader, isSound: boolean, draw: Draw): Promise<void> {
  const { rows } = segment.meta;
  const ids = await segment.ids();
  const index = await segment.idIndex();
  const idOfRow = (row: number): string => ids.text(row);
  const wanted = draw.list(Math.min(rows, 4), () => ids.text(draw.below(rows)));
  for (const id of [...wanted, "0", "absent", ""]) {
    const row = index.find(id, idOfRow);
    const cold = await segment.findCold(id);
    for (const found of [row, cold]) {
      demand(found === -1 || (found >= 0 && found < rows && ids.text(found) === id), "its own row");
    }
    demand(!isSound || (row === cold && (row >= 0 || !wanted.includes(id))), "its row");
    demand(row < 0 || index.mayContain(hashId(id)), "the filter lets it through");
  }
}
