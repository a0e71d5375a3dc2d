import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { foldFor } from "../../src/engine/record-fold.ts";
import { rowOfState, stateOfResidual } from "../../src/engine/state-row.ts";
import { decodeConfig, encodeConfig, type ConfigDocument } from "../../src/format/config.ts";
import type { Operation } from "../../src/format/operation.ts";
import { SegmentReader, memorySource } from "../../src/format/segment-reader.ts";
import { CONFIG, OTHER_LANE, at, encodeSegment } from "./values.ts";

/*
 * Databases of format 2: the bytes of format 1, with operations that say what they have seen. If
 * one of these fails, what such a database holds would be read in another way than it was meant.
 */

const FOLDER = new URL("format-v2/", import.meta.url);
const FOLD = foldFor("vector-clock");

const SIBLINGS: ConfigDocument = {
  ...CONFIG,
  settings: { ...CONFIG.settings, formatVersion: 2, conflictResolution: "vector-clock" },
};

/** Two siblings, of which one replaced a put whose remains are kept, above the floor. */
const OPERATIONS: readonly Operation[] = [
  { kind: "delete", id: "ada", version: at(1) },
  {
    kind: "put",
    id: "ada",
    version: at(2),
    vector: Float32Array.of(1, 2, 3),
    content: '{"text":"one"}',
    metadata: '{"n":1}',
    seen: [at(1)],
  },
  {
    kind: "put",
    id: "ada",
    version: at(3, OTHER_LANE),
    content: "",
    metadata: '{"n":2}',
    attributes: { type: "person" },
    seen: [at(1)],
  },
];

async function encodeAll(): Promise<Map<string, Uint8Array>> {
  const row = rowOfState("ada", stateOfResidual(OPERATIONS, FOLD), FOLD);
  return new Map([
    ["config.json", encodeConfig(SIBLINGS)],
    ["segment.bin", await encodeSegment([row])],
  ]);
}

test("format 2 is frozen: today's encoders write the golden bytes", async () => {
  const encoded = await encodeAll();
  expect(readdirSync(FOLDER).toSorted()).toEqual([...encoded.keys()].toSorted());
  for (const [name, bytes] of encoded) {
    expect(Buffer.from(bytes).equals(readFileSync(new URL(name, FOLDER))), name).toBe(true);
  }
});

test("format 2 is frozen: the golden config and segment hold their values", async () => {
  const config = readFileSync(new URL("config.json", FOLDER));
  expect(decodeConfig(new Uint8Array(config), "k")).toEqual(SIBLINGS);
  const bytes = new Uint8Array(readFileSync(new URL("segment.bin", FOLDER)));
  const segment = await SegmentReader.open(memorySource(bytes), "k");
  for await (const problem of segment.verify()) expect.unreachable(problem);
  const kept = (await segment.residual()).get(0)!;
  expect(kept).toEqual(OPERATIONS);
  const state = stateOfResidual(kept, FOLD);
  expect(FOLD.siblings(state).map(({ version }) => version)).toEqual([at(2), at(3, OTHER_LANE)]);
  expect((await segment.versions()).version(0)).toBe(at(3, OTHER_LANE));
});
