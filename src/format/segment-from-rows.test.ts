import fc from "fast-check";
import { expect, test } from "vitest";
import { columnsOf } from "../../test/support/columns.ts";
import { concatBytes, equalBytes } from "../base/bytes.ts";
import type { SegmentId } from "./manifest.ts";
import { encodeAttributes } from "./operation-attributes.ts";
import type { Operation } from "./operation.ts";
import { segmentFromRows, type RowsOptions } from "./segment-from-rows.ts";
import type { SegmentRow } from "./segment.ts";
import { makeVersion, type LaneId } from "./version.ts";

const LANES = ["01JCZ0M3V8Q6T4R2W0Y9X7S5P4", "01JCZ0M3V8Q6T4R2W0Y9X7S5P3"] as LaneId[];
const ID = "01JCZ0M3V8Q6T4R2W0Y9X7S5SG" as SegmentId;

const text = fc.string({ unit: "grapheme", maxLength: 9 });
const put = (dimension: number) =>
  fc.record({
    vector: fc.option(
      fc.float32Array({
        minLength: dimension,
        maxLength: dimension,
        noNaN: true,
        noDefaultInfinity: true,
      }),
      { nil: undefined },
    ),
    content: fc.option(text, { nil: undefined }),
    metadata: text,
    type: fc.option(text, { nil: undefined }),
    isCopied: fc.boolean(),
  });
/** Slots of puts, some of which go into the segment. */
const slots = fc.integer({ min: 1, max: 5 }).chain((dimension) =>
  fc.record({
    dimension: fc.constant(dimension),
    slots: fc.array(fc.array(put(dimension), { minLength: 1, maxLength: 9 }), { maxLength: 5 }),
  }),
);

test("rows copied out of slots make the very segment that the same rows make as objects", async () => {
  await fc.assert(
    fc.asyncProperty(slots, async ({ dimension, slots: given }) => {
      const rows: SegmentRow[] = [];
      const plain = given.map((puts, slot) => {
        const operations = puts.map(({ vector, content, metadata, type }, i): Operation => {
          const version = makeVersion(1_000 - slot, i, LANES[slot % 2]!);
          const attributes = type === undefined ? undefined : { type };
          return {
            kind: "put",
            version,
            id: `${slot} ${i}`,
            vector,
            content,
            metadata,
            attributes,
          };
        });
        const numbers = [...puts.keys()].filter((i) => puts[i]!.isCopied);
        for (const i of numbers) rows.push(rowOf(operations[i]!));
        return { columns: columnsOf(operations), rows: Uint32Array.from(numbers) };
      });
      const options = { id: ID, databaseId: "db", dimension };
      const copied = await bytesOf([], { ...options, plain });
      expect(equalBytes(copied, await bytesOf(rows, options))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

function rowOf({ id, version, vector, content, metadata, attributes }: Operation): SegmentRow {
  return {
    id,
    version,
    live: true,
    vector,
    content: content ?? "",
    metadata: metadata ?? "",
    attributes: encodeAttributes(attributes) ?? "",
  };
}

async function bytesOf(rows: readonly SegmentRow[], options: RowsOptions): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of segmentFromRows(rows, options)) parts.push(part);
  return concatBytes(parts);
}
