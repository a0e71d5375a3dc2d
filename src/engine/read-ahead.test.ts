import { expect, test } from "vitest";
import { Fleet, compaction, put, remove } from "../../test/support/fleet.ts";
import { Machine } from "../../test/support/machine.ts";
import { slotKey } from "../format/keys.ts";
import type { LaneId } from "../format/version.ts";
import { LANE_IDLE_MS, SEAL_LIVES_MS } from "./lane-ledger.ts";
import { pageOfRecords } from "./records.ts";

const MINUTE = 60_000;

async function idsSeen({ follower, clock }: Machine): Promise<string[]> {
  const page = await pageOfRecords(follower.view.fullSnapshot(), { clock, limit: 1_000 });
  return page.map(({ record }) => record.id);
}

test("[R11] the next slots of a known lane cost a GET each, and no LIST", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  await lane.append([put("b", 2)]);
  await lane.append([remove("a")]);
  machine.store.requests.length = 0;
  expect(await machine.follower.readAhead(lane.id, 3)).toBe(true);
  expect(machine.store.requests).toEqual([
    `get ${slotKey(lane.id, 2)}`,
    `get ${slotKey(lane.id, 3)}`,
  ]);
  expect(await idsSeen(machine)).toEqual(["b"]);
  expect(await machine.follower.readAhead(lane.id, 2)).toBe(true);
  expect(machine.store.requests).toHaveLength(2);
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).toEqual(["b"]);
});

test("[R11] it resets no age, and is refused once the last catch-up is ten minutes old", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  await lane.append([put("a", 1)]);
  fleet.clock.advance(9 * MINUTE);
  expect(await machine.follower.readAhead(lane.id, 1)).toBe(true);
  expect(machine.follower.stalenessMs).toBe(9 * MINUTE);
  await lane.append([put("b", 1)]);
  fleet.clock.advance(2 * MINUTE);
  machine.store.requests.length = 0;
  expect(await machine.follower.readAhead(lane.id, 2)).toBe(false);
  expect(machine.store.requests).toEqual([]);
  expect(await idsSeen(machine)).toEqual(["a"]);
});

test("[R11] unknown lanes, slots that are not there and lies change nothing", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  const unknown = await fleet.openLane();
  await unknown.append([put("b", 2)]);
  expect(await machine.follower.readAhead(unknown.id, 1)).toBe(false);
  expect(await machine.follower.readAhead(fleet.newUlid() as LaneId, 0)).toBe(false);
  machine.store.requests.length = 0;
  expect(await machine.follower.readAhead(lane.id, Number.MAX_SAFE_INTEGER)).toBe(false);
  expect(machine.store.requests).toHaveLength(16);
  expect(await idsSeen(machine)).toEqual(["a"]);
  await machine.follower.catchUp();
  expect(await idsSeen(machine)).toEqual(["a", "b"]);
});

test("[R11] a lane that is far ahead is read to where the hint says, in order", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const machine = new Machine(fleet);
  await machine.follower.catchUp();
  for (let i = 0; i < 40; i++) await lane.append([put(`x${i}`, i)]);
  expect(await machine.follower.readAhead(lane.id, 39)).toBe(true);
  expect(machine.follower.view.positions.get(lane.id)).toBe(39);
  expect(await idsSeen(machine)).toHaveLength(39);
});

test("[R11] what a compaction adopted under it covers is neither lost nor seen twice", async () => {
  for (const when of ["get _brainy/wal/"]) {
    const fleet = new Fleet();
    const lane = await fleet.openLane();
    const machine = new Machine(fleet);
    await machine.follower.catchUp();
    for (let i = 0; i < 30; i++) await lane.append([put(`x${i % 7}`, i)]);
    await lane.append([remove("x3")]);
    let isDone = false;
    machine.store.script = {
      before: async (request) => {
        if (isDone || !request.startsWith(when)) return;
        isDone = true;
        const { maintenance } = fleet.maintenance({ compaction: compaction({}) });
        await maintenance.run({ force: "compact", takeOver: true });
        await machine.follower.adopt(await fleet.newest());
      },
    };
    await machine.follower.readAhead(lane.id, 31);
    expect(isDone).toBe(true);
    expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
    await machine.follower.catchUp();
    expect(await idsSeen(machine)).toEqual([...fleet.expected().keys()].toSorted());
  }
});

// A writer that slept for a day puts a slot where the seal of its lane was. Nobody acknowledges
// it, and a reader that slept as long must not show it.
test("[R11] a reader that slept does not read what a zombie wrote", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const reader = new Machine(fleet);
  await reader.follower.catchUp();
  const { maintenance } = fleet.maintenance({ compaction: compaction({}) });
  fleet.clock.advance(LANE_IDLE_MS + MINUTE);
  await maintenance.run({ force: "compact", takeOver: true });
  fleet.clock.advance(SEAL_LIVES_MS + MINUTE);
  for (let i = 0; i < 14; i++) {
    const other = await fleet.openLane();
    await other.append([put(`filler${i}`, i)]);
    await other.close();
    await maintenance.run({ force: "compact", takeOver: true });
    fleet.clock.advance(3 * MINUTE);
  }
  expect(await fleet.store.head(slotKey(lane.id, 2))).toBeUndefined();
  const acknowledged = fleet.acknowledged.length;
  expect(await lane.append([put("zombie", 1)])).toBe(true);
  fleet.acknowledged.length = acknowledged;
  expect(await reader.follower.readAhead(lane.id, 2)).toBe(false);
  expect(await idsSeen(reader)).toEqual(["a"]);
  await reader.follower.catchUp();
  expect(await idsSeen(reader)).not.toContain("zombie");
});
