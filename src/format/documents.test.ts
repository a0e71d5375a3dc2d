import { expect, test } from "vitest";
import { CHECKPOINT, CONFIG, LANE, MANIFEST } from "../../test/golden/values.ts";
import { decodeText, encodeText } from "../base/bytes.ts";
import { isBrainyError } from "../base/errors.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { decodeConfig, encodeConfig } from "./config.ts";
import { decodeManifest, encodeManifest } from "./manifest.ts";

const KEY = "_brainy/manifests/0000000000000007.json";

function errorOf(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (!isBrainyError(error)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error("nothing was thrown");
}

/** Seals the manifest with some fields replaced, whatever their types say. */
function altered(fields: Record<string, unknown>): Uint8Array {
  return encodeManifest({ ...MANIFEST, ...fields });
}

test("a manifest is read as it was written, and written again as the same bytes", () => {
  const bytes = encodeManifest(MANIFEST);
  expect(decodeManifest(bytes, KEY)).toEqual(MANIFEST);
  expect(encodeManifest(decodeManifest(bytes, KEY))).toEqual(bytes);
  const open = { ...MANIFEST, dimensions: undefined, segments: [], lanes: [] };
  expect(decodeManifest(encodeManifest(open), KEY)).toEqual(open);
});

test("every wrong field of a manifest is corrupt, by the name of the key and of the field", () => {
  const [segment] = MANIFEST.segments;
  const [lane] = MANIFEST.lanes;
  const cases: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ number: -1 }, "number"],
    [{ number: 1.5 }, "number"],
    [{ minReader: 0 }, "minReader"],
    [{ formatVersion: 0 }, "formatVersion"],
    [{ minWriter: "1" }, "minWriter"],
    [{ databaseId: "" }, "databaseId"],
    [{ nonce: undefined }, "nonce"],
    [{ epoch: 2 ** 53 }, "epoch"],
    [{ holder: 3 }, "holder"],
    [{ createdMs: -5 }, "createdMs"],
    [{ floor: "0" }, "floor"],
    [{ maxVersion: undefined }, "maxVersion"],
    [{ dimensions: 0 }, "dimensions"],
    [{ segments: {} }, "segments"],
    [{ lanes: [7] }, "lanes[0]"],
    [{ segments: [segment, segment] }, "segments"],
    [{ lanes: [lane, lane] }, "lanes"],
    [{ segments: [{ ...segment, id: "x" }] }, "segments[0].id"],
    [{ segments: [{ ...segment, vectorRows: 200_000 }] }, "segments[0].vectorRows"],
    [{ segments: [{ ...segment, minVersion: MANIFEST.maxVersion }] }, "segments[0].maxVersion"],
    [{ segments: [{ ...segment, deletions: { count: 0, inline: "AA" } }] }, "deletions.count"],
    [{ segments: [{ ...segment, deletions: { count: 1 } }] }, "deletions.key"],
    [{ lanes: [{ ...lane, lane: "x" }] }, "lanes[0].lane"],
    [{ lanes: [{ ...lane, seal: { slot: 1 } }] }, "lanes[0].seal.seenMs"],
  ];
  for (const [fields, name] of cases) {
    const { code, message } = errorOf(() => decodeManifest(altered(fields), KEY));
    expect([code, message.startsWith(`${KEY}: `)]).toEqual(["BRAINY_CORRUPT", true]);
    expect(message).toContain(name);
  }
});

test("a manifest that only newer versions may read is unsupported, and says to upgrade", () => {
  const newer = altered({ formatVersion: 3, minReader: 2 });
  const { code, message } = errorOf(() => decodeManifest(newer, KEY));
  expect(code).toBe("BRAINY_UNSUPPORTED");
  expect(message).toContain("format 3, this one reads 1): upgrade");
  expect(decodeManifest(altered({ formatVersion: 3 }), KEY).formatVersion).toBe(3);
});

test("a manifest in another spelling, or edited by hand, is corrupt", () => {
  const text = decodeText(encodeManifest(MANIFEST));
  for (const edited of [
    text.trimEnd(),
    `${text}\n`,
    JSON.stringify(JSON.parse(text)),
    text.replace('"epoch": 3', '"epoch": 4'),
    text.replace(/,\n {2}"checksum": "[0-9a-f]+"/, ""),
    "",
    "null",
  ]) {
    expect(errorOf(() => decodeManifest(encodeText(edited), KEY)).code).toBe("BRAINY_CORRUPT");
  }
});

test("a checkpoint is read as it was written, with or without an end", () => {
  expect(decodeCheckpoint(encodeCheckpoint(CHECKPOINT), "c")).toEqual(CHECKPOINT);
  const { expiresAtMs: _, ...lasting } = CHECKPOINT;
  expect(decodeCheckpoint(encodeCheckpoint(lasting), "c")).toEqual(lasting);
});

test("a checkpoint with a wrong field, or a wrong manifest inside, is corrupt", () => {
  const cases = [
    [{ ...CHECKPOINT, name: "a/b" }, "name"],
    [{ ...CHECKPOINT, databaseId: "other" }, "databaseId"],
    [{ ...CHECKPOINT, tail: [{ lane: LANE, from: 5, to: 4 }] }, "tail[0].to"],
    [{ ...CHECKPOINT, tail: [CHECKPOINT.tail[0]!, CHECKPOINT.tail[0]!] }, "tail"],
    [{ ...CHECKPOINT, manifest: { ...MANIFEST, epoch: -1 } }, "manifest.epoch"],
  ] as const;
  for (const [checkpoint, name] of cases) {
    const { code, message } = errorOf(() => decodeCheckpoint(encodeCheckpoint(checkpoint), "c"));
    expect([code, message]).toEqual(["BRAINY_CORRUPT", expect.stringContaining(`c: ${name} `)]);
  }
  const newer = encodeCheckpoint({ ...CHECKPOINT, formatVersion: 2 });
  expect(errorOf(() => decodeCheckpoint(newer, "c")).code).toBe("BRAINY_UNSUPPORTED");
});

test("a config document keeps fields that it does not know", () => {
  const edited = {
    ...CONFIG,
    note: "ours",
    settings: { ...CONFIG.settings, team: ["a"] },
    instances: { one: { role: "writer" } },
  };
  const read = decodeConfig(encodeText(`\uFEFF${JSON.stringify(edited)}`), "c");
  expect(read).toEqual(edited);
  expect(decodeConfig(encodeConfig({ ...read, version: 5 }), "c")).toEqual({
    ...edited,
    version: 5,
  });
  const { dimensions: _, ...open } = CONFIG.settings;
  expect(decodeConfig(encodeConfig({ ...CONFIG, settings: open }), "c").settings).toEqual(open);
});

test("every wrong field of a config document is named", () => {
  const settings = (fields: object): object => ({
    ...CONFIG,
    settings: { ...CONFIG.settings, ...fields },
  });
  const cases: readonly (readonly [object, string])[] = [
    [{ ...CONFIG, version: "4" }, "version"],
    [{ ...CONFIG, updated: "yesterday" }, "updated"],
    [{ ...CONFIG, updated: "2024-13-40T99:00:00Z" }, "updated"],
    [{ ...CONFIG, nonce: 5 }, "nonce"],
    [{ ...CONFIG, settings: [] }, "settings"],
    [{ ...CONFIG, instances: undefined }, "instances"],
    [settings({ databaseId: "" }), "settings.databaseId"],
    [settings({ formatVersion: "1" }), "settings.formatVersion"],
    [settings({ partitionStrategy: "range" }), "settings.partitionStrategy"],
    [settings({ partitionCount: 1001 }), "settings.partitionCount"],
    [settings({ embeddingModel: 7 }), "settings.embeddingModel"],
    [settings({ dimensions: 1.5 }), "settings.dimensions"],
    [settings({ distanceMetric: "manhattan" }), "settings.distanceMetric"],
    [settings({ conflictResolution: "" }), "settings.conflictResolution"],
    // Changed by hand: what was written before would be folded in another way.
    [settings({ conflictResolution: "crdt" }), "settings.conflictResolution"],
  ];
  for (const [config, name] of cases) {
    const bytes = encodeText(JSON.stringify(config));
    const { code, message } = errorOf(() => decodeConfig(bytes, "c"));
    expect([code, message]).toEqual(["BRAINY_CORRUPT", expect.stringContaining(`c: ${name} must`)]);
  }
});

test("a config document of a newer format is unsupported, one that is no JSON corrupt", () => {
  const newer = { ...CONFIG, settings: { ...CONFIG.settings, formatVersion: 3 } };
  const { code, message } = errorOf(() => decodeConfig(encodeConfig(newer), "c"));
  expect(code).toBe("BRAINY_UNSUPPORTED");
  expect(message).toContain("written by a newer Brainy (format 3, this one reads 2): upgrade");
  expect(errorOf(() => decodeConfig(encodeText("{"), "c")).message).toMatch(/^c: not JSON/);
});
