import { expect, test } from "vitest";
import { Brainy } from "../../src/brainy.ts";
import { encodeText } from "../../src/base/bytes.ts";
import { checksum64 } from "../../src/base/checksum.ts";
import { decodeConfig } from "../../src/format/config.ts";
import { View } from "../../src/engine/view.ts";
import { decodeManifest, encodeManifest } from "../../src/format/manifest.ts";
import { parseManifestKey, parseSlotKey } from "../../src/format/keys.ts";
import {
  decodeBlockHeader,
  encodeBlockHeader,
} from "../../src/storage/adapters/disk-cache-block.ts";
import type { Operation } from "../../src/format/operation.ts";
import { decodeSlot, encodeSlot } from "../../src/format/slot.ts";
import { makeVersion, type LaneId } from "../../src/format/version.ts";
import { MANIFEST } from "../golden/values.ts";
import { columnsOf } from "../support/columns.ts";
import { optionsOf, sampleDatabase, storeOf } from "./engine-samples.ts";

/*
 * What damaged input once did, each by the smallest input that did it.
 */

test("documents of any depth are refused, and not a stack that overflows", () => {
  for (const depth of [65, 3_000, 50_000]) {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const bytes = encodeText(`{"a":${open.repeat(depth)}1${close.repeat(depth)}}`);
      for (const decode of [decodeConfig, decodeManifest]) {
        expect(() => decode(bytes, "k")).toThrow("k: has more than 64 levels");
      }
    }
  }
});

test("a number that keys can say and numbers cannot hold names nothing of ours", () => {
  const lane = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3";
  expect(parseManifestKey("_brainy/manifests/9007199254740993.json")).toBeUndefined();
  expect(parseSlotKey(`_brainy/wal/${lane}/9999999999999999`)).toBeUndefined();
  expect(parseSlotKey(`_brainy/wal/${lane}/9007199254740991`)?.number).toBe(2 ** 53 - 1);
});

test("the header of a cached block whose etag or numbers are none is a miss", () => {
  const place = { name: new Uint8Array(16), index: 0, blockBytes: 10 };
  const identity = { etag: "e" as never, bytesTotal: 4, storeMs: 1 };
  const damaged = (damage: (view: DataView) => void) => {
    const header = encodeBlockHeader(place, identity, new Uint8Array(4))!;
    const view = new DataView(header.buffer);
    damage(view);
    view.setBigUint64(248, checksum64(header.subarray(0, 248)), true);
    return decodeBlockHeader(header, place);
  };
  expect(damaged(() => undefined)).toMatchObject(identity);
  expect(damaged((view) => view.setUint8(64, 0xff))).toBeUndefined();
  expect(damaged((view) => view.setUint16(6, 65_535, true))).toBeUndefined();
  expect(damaged((view) => view.setFloat64(24, NaN, true))).toBeUndefined();
});

const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;

async function brainWith(operation: Partial<Operation>): Promise<Brainy> {
  const objects = new Map(await sampleDatabase(0));
  const wal = [...objects.keys()].filter((key) => key.includes("/wal/"));
  const key = wal.at(-2)!;
  const slot = decodeSlot(objects.get(key)!, key);
  const [first, ...rest] = slot.operations;
  const changed = { ...first!, kind: "put", id: "damaged", ...operation } as const;
  objects.set(key, encodeSlot({ ...slot, operations: [changed, ...rest] }));
  return new Brainy({ ...optionsOf(await storeOf(objects), 1), readOnly: true });
}

for (const text of ["{", "null", "[1]", "7", ""]) {
  test(`a record whose metadata is ${JSON.stringify(text)} is damaged, and only for who asks`, async () => {
    await using brain = await brainWith({ metadata: text, content: "", vector: undefined });
    expect(await brain.get("r7")).toMatchObject({ id: "r7" });
    const damage = { code: "BRAINY_CORRUPT", message: expect.stringContaining("damaged") };
    await expect(brain.get("damaged")).rejects.toMatchObject(damage);
    await expect(brain.exportAll()).rejects.toMatchObject(damage);
    await expect(brain.list({ filter: { n: 1 } })).rejects.toMatchObject(damage);
    const { ok, problems } = await brain.verify();
    expect(ok).toBe(false);
    expect(problems.map(({ problem }) => problem).join()).toContain("metadata of record");
  });
}

test("a record whose text is none is damaged", async () => {
  await using brain = await brainWith({ metadata: "{}", content: '{"text":5}', vector: undefined });
  await expect(brain.get("damaged", { include: ["text"] })).rejects.toThrow("its text is none");
});

test("a slot with a vector that is not finite, or of other dimensions, is damaged", async () => {
  for (const vector of [Float32Array.of(1, NaN, 2), Float32Array.of(1, -Infinity, 2)]) {
    await using brain = await brainWith({ metadata: "{}", vector });
    await expect(brain.count()).rejects.toThrow("a vector is not finite");
  }
  const columns = columnsOf([
    {
      kind: "put",
      id: "a",
      version: makeVersion(1, 0, LANE),
      metadata: "{}",
      vector: new Float32Array(5),
    },
  ]);
  const view = View.empty({ databaseId: "d", dimensions: () => 3 });
  expect(() => view.applyColumns(columns)).toThrow("has 5 dimensions, not 3");
});

test("a manifest whose segment has a key that no store takes is damaged", () => {
  const [segment] = MANIFEST.segments;
  for (const key of [`${segment!.key}\u0000`, "k", "../a.seg"]) {
    const bytes = encodeManifest({ ...MANIFEST, segments: [{ ...segment!, key }] });
    expect(() => decodeManifest(bytes, "k")).toThrow(
      "segments[0].key must be the key of a segment",
    );
  }
});

test("a segment that has other rows or bytes than its manifest says is damaged", async () => {
  const objects = new Map(await sampleDatabase(0));
  const key = [...objects.keys()].findLast((one) => one.includes("/manifests/"))!;
  const manifest = decodeManifest(objects.get(key)!, key);
  const wrong = [
    { rows: 1, bytes: 0, message: "the manifest says" },
    { rows: 0, bytes: 10_000_000, message: "has no bytes" },
  ];
  for (const { rows, bytes, message } of wrong) {
    const segments = manifest.segments.map((one) => ({
      ...one,
      rows: one.rows + rows,
      bytes: one.bytes + bytes,
    }));
    objects.set(key, encodeManifest({ ...manifest, segments }));
    await using brain = new Brainy({ ...optionsOf(await storeOf(objects), 1), readOnly: true });
    const damage = { code: "BRAINY_CORRUPT", message: expect.stringContaining(message) };
    await expect(brain.count()).rejects.toMatchObject(damage);
  }
});
