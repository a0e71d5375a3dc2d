import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeCheckpoint } from "../../src/format/checkpoint.ts";
import { decodeConfig } from "../../src/format/config.ts";
import { decodeDeletions } from "../../src/format/deletions.ts";
import { decodeManifest } from "../../src/format/manifest.ts";
import { SegmentReader, memorySource } from "../../src/format/segment-reader.ts";
import { decodeSlot } from "../../src/format/slot.ts";
import {
  CHECKPOINT,
  CONFIG,
  DELETED_ROWS_DENSE,
  DELETED_ROWS_SPARSE,
  MANIFEST,
  SEAL,
  SEGMENT_ROWS,
  SLOT,
  encodeAll,
} from "./values.ts";

/*
 * If one of these fails, the format changed. Raise FORMAT_VERSION, keep the old decoder, add
 * files for the new version, and leave these alone.
 */

const FOLDER = new URL("format-v1/", import.meta.url);
const read = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(name, FOLDER)));

test("version 1 is frozen: today's encoders write the golden bytes", async () => {
  const encoded = await encodeAll();
  expect(readdirSync(FOLDER).toSorted()).toEqual([...encoded.keys()].toSorted());
  for (const [name, bytes] of encoded) {
    expect(Buffer.from(bytes).equals(read(name)), name).toBe(true);
  }
});

test("version 1 is frozen: today's decoders read the golden bytes", () => {
  expect(decodeSlot(read("slot.bin"), "k")).toEqual(SLOT);
  expect(decodeSlot(read("slot-seal.bin"), "k")).toEqual(SEAL);
  expect(decodeDeletions(read("deletions-gaps.bin"), "k", 100_000)).toEqual(DELETED_ROWS_SPARSE);
  expect(decodeDeletions(read("deletions-bitmap.bin"), "k", 200)).toEqual(DELETED_ROWS_DENSE);
  expect(decodeManifest(read("manifest.json"), "k")).toEqual(MANIFEST);
  expect(decodeCheckpoint(read("checkpoint.json"), "k")).toEqual(CHECKPOINT);
  expect(decodeConfig(read("config.json"), "k")).toEqual(CONFIG);
});

test("version 1 is frozen: the golden segment holds its rows", async () => {
  const segment = await SegmentReader.open(memorySource(read("segment.bin")), "k");
  for await (const problem of segment.verify()) expect.unreachable(problem);
  const versions = await segment.versions();
  expect(SEGMENT_ROWS.map((_, row) => versions.version(row))).toEqual(
    SEGMENT_ROWS.map((row) => row.version),
  );
  for (const [name, column] of [
    ["id", await segment.ids()],
    ["metadata", await segment.metadata()],
    ["content", await segment.content()],
    ["attributes", await segment.attributes()],
  ] as const) {
    expect(column.texts()).toEqual(SEGMENT_ROWS.map((row) => row[name]));
  }
  const vectors = new Float32Array((await segment.vectorRows(0, 2)).slice().buffer);
  expect([...vectors]).toEqual([3, 4, 5, 0, 0, 0, 1, 0]);
  const residual = await segment.residual();
  expect(residual.get(0)).toEqual(SEGMENT_ROWS[0]!.residual);
  expect(residual.get(3)).toEqual(SEGMENT_ROWS[3]!.residual);
  expect(residual.size).toBe(2);
  expect(await segment.findCold("bären/🐻")).toBe(2);
});
