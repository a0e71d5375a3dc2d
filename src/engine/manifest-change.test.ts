import fc from "fast-check";
import { expect, test } from "vitest";
import {
  emptyManifest,
  type Manifest,
  type SegmentEntry,
  type SegmentId,
} from "../format/manifest.ts";
import { VERSION_ZERO, type LaneId } from "../format/version.ts";
import { ROW_DROPPED, type CompactionResult } from "./compaction.ts";
import { applyResult, unionRows } from "./manifest-change.ts";

const LANES = ["01ARZ3NDEKTSV4RRFFQ69G5FAA", "01ARZ3NDEKTSV4RRFFQ69G5FAB"] as LaneId[];

/** A database where a row is an id and a version: what masks and moves must keep true. */
interface World {
  readonly manifest: Manifest;
  readonly rows: ReadonlyMap<
    SegmentId,
    readonly { readonly id: string; readonly version: number }[]
  >;
  readonly masks: ReadonlyMap<SegmentId, Uint32Array>;
}

const EMPTY: World = { manifest: emptyManifest("db"), rows: new Map(), masks: new Map() };

function unmasked(
  world: World,
): { segment: SegmentId; row: number; id: string; version: number }[] {
  return world.manifest.segments.flatMap(({ id: segment }) => {
    const masked = new Set(world.masks.get(segment));
    return world.rows
      .get(segment)!
      .map((value, row) => ({ segment, row, ...value }))
      .filter(({ row }) => !masked.has(row));
  });
}

function entry(id: SegmentId, rows: number): SegmentEntry {
  const [minVersion, maxVersion] = [VERSION_ZERO, VERSION_ZERO];
  return { id, key: id, bytes: 1, rows, vectorRows: 0, minVersion, maxVersion };
}

interface Made {
  readonly base: World;
  readonly result: CompactionResult;
  readonly rows: readonly { readonly id: string; readonly version: number }[];
}

/** What a flush makes of `writes` against `base`, as the job would. */
function flush(base: World, lane: LaneId, name: string, writes: ReadonlyMap<string, number>): Made {
  const masked = new Map<SegmentId, Uint32Array>();
  const rows = [];
  const existing = unmasked(base);
  for (const [id, version] of writes) {
    const old = existing.find((row) => row.id === id);
    if (old !== undefined && old.version >= version) continue;
    rows.push({ id, version });
    if (old !== undefined) {
      masked.set(old.segment, unionRows(masked.get(old.segment), Uint32Array.of(old.row)));
    }
  }
  const cursor = (base.manifest.lanes.find((known) => known.lane === lane)?.cursor ?? -1) + 1;
  const covered = { lane, incarnation: "i", openVersion: VERSION_ZERO, lastVersion: VERSION_ZERO };
  const added = rows.length === 0 ? [] : [entry(name as SegmentId, rows.length)];
  const lanes = [{ ...covered, cursor }];
  return {
    base,
    rows,
    result: {
      removed: [],
      added,
      masked,
      moved: new Map(),
      lanes,
      junkCount: 0,
      hasRemains: false,
    },
  };
}

function merge(base: World, removed: readonly SegmentId[], name: string): Made {
  const moved = new Map<SegmentId, Uint32Array>();
  const rows: { id: string; version: number }[] = [];
  for (const segment of removed) {
    const masked = new Set(base.masks.get(segment));
    moved.set(
      segment,
      Uint32Array.from(base.rows.get(segment)!, (row, i) =>
        masked.has(i) ? ROW_DROPPED : rows.push(row) - 1,
      ),
    );
  }
  const added = rows.length === 0 ? [] : [entry(name as SegmentId, rows.length)];
  return {
    base,
    rows,
    result: {
      removed,
      added,
      masked: new Map(),
      moved,
      lanes: [],
      junkCount: 0,
      hasRemains: false,
    },
  };
}

/** Commits on `newest`, or throws the result away. */
function commit(newest: World, { base, result, rows }: Made): World | undefined {
  const change = applyResult({
    base: base.manifest,
    newest: newest.manifest,
    result,
    deletions: newest.masks,
  });
  if (change === undefined) return undefined;
  const cursors = new Map(newest.manifest.lanes.map((lane) => [lane.lane, lane]));
  for (const lane of result.lanes) cursors.set(lane.lane, { ...lane, head: 0, headSeenMs: 0 });
  const lanes = [...cursors.values()];
  const [added] = result.added;
  return {
    manifest: { ...newest.manifest, segments: change.segments, lanes },
    rows: added === undefined ? newest.rows : new Map([...newest.rows, [added.id, rows]]),
    masks: new Map([...newest.masks, ...change.masks]),
  };
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant("flush" as const),
    lane: fc.constantFrom(...LANES),
    writes: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 99 }), {
      minKeys: 1,
    }),
    /** How many commits ago the job began. */
    age: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({
    kind: fc.constant("merge" as const),
    first: fc.nat(3),
    count: fc.integer({ min: 1, max: 3 }),
    age: fc.integer({ min: 0, max: 3 }),
  }),
);

test("[M1] however old the base of a job is, no write is lost and no id has two unmasked rows", () => {
  let applied = 0;
  let discarded = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      const history: World[] = [EMPTY];
      const newestVersions = new Map<string, number>();
      for (const [i, one] of steps.entries()) {
        const base = history[Math.max(0, history.length - 1 - one.age)]!;
        const segments = base.manifest.segments.map(({ id }) => id);
        const made =
          one.kind === "flush"
            ? flush(base, one.lane, `s${i}`, new Map(Object.entries(one.writes)))
            : merge(base, segments.slice(one.first, one.first + one.count), `s${i}`);
        const world = commit(history.at(-1)!, made);
        if (world === undefined) {
          discarded++;
          continue;
        }
        applied++;
        history.push(world);
        if (one.kind === "flush") {
          for (const [id, version] of Object.entries(one.writes)) {
            newestVersions.set(id, Math.max(version, newestVersions.get(id) ?? 0));
          }
        }
        const rows = unmasked(world).map(({ id, version }) => `${id} ${version}`);
        const expected = [...newestVersions].map(([id, version]) => `${id} ${version}`);
        expect(rows.toSorted()).toEqual(expected.toSorted());
      }
    }),
    { numRuns: 500 },
  );
  // The property says nothing if everything is thrown away, or nothing ever is.
  expect(Math.min(applied, discarded)).toBeGreaterThan(100);
});

test("[M1] a deletion bit that came while a merge ran is on the merged row", () => {
  const first = commit(
    EMPTY,
    flush(
      EMPTY,
      LANES[0]!,
      "s1",
      new Map([
        ["x", 1],
        ["y", 1],
      ]),
    ),
  )!;
  const second = commit(first, flush(first, LANES[0]!, "s2", new Map([["z", 2]])))!;
  const slow = merge(second, ["s1", "s2"] as SegmentId[], "merged");
  const third = commit(second, flush(second, LANES[0]!, "s3", new Map([["x", 3]])))!;
  const world = commit(third, slow)!;
  expect([...world.masks.get("merged" as SegmentId)!]).toEqual([0]);
  expect(world.manifest.segments.map(({ id }) => id)).toEqual(["s3", "merged"]);
});

test("[M1] two merges of one segment: the second is thrown away", () => {
  const world = commit(EMPTY, flush(EMPTY, LANES[0]!, "s1", new Map([["x", 1]])))!;
  const made = merge(world, ["s1"] as SegmentId[], "a");
  const next = commit(world, made)!;
  expect(commit(next, merge(world, ["s1"] as SegmentId[], "b"))).toBeUndefined();
});

test("[M5] a flush that another flush has overtaken is thrown away", () => {
  const made = flush(EMPTY, LANES[0]!, "s1", new Map([["x", 1]]));
  const world = commit(EMPTY, flush(EMPTY, LANES[1]!, "s2", new Map([["x", 2]])))!;
  expect(commit(world, made)).toBeUndefined();
});

test("a segment whose rows are all masked is listed no more", () => {
  const world = commit(EMPTY, flush(EMPTY, LANES[0]!, "s1", new Map([["x", 1]])))!;
  const next = commit(world, flush(world, LANES[0]!, "s2", new Map([["x", 2]])))!;
  expect(next.manifest.segments.map(({ id }) => id)).toEqual(["s2"]);
});

test("the union of masks ascends and has no duplicates", () => {
  expect([...unionRows(Uint32Array.of(1, 5), Uint32Array.of(0, 5, 9))]).toEqual([0, 1, 5, 9]);
});
