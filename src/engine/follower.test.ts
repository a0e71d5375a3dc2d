import { expect, test } from "vitest";
import { Fleet, compaction, patch, put, remove } from "../../test/support/fleet.ts";
import { columnsOf } from "../../test/support/columns.ts";
import { Machine } from "../../test/support/machine.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { Etag } from "../storage/object-store.ts";
import { manifestKey, slotKey } from "../format/keys.ts";
import { LANE_IDLE_MS, SEAL_LIVES_MS } from "./lane-ledger.ts";
import { listLog } from "./log-listing.ts";
import { countRecords, findRecord, pageOfRecords } from "./records.ts";
import { searchSnapshot } from "./search.ts";

const MINUTE = 60_000;
const VECTOR = [1, 0, 0];

/** Ids that a machine's readers see. */
async function idsSeen({ follower, clock }: Machine): Promise<string[]> {
  const page = await pageOfRecords(follower.view.fullSnapshot(), { clock, limit: 1_000 });
  return page.map(({ record }) => record.id);
}

/** Covers all of the log and collects it: twelve manifests, two minutes apart. */
async function coverAndCollect(fleet: Fleet): Promise<void> {
  const { maintenance } = fleet.maintenance({ compaction: compaction({ mergeFanIn: 100 }) });
  for (let i = 0; i < 12; i++) {
    const lane = await fleet.openLane();
    await lane.append([put(`filler${i}`, i)]);
    await lane.close();
    await maintenance.run({ force: "flush", takeOver: true });
    fleet.clock.advance(3 * MINUTE);
  }
  await maintenance.run({ force: "compact", takeOver: true });
}

test("[R1] the log is looked at first and the manifest after it", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  expect(machine.store.requests).toEqual([
    "list _brainy/wal/",
    "list _brainy/manifests/",
    `get ${slotKey(lane.id, 0)}`,
    `get ${slotKey(lane.id, 1)}`,
  ]);
});

test("[R1] slots that were covered and collected leave a gap that the manifest closes", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  await lane.append([put("b", 2)]);
  await lane.append([remove("a")]);
  await coverAndCollect(fleet);
  expect(await fleet.store.head(slotKey(lane.id, 3))).toBeUndefined();
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
  expect(await idsSeen(machine)).not.toContain("a");
});

test("[R1] what is collected between the two looks makes the catch-up begin again", async () => {
  for (const when of [
    "list _brainy/wal/",
    "list _brainy/manifests/",
    "get _brainy/wal/",
    "head ",
  ]) {
    const fleet = new Fleet();
    const machine = new Machine(fleet);
    const first = await fleet.openLane();
    await first.append([put("first", 0)]);
    if (when === "head ") {
      await fleet.maintenance().maintenance.run({ force: "flush" });
      await machine.follower.catchUp();
    }
    const lane = await fleet.openLane();
    for (let i = 0; i < 40; i++) await lane.append([put(`x${i}`, i)]);
    let isDone = false;
    machine.store.script = {
      after: async (request) => {
        if (isDone || !request.startsWith(when)) return;
        isDone = true;
        await coverAndCollect(fleet);
      },
    };
    await machine.follower.catchUp();
    expect(isDone).toBe(true);
    expect(await fleet.store.head(slotKey(lane.id, 30))).toBeUndefined();
    expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
  }
});

test("[R1] every page of a listing is read, in whatever order pages and keys come", async () => {
  class ShuffledStore extends MemoryStore {
    override async *list(options: Parameters<MemoryStore["list"]>[0] = {}) {
      const pages = [];
      for await (const page of super.list(options)) pages.push(page);
      for (const page of pages.reverse()) {
        yield { ...page, objects: page.objects.toReversed() };
      }
    }
  }
  const clock = new Fleet().clock;
  const fleet = new Fleet(1, new ShuffledStore({ clock, pageSize: 3 }));
  const lanes = [await fleet.openLane(), await fleet.openLane()];
  for (let i = 0; i < 10; i++) await lanes[i % 2]!.append([put(`x${i}`, i), put("same", i)]);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).toHaveLength(11);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await machine.follower.catchUp();
  expect(machine.follower.view.manifest.number).toBe((await fleet.newest()).number);
  expect(await idsSeen(machine)).toHaveLength(11);
  await fleet.expectNothingLost();
});

test("[R1] catch-ups that are asked for while one runs share the one after it", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  const lane = await fleet.openLane();
  const first = machine.follower.catchUp();
  await lane.append([put("late", 1)]);
  await Promise.all([machine.follower.catchUp(), machine.follower.catchUp()]);
  expect(await idsSeen(machine)).toEqual(["late"]);
  await first;
  expect(machine.store.requests.filter((request) => request.startsWith("list"))).toHaveLength(4);
});

test("[R2] a snapshot does not change while operations are applied and manifests adopted", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1, VECTOR), put("b", 2, VECTOR), put("c", 3, VECTOR));
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await machine.follower.catchUp();
  await machine.add(put("d", 4, VECTOR), patch("b", { more: 1 }));
  const { view } = machine.follower;
  const before = { ...view.fullSnapshot(), ...(await view.snapshot()) };
  const { clock } = machine;
  const look = async () => ({
    count: await countRecords(before, { clock }),
    ids: (await pageOfRecords(before, { clock, limit: 9 })).map(({ record }) => record.metadata),
    hits: (await searchSnapshot({ ...QUERY, snapshot: before, k: 9, clock })).map(({ id }) => id),
  });
  const seen = await look();
  expect(seen.hits).toEqual(["a", "b", "c", "d"]);
  await machine.add(remove("a"), put("d", 5, VECTOR), put("e", 6, VECTOR), patch("b", { more: 2 }));
  expect(await look()).toEqual(seen);
  await fleet.maintenance().maintenance.run({ force: "compact", takeOver: true });
  await machine.follower.catchUp();
  expect(await look()).toEqual(seen);
  expect(await idsSeen(machine)).toEqual(["b", "c", "d", "e"]);
});

const QUERY = { metric: "cosine", query: Float32Array.from(VECTOR) } as const;

test("[R3] ids with an operation in the tail are masked before candidates are cut to k", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 1_000 });
  const near = Array.from({ length: 50 }, (_, i) => put(`near${i}`, i, [1, i / 1_000, 0]));
  const far = Array.from({ length: 5 }, (_, i) => put(`far${i}`, i, [0, 1, i / 100]));
  await machine.add(...near, ...far);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await machine.follower.catchUp();
  const search = async () => {
    const snapshot = await machine.follower.view.snapshot();
    const hits = await searchSnapshot({ ...QUERY, snapshot, k: 5, clock: machine.clock });
    return hits.map(({ id }) => id);
  };
  expect(machine.follower.view.tailOperations).toBe(0);
  expect(await search()).toEqual(["near0", "near1", "near2", "near3", "near4"]);
  // Every near row is deleted or moved away; the segment still holds all of them.
  await machine.add(...near.slice(0, 40).map(({ id }) => remove(id)));
  await machine.add(...near.slice(40).map(({ id }) => put(id, "moved", [-1, 0, 0])));
  expect(await search()).toEqual(["far0", "far1", "far2", "far3", "far4"]);
});

test("[R3] a patch in the tail is applied to its base and found with the base's vector", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1, VECTOR), put("b", 2, [0, 1, 0]));
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await machine.follower.catchUp();
  await machine.add(patch("a", { more: true }));
  const snapshot = await machine.follower.view.snapshot();
  const hits = await searchSnapshot({ ...QUERY, snapshot, k: 5, clock: machine.clock });
  expect(hits.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(hits[0]?.record.metadata).toBe('{"value":1,"more":true}');
});

test("[R4] while a manifest is adopted, every read sees each record exactly once", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 1_000 });
  const all = Array.from({ length: 30 }, (_, i) => put(`x${i}`, i, [1, i, 0]));
  for (let i = 0; i < 30; i += 10) {
    await machine.add(...all.slice(i, i + 10));
    await fleet.maintenance().maintenance.run({ force: "flush", takeOver: true });
  }
  await machine.add(remove("x0"), put("x1", "new", VECTOR));
  await fleet.maintenance().maintenance.run({ force: "compact", takeOver: true });
  const { clock, follower } = machine;
  let looks = 0;
  const look = async (): Promise<void> => {
    looks++;
    const { view } = follower;
    const snapshot = { ...view.fullSnapshot(), ...(await view.snapshot()) };
    const hits = await searchSnapshot({ ...QUERY, snapshot, k: 100, clock });
    const found = hits.map(({ id }) => id).toSorted();
    expect(found).toHaveLength(29);
    expect(found).not.toContain("x0");
    expect(await idsSeen(machine)).toEqual(found);
    expect(await countRecords(snapshot, { clock })).toBe(29);
    expect(view.recordCount).toBe(29);
    expect(findRecord(view, "x1", 0)?.record.metadata).toBe('{"value":"new"}');
  };
  machine.store.script = { before: look, after: look };
  expect(follower.view.manifest.number).toBe(0);
  await follower.catchUp();
  await look();
  expect(follower.view.manifest.number).toBe((await fleet.newest()).number);
  expect(looks).toBeGreaterThan(8);
});

test("[R4] what is written while a manifest is adopted is in the view after it", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1, VECTOR));
  await fleet.maintenance().maintenance.run({ force: "flush" });
  let count = 0;
  const write = async (request: string): Promise<void> => {
    if (!request.startsWith("get vectors/")) return;
    machine.store.script = {};
    await machine.add(put(`w${count++}`, 1, VECTOR), patch("a", { count }));
    machine.store.script = { before: write };
  };
  machine.store.script = { before: write };
  await machine.follower.catchUp();
  expect(count).toBeGreaterThan(0);
  expect(machine.follower.view.manifest.number).toBeGreaterThan(0);
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
  const seen = findRecord(machine.follower.view, "a", 0)?.record.metadata;
  expect(seen).toBe(fleet.expected().get("a")?.metadata);
});

test("[R4] a manifest whose segments are collected while they are opened is given up for a newer", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  const lane = await fleet.openLane();
  await lane.append([put("a", 1, VECTOR)]);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await lane.append([put("b", 2, VECTOR)]);
  let isDone = false;
  machine.store.script = {
    before: async (request) => {
      if (isDone || !request.startsWith("get vectors/")) return;
      isDone = true;
      await fleet.maintenance().maintenance.run({ force: "compact", takeOver: true });
      await coverAndCollect(fleet);
    },
  };
  await machine.follower.catchUp();
  expect(isDone).toBe(true);
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
});

test("[R4] what is written while the tail is carried over is in the view after it", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 2_000 });
  const lane = await fleet.openLane();
  await lane.append([put("a", 1, VECTOR)]);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  await machine.add(put("first", 0));
  const view = machine.follower.view;
  await machine.add(...Array.from({ length: 1_200 }, (_, i) => put(`x${i}`, i)));
  await lane.append([put("b", 1, VECTOR)]);
  const { maintenance } = fleet.maintenance({
    host: { partitionCount: 1, dimensions: () => 3, log: () => {}, adopt: async () => {} },
  });
  await maintenance.run({ takeOver: true, force: "compact" });
  expect(machine.follower.view).toBe(view);
  let writes = 0;
  machine.clock.breathe = async () => {
    if (writes++ < 50) await machine.add(patch("x0", { writes }), put(`late${writes}`, 1));
  };
  await machine.follower.catchUp();
  machine.clock.breathe = () => Promise.resolve();
  expect(machine.follower.view).not.toBe(view);
  expect(writes).toBeGreaterThan(2);
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted().slice(0, 1_000));
  const seen = findRecord(machine.follower.view, "x0", 0)?.record.metadata;
  expect(seen).toBe(fleet.expected().get("x0")?.metadata);
});

test("[R4] an operation that comes after the manifest that covers it changes nothing", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  const lane = await fleet.openLane();
  await lane.append([put("x", 1, VECTOR)]);
  const late = fleet.acknowledged.slice();
  await lane.append([remove("x")]);
  await lane.close();
  const { maintenance } = fleet.maintenance();
  await maintenance.run({ force: "compact" });
  // Twice, so that the floor has passed the tombstone and nothing is left of x.
  await maintenance.run({ force: "compact" });
  await machine.follower.catchUp();
  expect((await fleet.newest()).segments).toEqual([]);
  machine.follower.apply(columnsOf(late));
  expect(await idsSeen(machine)).toEqual([]);
  expect(machine.follower.view.tailOperations).toBe(0);
});

test("[R5] pages follow ids, so that nothing that stays is skipped or repeated", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 1_000 });
  const id = (i: number): string => `x${String(i).padStart(3, "0")}`;
  await machine.add(...Array.from({ length: 60 }, (_, i) => put(id(2 * i), i)));
  const { clock, follower } = machine;
  const seen: string[] = [];
  for (let after: string | undefined, page = 0; page < 100; page++) {
    const snapshot = follower.view.fullSnapshot();
    const found = await pageOfRecords(snapshot, { clock, after, limit: 7 });
    if (found.length === 0) break;
    seen.push(...found.map(({ record }) => record.id));
    after = seen.at(-1);
    // Records come and go on both sides of the cursor, and storage order changes under it.
    const at = Number(after!.slice(1));
    await machine.add(put(id(at - 1), 0), put(id(at + 1), 0), remove(id(at)));
    if (page % 3 === 0) {
      await fleet.maintenance().maintenance.run({ force: "flush", takeOver: true });
      await follower.catchUp();
    }
  }
  expect(seen).toEqual(seen.toSorted());
  expect(new Set(seen).size).toBe(seen.length);
  for (let i = 0; i < 60; i++) expect(seen).toContain(id(2 * i));
});

test("[R6] a catch-up sees everything acknowledged before it was asked for", async () => {
  const fleet = new Fleet();
  const writers = [new Machine(fleet), new Machine(fleet, { skewMs: 3_000 })];
  const reader = new Machine(fleet);
  for (let i = 0; i < 20; i++) {
    await writers[i % 2]!.add(put(`x${i}`, i));
    if (i % 7 === 6) await fleet.maintenance().maintenance.run({ force: "flush", takeOver: true });
    await reader.follower.catchUp();
    expect(await idsSeen(reader)).toHaveLength(i + 1);
  }
});

test("[R6] the age of a view counts from the start of the last complete catch-up", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const { clock, follower, store } = new Machine(fleet);
  expect(follower.stalenessMs).toBe(Number.POSITIVE_INFINITY);
  store.script = { after: () => clock.advance(100) };
  await follower.catchUp();
  expect(follower.stalenessMs).toBe(400);
  store.script = {
    before: () => {
      throw new Error("no network");
    },
  };
  clock.advance(50);
  await expect(follower.catchUp()).rejects.toThrow("no network");
  expect(follower.stalenessMs).toBe(450);
  // A suspended machine: the wall clock tells what the monotonic one missed, and the reverse.
  clock.suspend(5_000);
  expect(follower.stalenessMs).toBe(5_450);
  clock.jump(-60_000);
  expect(follower.stalenessMs).toBe(450);
});

test("[R7] a catch-up that never finds a consistent state gives up, and names verify", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  await lane.append([put("b", 1)]);
  await fleet.store.deleteMany([slotKey(lane.id, 1)]);
  const machine = new Machine(fleet);
  await expect(machine.follower.catchUp()).rejects.toThrow("run verify");
  expect(machine.store.requests.filter((request) => request.startsWith("list"))).toHaveLength(32);
});

test("[R7] an open record that arrives again after its lane was collected keeps nobody out", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const key = slotKey(lane.id, 0);
  const opening = (await fleet.store.get(key))!.bytes;
  await lane.append([put("a", 1)]);
  const { maintenance } = fleet.maintenance();
  fleet.clock.advance(LANE_IDLE_MS);
  await maintenance.run({ force: "compact" });
  await coverAndCollect(fleet);
  const left = (await listLog(fleet.store)).lanes.get(lane.id);
  expect(left?.map(({ number }) => number)).toEqual([2]);
  expect((await fleet.newest()).lanes.some((entry) => entry.lane === lane.id)).toBe(false);
  await fleet.store.put(key, opening);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
});

test("[J6] operations of a collected lane that arrive again bring nothing back", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const numbers = [0, 1];
  const slots = await Promise.all(
    numbers.map(async (number) => (await fleet.store.get(slotKey(lane.id, number)))!.bytes),
  );
  await lane.append([remove("a")]);
  await lane.close();
  const { maintenance } = fleet.maintenance();
  await maintenance.run({ force: "compact" });
  await coverAndCollect(fleet);
  expect((await listLog(fleet.store)).lanes.has(lane.id)).toBe(false);
  await fleet.store.put(slotKey(lane.id, 0), slots[0]!);
  await maintenance.run({ force: "flush", takeOver: true });
  expect((await fleet.newest()).lanes.some((entry) => entry.lane === lane.id)).toBe(true);
  await fleet.store.put(slotKey(lane.id, 1), slots[1]!);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).not.toContain("a");
  expect(machine.follower.junkCount).toBe(1);
});

test("[R7] an idle catch-up costs one list and two heads, and moves no bytes", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1, VECTOR)]);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  const { number } = machine.follower.view.manifest;
  machine.store.requests.splice(0);
  await machine.follower.catchUp();
  expect(machine.store.requests).toEqual([
    "list _brainy/wal/",
    `head ${manifestKey(number)}`,
    `head ${manifestKey(number + 1)}`,
  ]);
});

test("[R7] a next manifest, or another one under the number in use, is answered by a list", async () => {
  /** Equal bytes have equal etags, as on S3; here all have. */
  class EtagStore extends MemoryStore {
    override async head(...args: Parameters<MemoryStore["head"]>) {
      const found = await super.head(...args);
      return found && { ...found, etag: "same" as Etag };
    }
    override async *list(options: Parameters<MemoryStore["list"]>[0] = {}) {
      for await (const page of super.list(options)) {
        yield { ...page, objects: page.objects.map((o) => ({ ...o, etag: "same" as Etag })) };
      }
    }
  }
  const clock = new ManualClock();
  const fleet = new Fleet(1, new EtagStore({ clock }), clock);
  const lane = await fleet.openLane();
  await lane.append([put("a", 1, VECTOR)]);
  const { maintenance } = fleet.maintenance();
  await maintenance.run({ force: "flush" });
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  const key = manifestKey(machine.follower.view.manifest.number);
  const { bytes } = (await fleet.store.get(key))!;
  // As a stalled process would, which sends the same bytes again after they were collected.
  await lane.append([remove("a")]);
  await coverAndCollect(fleet);
  expect(await fleet.store.head(key)).toBeUndefined();
  await fleet.store.put(key, bytes);
  machine.store.requests.splice(0);
  await machine.follower.catchUp();
  expect(machine.store.requests).toContain("list _brainy/manifests/");
  expect(machine.follower.view.manifest.number).toBe((await fleet.newest()).number);
  expect(await idsSeen(machine)).not.toContain("a");
  const { number } = machine.follower.view.manifest;
  await (await fleet.openLane()).append([put("b", 2, VECTOR)]);
  await maintenance.run({ force: "flush", takeOver: true });
  await machine.follower.catchUp();
  expect(machine.follower.view.manifest.number).toBeGreaterThan(number);
});

test("[R8] another database under the same prefix ends the handle", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const stranger = new Machine(Object.assign(new Fleet(2, fleet.store), { databaseId: "other" }));
  await expect(stranger.follower.catchUp()).rejects.toMatchObject({ code: "BRAINY_FENCED" });
});

test("[R9] lanes that were retired are forgotten, and count as no waiting slots", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  const { maintenance } = fleet.maintenance();
  for (let i = 0; i < 30; i++) {
    const lane = await fleet.openLane();
    await lane.append([put(`x${i}`, i)]);
    await lane.close();
    await machine.follower.catchUp();
    expect(machine.follower.uncoveredSlots).toBeGreaterThanOrEqual(3);
    if (i % 5 === 4) {
      // Several manifests between two looks, so that some lanes are never seen listed.
      await maintenance.run({ force: "compact" });
      fleet.clock.advance(LANE_IDLE_MS);
      await maintenance.run({ force: "compact" });
      fleet.clock.advance(SEAL_LIVES_MS);
      await maintenance.run({ force: "compact" });
    }
  }
  await coverAndCollect(fleet);
  await machine.follower.catchUp();
  await machine.follower.catchUp();
  expect(machine.follower.uncoveredSlots).toBe(0);
  expect(machine.follower.view.positions.size).toBeLessThan(15);
  expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
});
