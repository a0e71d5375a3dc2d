import { collect } from "../golden/values.ts";
import { decodeBlobColumn, encodeBlobColumn } from "../../src/format/blob-column.ts";
import {
  decodeDeletions,
  decodeDeletionsInline,
  deletionEntryInline,
  encodeDeletions,
} from "../../src/format/deletions.ts";
import type { SegmentId } from "../../src/format/manifest.ts";
import { OperationColumns, decodeOperations } from "../../src/format/operation-columns.ts";
import { planOperations } from "../../src/format/operations-block.ts";
import { segmentFromRows } from "../../src/format/segment-from-rows.ts";
import { SECTION } from "../../src/format/segment.ts";
import { decodeSlot, decodeSlotColumns, encodeSlot } from "../../src/format/slot.ts";
import { VERSION_ZERO, type LaneId } from "../../src/format/version.ts";
import { mutateContainer } from "./containers.ts";
import type { Draw } from "./draw.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { readSegment } from "./read-segment.ts";
import { DATABASE, RUN, laneOf, operationsOf, segmentRowsOf, textOf } from "./shapes.ts";
import { demand, demandEqual, type FuzzTarget } from "./target.ts";

/*
 * Slots, segments and deletion vectors, and the columns that they are made of.
 */

const JSON_KINDS = {
  slot: new Set([1]),
  segment: new Set<number>([SECTION.meta]),
  deletions: new Set<number>(),
};

function sampleSlot(draw: Draw): Uint8Array {
  const lane = laneOf(draw);
  const kind = draw.pick(["operations", "operations", "operations", "open", "seal"] as const);
  const count = kind === "operations" ? draw.between(1, 12) : 0;
  const dimension = draw.pick([0, 1, 3, 8]);
  const operations = operationsOf(draw, { lane, count, dimension, isHostile: draw.chance(0.3) });
  return encodeSlot({
    kind,
    databaseId: DATABASE,
    lane,
    number: draw.below(100),
    incarnation: RUN,
    nonce: "0123",
    version: operations.at(-1)?.version ?? VERSION_ZERO,
    operations,
  });
}

/** Everything that columns can be asked for agrees with the operations. */
function useColumns(columns: OperationColumns, draw: Draw): void {
  const operations = columns.operations();
  demand(operations.length === columns.count, "as many operations as rows");
  const rows = Uint32Array.from(operations.keys());
  for (const [row, operation] of operations.entries()) {
    demandEqual(columns.operation(row), operation, `operation ${row} by itself`);
    demand(operation.id !== "" && operation.id === columns.id(row), "an id");
    demand(columns.version(row) === operation.version, "a version");
    demand(
      columns.hasVector(row) === (operation.vector !== undefined),
      "a vector where it says so",
    );
    const length = operation.vector?.length ?? columns.dimension;
    demand(length === columns.dimension, "vectors of one dimension");
    demand(columns.idBytes(row).length > 0, "bytes of an id");
    columns.idHash(row, 7);
    if (columns.isPlain(row)) columns.described(row);
  }
  for (const name of ["id", "content", "metadata", "attributes"] as const) {
    const { lengths, bytes } = columns.texts(name, rows);
    const sum = lengths.reduce((total, length) => total + length, 0);
    demand(lengths.length === rows.length && sum === bytes.byteLength, `a batch of ${name}`);
    columns.texts(
      name,
      rows.filter((row) => row % 2 === 0),
    );
  }
  demand(columns.packedVersions(rows).words.length === 4 * rows.length, "packed versions");
  columns.firstAbove(operations[draw.below(operations.length)]?.version ?? VERSION_ZERO);
  columns.firstOutOfOrder("none" as LaneId);
}

const slot: FuzzTarget = {
  name: "slot",
  weight: 3,
  sample: sampleSlot,
  mutate: (input, draw, other) =>
    mutateContainer(input, { draw, other, shape: { jsonKinds: JSON_KINDS.slot } }),
  read(input, draw) {
    const decoded = decodeSlot(input, "k");
    const { operations, lane, version } = decoded;
    for (const [i, operation] of operations.entries()) {
      demand(operation.version.endsWith(lane), "operations of its lane");
      demand(i === 0 || operations[i - 1]!.version < operation.version, "versions ascend");
    }
    demand(operations.length === 0 || operations.at(-1)!.version === version, "the last version");
    useColumns(decodeSlotColumns(input, "k").columns, draw);
    const again = encodeSlot(decoded);
    demandEqual(decodeSlot(again, "k"), decoded, "encoded again");
  },
};

const operations: FuzzTarget = {
  name: "operations",
  weight: 2,
  sample(draw) {
    const shape = { count: draw.below(12), dimension: draw.pick([0, 2, 5]), isHostile: false };
    const plan = planOperations(operationsOf(draw, { lane: laneOf(draw), ...shape }));
    const block = new Uint8Array(plan.length);
    plan.write(block);
    return block;
  },
  mutate: (input, draw, other) => mutateBytes(input, draw, other),
  read(input, draw) {
    // As in a segment, where a block stands at any place.
    const decoded = decodeOperations(input, "k");
    useColumns(new OperationColumns(input, "k").check(), draw);
    const plan = planOperations(decoded);
    const block = new Uint8Array(plan.length);
    plan.write(block);
    demandEqual(decodeOperations(block, "k"), decoded, "encoded again");
  },
};

const segment: FuzzTarget = {
  name: "segment",
  weight: 4,
  cpuMsMax: 400,
  allocatedBytesMax: 16 * 2 ** 20,
  sample(draw) {
    const dimension = draw.pick([0, 1, 3, 4, 9]);
    const count = draw.pick([0, 1, 3, 10, 30, draw.chance(0.05) ? 2_100 : 40]);
    const rows = segmentRowsOf(draw, { count, dimension, isHostile: draw.chance(0.3) });
    const id = "01JCZ0M3V8Q6T4R2W0Y9X7S5SG" as SegmentId;
    return collect(segmentFromRows(rows, { id, databaseId: DATABASE, dimension }));
  },
  mutate: (input, draw, other) =>
    mutateContainer(input, { draw, other, shape: { jsonKinds: JSON_KINDS.segment } }),
  read: readSegment,
};

/** Ascending, so many at most. */
function rowsOf(draw: Draw): Uint32Array {
  const rows = new Set<number>();
  const end = draw.pick([10, 200, 10_000]);
  for (let left = draw.between(1, 60); left > 0; left--) rows.add(draw.below(end));
  return Uint32Array.from(rows).sort();
}

const ROW_COUNT = 10_000;

const deletions: FuzzTarget = {
  name: "deletions",
  sample: (draw) => encodeDeletions(rowsOf(draw)),
  mutate: (input, draw, other) =>
    mutateContainer(input, { draw, other, shape: { jsonKinds: JSON_KINDS.deletions } }),
  read(input) {
    const rows = decodeDeletions(input, "k", ROW_COUNT);
    checkRows(rows);
    demandEqual(decodeDeletions(encodeDeletions(rows), "k", ROW_COUNT), rows, "encoded again");
  },
};

function checkRows(rows: Uint32Array): void {
  demand(rows.length > 0 && rows.at(-1)! < ROW_COUNT, "rows below the count");
  demand(
    rows.every((row, i) => i === 0 || row > rows[i - 1]!),
    "rows ascend",
  );
}

const deletionsInline: FuzzTarget = {
  name: "deletions in a manifest",
  sample: (draw) => new TextEncoder().encode(JSON.stringify(deletionEntryInline(rowsOf(draw))!)),
  mutate(input, draw, other) {
    const [entry, theirs] = [entryOf(input), entryOf(other)];
    const changed = draw.one<{ count: number; inline: string }>(
      [2, () => ({ ...entry, inline: mutateBase64(entry.inline, theirs.inline, draw) })],
      [1, () => ({ ...entry, inline: theirs.inline })],
      [1, () => ({ ...entry, count: entry.count + draw.between(-1, 1) })],
      [1, () => ({ ...entry, inline: entry.inline.slice(draw.below(9)) + textOf(draw) })],
    );
    return new TextEncoder().encode(JSON.stringify(changed));
  },
  read(input) {
    const rows = decodeDeletionsInline(entryOf(input), "k", ROW_COUNT);
    checkRows(rows);
    const again = deletionEntryInline(rows);
    demandEqual(again && decodeDeletionsInline(again, "k", ROW_COUNT), rows, "encoded again");
  },
};

function entryOf(bytes: Uint8Array): { count: number; inline: string } {
  return JSON.parse(new TextDecoder().decode(bytes)) as { count: number; inline: string };
}

function mutateBase64(text: string, theirs: string, draw: Draw): string {
  const shape = { jsonKinds: JSON_KINDS.deletions };
  const [bytes, other] = [Buffer.from(text, "base64"), Buffer.from(theirs, "base64")];
  const changed = mutateContainer(Uint8Array.from(bytes), {
    draw,
    other: Uint8Array.from(other),
    shape,
  });
  return Buffer.from(changed).toString("base64");
}

const blobColumn: FuzzTarget = {
  name: "blob column",
  sample: (draw) => encodeBlobColumn(draw.list(8, () => textOf(draw))),
  mutate: (input, draw, other) => mutateBytes(input, draw, other),
  read(input) {
    const column = decodeBlobColumn(input, 8, "k");
    demand(column.count === 8, "as many rows as asked for");
    const texts = column.texts();
    for (const [row, text] of texts.entries()) demand(column.text(row) === text, "each row alone");
    const again = decodeBlobColumn(encodeBlobColumn(texts), 8, "k").texts();
    demandEqual(again, texts, "encoded again");
  },
};

/** Those whose bytes have checksums, and what is in them. */
export const CONTAINER_TARGETS: readonly FuzzTarget[] = [
  slot,
  operations,
  segment,
  deletions,
  deletionsInline,
  blobColumn,
];
