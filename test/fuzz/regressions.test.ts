import { expect, test } from "vitest";
import { encodeText } from "../../src/base/bytes.ts";
import { checksum64 } from "../../src/base/checksum.ts";
import { decodeConfig } from "../../src/format/config.ts";
import { decodeManifest } from "../../src/format/manifest.ts";
import { parseManifestKey, parseSlotKey } from "../../src/format/keys.ts";
import {
  decodeBlockHeader,
  encodeBlockHeader,
} from "../../src/storage/adapters/disk-cache-block.ts";

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
