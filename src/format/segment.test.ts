import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../base/bytes.ts";
import type { SegmentId } from "./manifest.ts";
import type { Operation } from "./operation.ts";
import { segmentFromRows } from "./segment-from-rows.ts";
import { SegmentReader } from "./segment-reader.ts";
import { memorySource } from "./section-reader.ts";
import type { RangeSource } from "./section-reader.ts";
import { writeSegment } from "./segment-writer.ts";
import { bytesSection, decodeContainer, encodeContainer } from "./container.ts";
import { SECTION, SEGMENT_MAGIC } from "./segment.ts";
import type { SegmentRow } from "./segment.ts";
import { makeVersion } from "./version.ts";
import type { LaneId } from "./version.ts";
import { versionKey } from "./version-column.ts";

const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;
const OTHER = "01JCZ0M3V8Q6T4R2W0Y9X7S5P4" as LaneId;
const ID = "01JCZ0M3V8Q6T4R2W0Y9X7S5SG" as SegmentId;
const DATABASE = "01JCZ0M3V8Q6T4R2W0Y9X7S5DB";

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return concatBytes(parts) as Uint8Array<ArrayBuffer>;
}

async function write(rows: readonly SegmentRow[], dimension: number) {
  return collect(segmentFromRows(rows, { id: ID, databaseId: DATABASE, dimension }));
}

async function problems(segment: SegmentReader): Promise<string[]> {
  const found: string[] = [];
  for await (const problem of segment.verify()) found.push(problem);
  return found;
}

const text = fc.string({ unit: "grapheme", maxLength: 9 });
const json = text.map((value) => JSON.stringify({ text: value }));
/** Vectors of numbers that records may have. */
const FINITE = { noNaN: true, noDefaultInfinity: true };
const version = fc
  .tuple(fc.nat(2 ** 44), fc.nat(999), fc.constantFrom(LANE, OTHER))
  .map(([millis, counter, lane]) => makeVersion(millis, counter, lane));
const segmentRows = fc.integer({ min: 1, max: 6 }).chain((dimension) => {
  const vector = fc.option(
    fc.float32Array({ minLength: dimension, maxLength: dimension, ...FINITE }),
    { nil: undefined },
  );
  const operation: fc.Arbitrary<Operation> = fc.record({
    kind: fc.constantFrom("put" as const, "patch" as const),
    version,
    id: fc.constant("x"),
    vector,
    metadata: json,
  });
  const row: fc.Arbitrary<SegmentRow> = fc.record({
    id: fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
    version,
    live: fc.boolean(),
    vector,
    content: fc.oneof(json, fc.constant("")),
    metadata: json,
    attributes: fc.oneof(
      text.map((type) => JSON.stringify({ type })),
      fc.constant(""),
    ),
    residual: fc.option(fc.array(operation, { minLength: 1, maxLength: 2 }), { nil: undefined }),
  });
  return fc.record({
    dimension: fc.constant(dimension),
    rows: fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 20 }),
  });
});

/** Live rows with a vector, live rows without, dead rows; as given within each. */
function orderRows(rows: readonly SegmentRow[]): SegmentRow[] {
  return [
    ...rows.filter((row) => row.live && row.vector !== undefined),
    ...rows.filter((row) => row.live && row.vector === undefined),
    ...rows.filter((row) => !row.live),
  ];
}

test("a segment is read as it was written, by column and by row", async () => {
  await fc.assert(
    fc.asyncProperty(segmentRows, async ({ dimension, rows }) => {
      const writer = segmentFromRows(rows, { id: ID, databaseId: DATABASE, dimension });
      const bytes = await collect(writer);
      const segment = await SegmentReader.open(memorySource(bytes), "k");
      const ordered = orderRows(rows);
      expect(segment.meta).toEqual(writer.meta);
      expect(writer.bytes).toBe(bytes.byteLength);
      expect(await problems(segment)).toEqual([]);
      expect([...(await segment.kinds())]).toEqual(ordered.map(({ live }) => Number(live)));
      const versions = await segment.versions();
      expect(ordered.map((_, row) => versions.version(row))).toEqual(
        ordered.map((row) => row.version),
      );
      for (const name of ["id", "content", "metadata", "attributes"] as const) {
        const wanted = ordered.map((row) => row[name]);
        const column = await segment.textRows(name, 0, ordered.length);
        expect(column.texts()).toEqual(wanted);
        const reversed = [...wanted.keys()].toReversed();
        expect(await segment.textsOf(name, reversed)).toEqual(wanted.toReversed());
      }
      expect((await segment.content()).texts()).toEqual(ordered.map((row) => row.content));
      const { vectorRows, stride } = segment.meta;
      const floats = new Float32Array((await segment.vectorRows(0, vectorRows)).slice().buffer);
      for (let row = 0; row < vectorRows; row++) {
        expect(floats.subarray(row * stride, row * stride + dimension)).toEqual(
          ordered[row]!.vector,
        );
      }
      const residual = await segment.residual();
      for (const [row, { residual: wanted }] of ordered.entries()) {
        expect(residual.get(row)).toEqual(wanted);
      }
      const index = await segment.idIndex();
      const ids = await segment.ids();
      for (const [row, { id }] of ordered.entries()) {
        expect(index.find(id, (candidate) => ids.text(candidate))).toBe(row);
        expect(await segment.findCold(id)).toBe(row);
      }
      expect(index.find("not there", (candidate) => ids.text(candidate))).toBe(-1);
      expect(await segment.findCold("not there")).toBe(-1);
    }),
    { numRuns: 60 },
  );
});

function manyRows(count: number, dimension: number): SegmentRow[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `id-${i}`,
    version: makeVersion(1000 + i, i, i % 2 === 0 ? LANE : OTHER),
    live: true,
    vector: Float32Array.from({ length: dimension }, (__, d) => i + d / dimension),
    content: `{"text":"${"wörd ".repeat(i % 40)}${i}"}`,
    metadata: `{"n":${i}}`,
    attributes: "",
  }));
}

function counting(bytes: Uint8Array<ArrayBuffer>): RangeSource & { reads: [number, number][] } {
  const inner = memorySource(bytes);
  const reads: [number, number][] = [];
  return {
    reads,
    bytesTotal: inner.bytesTotal,
    read(start, end) {
      reads.push([start, end]);
      return inner.read(start, end);
    },
  };
}

test("vectors load in pieces that split rows, whatever the piece boundaries are", async () => {
  const rows = manyRows(5_000, 999);
  const source = counting(await write(rows, 999));
  const segment = await SegmentReader.open(source, "k");
  const { stride } = segment.meta;
  const target = new Uint8Array(5_000 * stride * 4);
  const slices: number[] = [];
  await segment.loadVectors(target, async (rows) => {
    slices.push(rows);
    await Promise.resolve();
  });
  expect(slices).toEqual([Math.floor((16 * 2 ** 20) / (stride * 4)), 5_000]);
  const wanted = new Float32Array(5_000 * stride);
  for (const [i, { vector }] of rows.entries()) wanted.set(vector!, i * stride);
  expect(Buffer.from(target).equals(new Uint8Array(wanted.buffer))).toBe(true);
});

test("a cold find of one among many ids costs the filter, the fence and three short reads", async () => {
  const rows = manyRows(60_000, 4);
  const source = counting(await write(rows, 4));
  const segment = await SegmentReader.open(source, "k");
  expect(await segment.findCold("id-59999")).toBe(59_999);
  expect(await segment.findCold("id-0")).toBe(0);
  source.reads.length = 0;
  expect(await segment.findCold("id-31234")).toBe(31_234);
  expect(source.reads.length).toBe(3);
  for (const [start, end] of source.reads) expect(end - start).toBeLessThanOrEqual(128 * 1024);
  source.reads.length = 0;
  let hits = 0;
  for (let i = 0; i < 2_000; i++) {
    const before = source.reads.length;
    expect(await segment.findCold(`absent-${i}`)).toBe(-1);
    if (source.reads.length > before) hits++;
  }
  expect(hits).toBeLessThan(60);
});

test("content of a few rows comes in few reads and in the order asked", async () => {
  const rows = manyRows(30_000, 4);
  const source = counting(await write(rows, 4));
  const segment = await SegmentReader.open(source, "k");
  source.reads.length = 0;
  const asked = [29_999, 3, 4, 15_000, 3];
  expect(await segment.contentOf(asked)).toEqual(asked.map((row) => rows[row]!.content));
  expect(source.reads.length).toBeLessThanOrEqual(6);
  expect(await segment.contentOf([])).toEqual([]);
});

test("a segment whose rows have no content is not read for it", async () => {
  const rows = manyRows(100, 4).map((row) => ({ ...row, content: "" }));
  const source = counting(await write(rows, 4));
  const segment = await SegmentReader.open(source, "k");
  source.reads.length = 0;
  expect(await segment.contentOf([99, 0, 5])).toEqual(["", "", ""]);
  expect(source.reads).toEqual([]);
});

test("versions compare with a key as their texts do", async () => {
  const rows = manyRows(200, 1);
  const segment = await SegmentReader.open(memorySource(await write(rows, 1)), "k");
  const versions = await segment.versions();
  for (const key of [rows[0]!.version, rows[77]!.version, makeVersion(1050, 50, OTHER)]) {
    for (const [row, { version: own }] of rows.entries()) {
      const wanted = own < key ? -1 : own > key ? 1 : 0;
      expect(Math.sign(versions.compare(row, versionKey(key)))).toBe(wanted);
    }
  }
});

test("a merge copies columns between segments without decoding them", async () => {
  const rows = manyRows(300, 5);
  const segment = await SegmentReader.open(memorySource(await write(rows, 5)), "k");
  const kept = Uint32Array.from({ length: 150 }, (_, i) => i * 2);
  const gather = (name: "id" | "metadata" | "content" | "attributes") =>
    async function* () {
      yield (await segment.textRows(name, 0, 300)).gather(kept);
    };
  const versions = await segment.versions();
  const merged = writeSegment({
    id: ID,
    databaseId: DATABASE,
    dimension: 5,
    rowCount: kept.length,
    vectorRows: kept.length,
    columns: {
      async *vectors() {
        for (const row of kept) yield segment.vectorRows(row, row + 1);
      },
      versions: () => [[...kept].map((row) => versions.version(row))],
      kinds: () => [new Uint8Array(kept.length).fill(1)],
      ids: gather("id"),
      metadata: gather("metadata"),
      content: gather("content"),
      attributes: gather("attributes"),
    },
  });
  const copied = await collect(merged);
  const wanted = await write(
    rows.filter((_, i) => i % 2 === 0),
    5,
  );
  expect(copied).toEqual(wanted);
});

test("verify names two rows of one id and an index that misses one", async () => {
  const rows = manyRows(50, 2);
  const twice = [...rows, { ...rows[7]!, metadata: "{}" }];
  const segment = await SegmentReader.open(memorySource(await write(twice, 2)), "k");
  expect(await problems(segment)).toEqual(["k: rows 7 and 50 have the same id"]);
});

test("a damaged byte anywhere in a segment is found by verify or refused by open", async () => {
  const bytes = await write(manyRows(40, 3), 3);
  for (let at = 0; at < bytes.byteLength; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x10;
    let found: string[];
    try {
      found = await problems(await SegmentReader.open(memorySource(damaged), "k"));
    } catch (error) {
      found = [(error as Error).message];
    }
    expect(found[0], `byte ${at}`).toMatch(/^k: /);
  }
});

test("a long write lets other work run, in the midst of building the id index too", async () => {
  const rows = manyRows(140_000, 1).map((row) => ({ ...row, content: "", metadata: "" }));
  let breaths = 0;
  const breathe = async (): Promise<void> => {
    breaths++;
    await Promise.resolve();
  };
  const options = { id: ID, databaseId: DATABASE, dimension: 1 };
  const chunks: Uint8Array[] = [];
  for await (const chunk of segmentFromRows(rows, { ...options, breathe })) chunks.push(chunk);
  // Three steps of 65,536 rows for each of four sorting passes and for the entries.
  expect(breaths).toBe(chunks.length + 15);
  const inOneGo = await collect(segmentFromRows(rows, options));
  expect(Buffer.from(concatBytes(chunks)).equals(inOneGo)).toBe(true);
});

test("a segment that fits into the first read needs no other", async () => {
  const rows = manyRows(20, 3);
  const source = counting(await write(rows, 3));
  const segment = await SegmentReader.open(source, "k");
  expect((await segment.content()).texts()).toEqual(rows.map((row) => row.content));
  expect(await segment.findCold("id-7")).toBe(7);
  expect(source.reads).toEqual([[0, source.bytesTotal]]);
});

test("an offset beyond its column is corrupt when a single row is read", async () => {
  const kinds = new Set<number>(Object.values(SECTION));
  const bytes = await write(manyRows(20, 3), 3);
  const { sections } = decodeContainer(bytes, { magic: SEGMENT_MAGIC, where: "k", kinds });
  const offsets = sections.get(SECTION.contentOffsets)!.slice();
  new DataView(offsets.buffer).setUint32(4 * 8, 1_000_000, true);
  const sources = [...sections].map(([kind, own]) =>
    bytesSection(kind, kind === SECTION.contentOffsets ? offsets : own),
  );
  const broken = encodeContainer({ magic: SEGMENT_MAGIC }, sources);
  const segment = await SegmentReader.open(memorySource(broken), "k");
  await expect(segment.contentOf([7])).rejects.toThrow("has no bytes");
  await expect(segment.contentOf([8])).rejects.toThrow("has no bytes");
  await expect(segment.textRows("content", 0, 8)).rejects.toThrow("has no bytes");
  expect(await segment.contentOf([3])).toHaveLength(1);
});
