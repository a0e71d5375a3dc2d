import { expect, test } from "vitest";
import { concatBytes } from "../../../src/base/bytes.ts";
import { segmentKey } from "../../../src/format/keys.ts";
import type { SegmentId } from "../../../src/format/manifest.ts";
import { segmentFromRows } from "../../../src/format/segment-from-rows.ts";
import type { SegmentRow } from "../../../src/format/segment.ts";
import { JUDGES } from "../oracle.ts";
import { MadeBucket, entryOf, laneOf, ulid, versionOf } from "./made-bucket.ts";
import { SegmentFold } from "./segment-fold.ts";

const A = laneOf("A");

function rowOf(id: string, second: number, more: Partial<SegmentRow> = {}): SegmentRow {
  const version = versionOf(A, second);
  return { id, version, live: true, content: "", metadata: "{}", attributes: "", ...more };
}

/** Slots put x, y and x again; one manifest covers them with a segment of these rows. */
function findingOf(rows: readonly SegmentRow[], ...masked: number[]): Promise<string> {
  return findingIn(bucketOf(), { rows, masked });
}

function bucketOf(): MadeBucket {
  return new MadeBucket(new SegmentFold(JUDGES["last-write-wins"].fold));
}

async function findingIn(
  bucket: MadeBucket,
  made: {
    readonly rows: readonly SegmentRow[];
    readonly masked?: readonly number[];
    /** Deletes y in a slot of its own, and the floor stands at this second. */
    readonly deletesAtFloor?: number;
  },
): Promise<string> {
  const { rows, masked = [], deletesAtFloor } = made;
  bucket.slot(A, 0);
  for (const [i, id] of ["x", "y", "x"].entries()) bucket.slot(A, i + 1, { id });
  if (deletesAtFloor !== undefined) {
    bucket.slot(A, 4, { operations: [{ kind: "delete", id: "y", version: versionOf(A, 4) }] });
  }
  const id = ulid("S") as SegmentId;
  const chunks: Uint8Array[] = [];
  const options = { id, databaseId: "made", dimension: 0 };
  for await (const chunk of segmentFromRows(rows, options)) chunks.push(chunk.slice());
  const bytes = new Uint8Array(concatBytes(chunks));
  const versions = { minVersion: versionOf(A, 1), maxVersion: versionOf(A, 4) };
  const counts = { bytes: bytes.byteLength, rows: rows.length, vectorRows: 0 };
  const entry = { id, key: segmentKey(id, 1), ...counts, ...versions };
  bucket.put(entry.key, bytes);
  const segment = masked.length === 0 ? entry : bucket.masked(entry, "M", ...masked);
  const isDeleted = deletesAtFloor !== undefined;
  bucket.manifest(1, {
    segments: [segment],
    lanes: [entryOf(A, isDeleted ? 4 : 3)],
    ...(isDeleted && { floor: versionOf(A, deletesAtFloor) }),
  });
  for (let i = 0; i < 100; i++) await Promise.resolve();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return bucket.finding ?? "nothing";
}

test("[B5] segments that show the fold of what is covered are no finding", async () => {
  expect(await findingOf([rowOf("x", 3), rowOf("y", 2)])).toBe("nothing");
  expect(await findingOf([rowOf("x", 1), rowOf("x", 3), rowOf("y", 2)], 0)).toBe("nothing");
});

test("[B5] a record that a covered slot has brought and no segment shows is found", async () => {
  expect(await findingOf([rowOf("x", 3)])).toContain("y as\n  nothing");
  expect(await findingOf([rowOf("x", 3), rowOf("y", 2)], 1)).toContain("y as\n  nothing");
  const dead = rowOf("y", 2, { live: false });
  expect(await findingOf([rowOf("x", 3), dead])).toContain("y as\n  nothing");
});

test("[B5] an older state, another content and a second row of one record are found", async () => {
  expect(await findingOf([rowOf("x", 1), rowOf("y", 2)])).toContain("show x as");
  const other = rowOf("y", 2, { content: "other" });
  expect(await findingOf([rowOf("x", 3), other])).toContain("show y as");
  expect(await findingOf([rowOf("x", 1), rowOf("x", 3), rowOf("y", 2)])).toContain(
    "x has two rows",
  );
});

test("[B5] a delete above the floor that nothing stands for is found, below it none is wanted", async () => {
  const rows = [rowOf("x", 3)];
  const gone = await findingIn(bucketOf(), { rows, deletesAtFloor: 3 });
  expect(gone).toContain("nothing stands for y");
  expect(await findingIn(bucketOf(), { rows, deletesAtFloor: 4 })).toBe("nothing");
  const dead = rowOf("y", 4, { live: false });
  expect(await findingIn(bucketOf(), { rows: [...rows, dead], deletesAtFloor: 3 })).toBe("nothing");
});
