import { expect, test } from "vitest";
import { manifestKey, segmentKey, slotKey } from "../format/keys.ts";
import { emptyManifest, type LaneEntry, type SegmentId } from "../format/manifest.ts";
import { VERSION_ZERO } from "../format/version.ts";
import { Fleet, compaction, patch, put, remove } from "../../test/support/fleet.ts";
import { createCheckpoint, deleteCheckpoint, readCheckpoint } from "./checkpoint.ts";
import { MANIFESTS_KEPT, collectGarbage, collectableSlots } from "./collection.ts";
import { LANE_IDLE_MS, SEAL_LIVES_MS } from "./lane-ledger.ts";
import {
  commitManifest,
  listManifests,
  readManifest,
  readNewestManifest,
} from "./manifest-store.ts";

async function keys(fleet: Fleet, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const page of fleet.store.list({ prefix })) {
    found.push(...page.objects.map(({ key }) => key));
  }
  return found;
}

/** Commits until every manifest that knew the old state is beyond retention. */
async function outlive(fleet: Fleet, run: (i: number) => Promise<void>): Promise<void> {
  for (let i = 0; i <= MANIFESTS_KEPT; i++) await run(i);
  fleet.clock.advance(3 * 60_000);
  await run(MANIFESTS_KEPT + 1);
}

test("[C1] covered slots and merged segments go once no manifest needs them, and not before", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("first", 1)]);
  await maintenance.run({ force: "compact" });
  const [segment] = (await fleet.newest()).segments;
  expect(await keys(fleet, "_brainy/wal/")).toHaveLength(2);
  await outlive(fleet, async (i) => {
    await lane.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
    for (const number of await listManifests(fleet.store)) {
      const manifest = await readManifest(fleet.store, number);
      for (const { key } of manifest!.segments) expect(await fleet.store.head(key)).toBeDefined();
    }
  });
  expect(await fleet.store.head(segment!.key)).toBeUndefined();
  expect(await fleet.store.head(slotKey(lane.id, 1))).toBeUndefined();
  expect((await listManifests(fleet.store)).length).toBeLessThan(MANIFESTS_KEPT + 3);
  await fleet.expectNothingLost();
});

test("[M2] a slot that one manifest or one checkpoint needs stays", async () => {
  const fleet = new Fleet();
  const { store, clock, random, databaseId } = fleet;
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("a", 1)]);
  await maintenance.run({ force: "flush" });
  await lane.append([put("b", 2)]);
  const pin = await createCheckpoint({ store, clock, random, databaseId, name: "pin" });
  expect(pin.tail).toEqual([{ lane: lane.id, from: 2, to: 3 }]);
  const [pinned] = pin.manifest.segments;
  const write = async (i: number): Promise<void> => {
    await lane.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
  };
  await outlive(fleet, write);
  expect(await store.head(slotKey(lane.id, 1))).toBeUndefined();
  expect(await store.head(slotKey(lane.id, 2))).toBeDefined();
  expect(await store.head(pinned!.key)).toBeDefined();
  await deleteCheckpoint(store, "pin");
  await maintenance.run({ force: "compact" });
  expect(await store.head(slotKey(lane.id, 2))).toBeUndefined();
  expect(await store.head(pinned!.key)).toBeUndefined();
});

test("[M2] what a retired lane left stays while a manifest that lists the lane does not cover it", async () => {
  const fleet = new Fleet();
  const { id: lane } = await fleet.openLane();
  // A holder that slept between the two lists has deleted no manifest that was replaced meanwhile.
  const slots = [{ number: 2, bytes: 300, modifiedMs: 0 }];
  const listing = { lanes: new Map([[lane, slots]]), storeMs: 2 * SEAL_LIVES_MS, objectCount: 1 };
  const entry: LaneEntry = {
    lane,
    incarnation: "run",
    openVersion: VERSION_ZERO,
    cursor: 1,
    lastVersion: VERSION_ZERO,
    headSeenMs: 0,
    head: 1,
  };
  const [older, newest] = [[entry], []].map((lanes, i) => {
    return { ...emptyManifest("database"), number: i + 1, lanes };
  });
  const collectable = (manifests: (typeof newest)[]): readonly string[] =>
    collectableSlots({
      listing,
      newest: newest!,
      manifests: manifests.map((one) => one!),
      checkpoints: [],
    }).keys;
  expect(collectable([newest, older])).toEqual([]);
  expect(collectable([newest])).toEqual([slotKey(lane, 2)]);
});

test("a checkpoint that has expired is deleted and pins nothing", async () => {
  const fleet = new Fleet();
  const { store, clock, random, databaseId } = fleet;
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("a", 1)]);
  await maintenance.run({ force: "flush" });
  const expiresInMs = 60_000;
  await createCheckpoint({ store, clock, random, databaseId, name: "export", expiresInMs });
  const again = createCheckpoint({ store, clock, random, databaseId, name: "export" });
  await expect(again).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
  clock.advance(100_000);
  await maintenance.run({ force: "compact" });
  expect(await readCheckpoint(store, "export")).toBeDefined();
  clock.advance(100_000);
  await maintenance.run({ force: "compact" });
  expect(await readCheckpoint(store, "export")).toBeUndefined();
});

test.each([
  ["exists after its creation", false],
  ["is the one it was, and no late PUT has brought it back", true],
])("[C4] a checkpoint counts only if its manifest still %s", async (_, isBroughtBack) => {
  const fleet = new Fleet();
  const { store, clock, random, databaseId } = fleet;
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("a", 1)]);
  await maintenance.run({ force: "flush" });
  const { number } = await fleet.newest();
  const late = await store.get(manifestKey(number));
  // Between the reading of the manifest and the creation, that manifest is collected.
  let overtaken = 0;
  const original = store.put.bind(store);
  store.put = async (key, bytes, options) => {
    if (key.includes("/checkpoints/") && overtaken++ === 0) {
      await outlive(fleet, async (i) => {
        await lane.append([put(`r${i}`, i)]);
        await maintenance.run({ force: "compact" });
      });
      expect(await store.head(manifestKey(number))).toBeUndefined();
      if (isBroughtBack) await original(manifestKey(number), late!.bytes);
    }
    return original(key, bytes, options);
  };
  const pin = await createCheckpoint({ store, clock, random, databaseId, name: "pin" });
  expect(overtaken).toBe(2);
  for (const { key } of pin.manifest.segments) expect(await store.head(key)).toBeDefined();
  for (const { lane: id, from, to } of pin.tail) {
    for (let n = from; n < to; n++) expect(await store.head(slotKey(id, n))).toBeDefined();
  }
});

test("[C2] a holder that slept through a takeover deletes nothing that is named", async () => {
  // A uploads a segment and stalls; C takes over a quiet database and collects it; A wakes.
  const fleet = new Fleet();
  const { store, clock, random } = fleet;
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const a = fleet.maintenance();
  const c = fleet.maintenance();
  await a.maintenance.run({ force: "flush" });
  const before = await fleet.newest();
  const orphan = segmentKey(fleet.newUlid() as SegmentId, 1);
  await store.put(orphan, Uint8Array.of(1));
  await lane.append([put("b", 1)]);
  await c.maintenance.run({ force: "flush", takeOver: true });
  expect(await store.head(orphan)).toBeUndefined();
  // A's commit of what it had uploaded fails, for its number is taken, and it collects nothing.
  const number = before.number + 1;
  const manifest = { ...before, number, nonce: "late" };
  const outcome = await commitManifest({ store, clock, random, manifest });
  expect(outcome.kind).toBe("superseded");
  const { incarnation } = a;
  const report = await collectGarbage({ store, incarnation, epoch: before.epoch });
  expect(report).toMatchObject({ isHolder: false, segments: 0, slots: 0 });
  await fleet.expectNothingLost();
});

test("[C3] what is not ours is never touched", async () => {
  const fleet = new Fleet();
  const foreign = [
    "vectors/readme.txt",
    "vectors/p000-p000/notes.seg",
    "vectors/vectors/p000-p000/01ARZ3NDEKTSV4RRFFQ69G5FAV.seg",
    "_brainy/wal/elsewhere",
    "_brainy/manifests/latest.json",
    "_brainy/checkpoints/two.words.json",
    "db2/_brainy/wal/01ARZ3NDEKTSV4RRFFQ69G5FAV/0000000000000007",
  ];
  for (const key of foreign) await fleet.store.put(key, Uint8Array.of(1));
  fleet.clock.advance(3 * SEAL_LIVES_MS);
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await outlive(fleet, async (i) => {
    await lane.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
  });
  for (const key of foreign) expect(await fleet.store.head(key), key).toBeDefined();
});

test("[C5] a seal outlives its lane by a day, unless the lane's own writer made it", async () => {
  const fleet = new Fleet();
  const [stalled, closed, busy] = [
    await fleet.openLane(),
    await fleet.openLane(),
    await fleet.openLane(),
  ];
  await stalled.append([put("a", 1)]);
  await closed.append([put("b", 1)]);
  await closed.close();
  const { maintenance, events } = fleet.maintenance();
  await maintenance.run({ force: "flush" });
  fleet.clock.advance(LANE_IDLE_MS);
  const write = async (i: number): Promise<void> => {
    await busy.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
  };
  await busy.append([put("c", 1)]);
  await maintenance.run();
  expect(events.filter(({ type }) => type === "sealed")).toMatchObject([
    { lane: stalled.id, slot: 2 },
  ]);
  expect(await stalled.append([put("late", 1)])).toBe(false);
  await outlive(fleet, write);
  await write(90);
  const lanes = (await fleet.newest()).lanes.map(({ lane }) => lane);
  expect(lanes).toEqual([busy.id]);
  expect(await keys(fleet, `_brainy/wal/${closed.id}`)).toEqual([]);
  expect(await keys(fleet, `_brainy/wal/${stalled.id}`)).toEqual([slotKey(stalled.id, 2)]);
  fleet.clock.advance(SEAL_LIVES_MS);
  await write(91);
  expect(await keys(fleet, `_brainy/wal/${stalled.id}`)).toEqual([]);
  await fleet.expectNothingLost();
});

test("[C5] an open record that arrives again after its lane was collected goes the same way", async () => {
  const fleet = new Fleet();
  const [stalled, busy] = [await fleet.openLane(), await fleet.openLane()];
  const opening = (await fleet.store.get(slotKey(stalled.id, 0)))!.bytes;
  await stalled.append([put("a", 1)]);
  const { maintenance } = fleet.maintenance();
  const write = async (i: number): Promise<void> => {
    await busy.append([put(`r${i}`, i), remove(`r${i - 1}`)]);
    await maintenance.run({ force: "compact" });
  };
  await write(1);
  fleet.clock.advance(LANE_IDLE_MS);
  await busy.append([put("b", 1)]);
  await outlive(fleet, write);
  const left = (): Promise<string[]> => keys(fleet, `_brainy/wal/${stalled.id}`);
  expect(await left()).toEqual([slotKey(stalled.id, 2)]);
  await fleet.store.put(slotKey(stalled.id, 0), opening);
  await write(92);
  const { floor } = await fleet.newest();
  fleet.clock.advance(LANE_IDLE_MS);
  await busy.append([put("c", 1)]);
  await maintenance.run();
  await outlive(fleet, write);
  expect((await fleet.newest()).floor > floor).toBe(true);
  fleet.clock.advance(SEAL_LIVES_MS);
  await outlive(fleet, write);
  expect(await left()).toEqual([]);
  await write(93);
  expect((await fleet.newest()).lanes.some(({ lane }) => lane === stalled.id)).toBe(false);
  await fleet.expectNothingLost();
});

test("[J6] what a suspended writer adds to a retired lane is junk: never read, collected", async () => {
  const fleet = new Fleet();
  const [zombie, busy] = [await fleet.openLane(), await fleet.openLane()];
  await zombie.append([put("x", "old")]);
  const { maintenance } = fleet.maintenance();
  await maintenance.run({ force: "flush" });
  fleet.clock.advance(LANE_IDLE_MS);
  const write = async (i: number): Promise<void> => {
    await busy.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
  };
  await outlive(fleet, write);
  await write(90);
  fleet.clock.advance(SEAL_LIVES_MS);
  await write(91);
  expect(await keys(fleet, `_brainy/wal/${zombie.id}`)).toEqual([]);
  // It wakes after 25 hours; its slot is free, and its PUT succeeds.
  const acknowledged = fleet.acknowledged.length;
  expect(await zombie.append([put("x", "late"), remove("r1"), patch("r2", { late: true })])).toBe(
    true,
  );
  fleet.acknowledged.length = acknowledged;
  await write(92);
  await fleet.expectNothingLost();
  fleet.clock.advance(SEAL_LIVES_MS);
  await write(93);
  expect(await keys(fleet, `_brainy/wal/${zombie.id}`)).toEqual([]);
});

test("[M4] a manifest that was collected and created again is adopted by nobody", async () => {
  const fleet = new Fleet();
  const { store } = fleet;
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance({ compaction: compaction({}) });
  await outlive(fleet, async (i) => {
    await lane.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "flush" });
  });
  const numbers = await listManifests(store);
  expect(numbers[0]).toBeGreaterThan(1);
  const stale = { ...(await fleet.newest()), number: 2, nonce: "stale", segments: [], lanes: [] };
  const { clock, random } = fleet;
  const outcome = await commitManifest({ store, clock, random, manifest: stale });
  expect(outcome).toMatchObject({ kind: "superseded" });
  expect((await readNewestManifest(store))?.number).toBe(numbers.at(-1));
  await fleet.expectNothingLost();
});
