import { expect, test } from "vitest";
import { Fleet, patch, put, remove } from "../../test/support/fleet.ts";
import { Machine } from "../../test/support/machine.ts";
import { BrainyError } from "../base/errors.ts";
import { randomHex, seededRandom } from "../base/random.ts";
import { parseSlotKey, slotKey } from "../format/keys.ts";
import { decodeSlot, encodeSlot, type Slot } from "../format/slot.ts";
import { makeVersion, versionMillis, type LaneId } from "../format/version.ts";
import { faulty } from "../storage/layers/faulty.ts";
import { deferred } from "./deferred.ts";
import { LANE_IDLE_MS, SEAL_LIVES_MS } from "./lane-ledger.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const lost = (): never => {
  throw new BrainyError("BRAINY_UNAVAILABLE", "the answer is lost");
};

/** All slots of a store, by lane and number. */
async function slots(fleet: Fleet): Promise<Slot[]> {
  const found: Slot[] = [];
  for await (const page of fleet.store.list({ prefix: "_brainy/wal/" })) {
    for (const { key } of page.objects) {
      found.push(decodeSlot((await fleet.store.get(key))!.bytes, key));
    }
  }
  return found;
}

const operationsOf = (found: readonly Slot[]) => found.flatMap(({ operations }) => operations);

/** Seals every idle lane, covers it and collects; twice, since old manifests pin what they name. */
async function maintainForLong(fleet: Fleet): Promise<void> {
  const { maintenance } = fleet.maintenance();
  for (const ms of [0, LANE_IDLE_MS, SEAL_LIVES_MS, HOUR]) {
    fleet.clock.advance(ms);
    // Enough manifests that none which covers less is left.
    for (let i = 0; i < 6; i++) {
      const lane = await fleet.openLane();
      await lane.append([put(`filler${ms}-${i}`, i)]);
      await lane.close();
      await maintenance.run({ force: "flush", takeOver: true });
      fleet.clock.advance(3 * MINUTE);
    }
  }
  await maintenance.run({ force: "compact", takeOver: true });
}

test("[W1] what was acknowledged is read by every later open, from its slot or a segment", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1), put("b", 2));
  await machine.add(patch("a", { more: true }), remove("b"));
  const expectSeen = async (): Promise<void> => {
    const { follower } = await machine.reader();
    const [a, b] = ["a", "b"].map((id) => follower.view.find(id));
    const text = a !== undefined && "row" in a ? a.segment.metadataOf(a.row) : a?.visible?.metadata;
    expect(text).toBe('{"value":1,"more":true}');
    expect(b === undefined || "row" in b || b.visible === undefined).toBe(true);
    await fleet.expectNothingLost();
  };
  await expectSeen();
  await fleet.maintenance().maintenance.run({ force: "flush" });
  expect((await fleet.newest()).segments).toHaveLength(1);
  await expectSeen();
  await maintainForLong(fleet);
  expect((await slots(fleet)).some(({ lane }) => lane === machine.writer.lane)).toBe(false);
  await expectSeen();
});

for (let seed = 1; seed <= 15; seed++) {
  test(`[W1] [W2] nothing acknowledged is lost or doubled on a bad network (seed ${seed})`, async () => {
    const fleet = new Fleet(seed);
    const rates = { get: 0.02, list: 0.1, put: 0.45 };
    const random = seededRandom(seed);
    const network = faulty(fleet.store, { random, errorRate: 0, rates });
    const machines = [1, 2].map(() => new Machine(fleet, { store: network }));
    const { maintenance } = fleet.maintenance();
    const acknowledged = new Set<string>();
    for (let round = 0; round < 12; round++) {
      const writes = machines.flatMap((machine, m) =>
        [0, 1, 2].map(async (i) => {
          const id = `${m}-${round}-${i}`;
          try {
            await machine.add(put(id, round));
            acknowledged.add(id);
          } catch (error) {
            expect(error).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
          }
        }),
      );
      await Promise.all(writes);
      if (round % 4 === 3) await maintenance.run({ force: "flush" });
      if (round === 6) fleet.clock.advance(LANE_IDLE_MS);
    }
    expect(network.faultCount).toBeGreaterThan(20);
    expect(acknowledged.size).toBeGreaterThan(10);
    const seen = await fleet.visible();
    expect([...acknowledged].filter((id) => !seen.has(id))).toEqual([]);
    // Each lane is unbroken, its versions grow, and no operation that is still there came twice.
    (await slots(fleet)).reduce((before, next) => {
      if (next.lane !== before.lane) return next;
      expect(next.number).toBe(before.number + 1);
      expect(next.version >= before.version).toBe(true);
      return next;
    });
    const ids = operationsOf(await slots(fleet)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
}

test("[W2] slot n+1 is not attempted before slot n is decided", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 2 });
  await machine.add(put("first", 0));
  const arrived = deferred<void>();
  const release = deferred<void>();
  machine.store.script = {
    after: async (request) => {
      if (!request.startsWith("put")) return;
      arrived.resolve();
      await release.promise;
    },
  };
  const writes = ["a", "b", "c", "d", "e"].map((id) => machine.add(put(id, 1)));
  await arrived.promise;
  for (let i = 0; i < 100; i++) await machine.clock.breathe();
  const puts = () => machine.store.requests.filter((request) => request.startsWith("put"));
  const attempted = puts();
  expect(attempted.at(-1)).toBe(`put ${slotKey(machine.writer.lane!, 2)}`);
  expect(attempted).toHaveLength(3);
  release.resolve();
  await Promise.all(writes);
  expect(puts()).toHaveLength(5);
});

test("[W2] after a slot of unknown outcome nothing follows in its lane; what waited is written", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 1 });
  await machine.add(put("first", 0));
  const lane = machine.writer.lane!;
  const doomed = slotKey(lane, 2);
  machine.store.script = {
    before: (request) => (request.endsWith(doomed) ? lost() : undefined),
  };
  const unknown = machine.add(put("a", 1));
  const waiting = machine.add(put("b", 2));
  await expect(unknown).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  await waiting;
  expect(machine.writer.lane).not.toBe(lane);
  expect((await slots(fleet)).filter((slot) => slot.lane === lane)).toHaveLength(2);
  await fleet.expectNothingLost();
});

test("[W1] a lost answer is looked at, so that an operation is neither lost nor written twice", async () => {
  const fleet = new Fleet();
  const [a, b] = [new Machine(fleet), new Machine(fleet)];
  await a.add(put("other", 0));
  let isLost = false;
  a.store.script = {
    after: async (request) => {
      if (isLost || !request.startsWith("put")) return;
      isLost = true;
      // Before A hears anything, B has read A's slot and its user has deleted x.
      await b.follower.catchUp();
      expect(b.follower.view.find("x")).toBeDefined();
      await b.add(remove("x"));
      lost();
    },
  };
  await a.add(put("x", 1));
  expect(isLost).toBe(true);
  expect(operationsOf(await slots(fleet)).filter(({ id }) => id === "x")).toHaveLength(2);
  expect((await fleet.visible()).has("x")).toBe(false);
  await fleet.expectNothingLost();
});

test("[W3] a writer that meets a seal appends the same again, in a new lane, with new versions", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  const [first] = await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  fleet.clock.advance(LANE_IDLE_MS);
  const { maintenance, events } = fleet.maintenance();
  await maintenance.run({ force: "flush" });
  await maintenance.run();
  expect(events).toContainEqual({ type: "sealed", lane, slot: 2 });
  const [second] = await machine.add(put("b", 2));
  expect(machine.writer.lane).not.toBe(lane);
  expect(second! > first!).toBe(true);
  const b = operationsOf(await slots(fleet)).filter(({ id }) => id === "b");
  expect(b.map(({ version }) => version)).toEqual([second]);
  await fleet.expectNothingLost();
});

test("[W3] a writer suspended for 25 hours learns from the manifest that its slot is in no log", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  let isSuspended = false;
  machine.store.script = {
    before: async (request) => {
      if (isSuspended || request !== `put ${slotKey(lane, 2)}`) return;
      isSuspended = true;
      await machine.clock.suspendDuring(() => maintainForLong(fleet));
      // Sealed, retired, and the seal collected: the name is free again.
      expect((await fleet.newest()).lanes.map((entry) => entry.lane)).not.toContain(lane);
      expect(await fleet.store.head(slotKey(lane, 2))).toBeUndefined();
    },
  };
  await machine.add(put("late", 2));
  expect(isSuspended).toBe(true);
  expect(machine.writer.lane).not.toBe(lane);
  // The zombie is there, and counts for nothing.
  expect(await fleet.store.head(slotKey(lane, 2))).toBeDefined();
  const { follower } = await machine.reader();
  const found = follower.view.find("late");
  expect(found !== undefined && "patches" in found && found.base?.version.slice(20)).toBe(
    machine.writer.lane,
  );
  await fleet.expectNothingLost();
});

test("[W3] a slot before the seal is in the log, however late its writer hears of it", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  let isLate = false;
  machine.store.script = {
    after: async (request) => {
      if (isLate || request !== `put ${slotKey(lane, 2)}`) return;
      isLate = true;
      const { maintenance } = fleet.maintenance();
      fleet.clock.advance(LANE_IDLE_MS);
      await maintenance.run({ force: "flush" });
      await maintenance.run({ force: "flush" });
      const entry = (await fleet.newest()).lanes.find((listed) => listed.lane === lane);
      expect(entry).toMatchObject({ cursor: 3, seal: { slot: 3 } });
      // Meanwhile somebody deletes what the manifest covers.
      const other = await fleet.openLane();
      await other.append([remove("b")]);
      lost();
    },
  };
  await machine.add(put("b", 2));
  expect(isLate).toBe(true);
  const written = operationsOf(await slots(fleet)).filter(({ id }) => id === "b");
  expect(written.map(({ kind }) => kind).toSorted()).toEqual(["delete", "put"]);
  expect((await fleet.visible()).has("b")).toBe(false);
  await machine.add(put("c", 3));
  await fleet.expectNothingLost();
});

test("[W3] where neither log nor manifest can tell, the outcome is unknown and nothing is doubled", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  let isLate = false;
  machine.store.script = {
    after: async (request) => {
      if (isLate || request !== `put ${slotKey(lane, 2)}`) return;
      isLate = true;
      await machine.clock.suspendDuring(() => maintainForLong(fleet));
      expect((await fleet.newest()).lanes.map((entry) => entry.lane)).not.toContain(lane);
      lost();
    },
  };
  await expect(machine.add(put("b", 2))).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  // It had been covered before the lane was retired.
  expect((await fleet.visible()).get("b")?.version.slice(20)).toBe(lane);
});

/** A dozen manifests within a quarter of an hour: what the first covers is collected, no lane sealed. */
async function maintainOften(fleet: Fleet): Promise<void> {
  const { maintenance } = fleet.maintenance();
  for (let i = 0; i < 12; i++) {
    const lane = await fleet.openLane();
    await lane.append([put(`often${i}`, i)]);
    await lane.close();
    await maintenance.run({ force: "flush", takeOver: true });
    fleet.clock.advance(MINUTE);
  }
  await maintenance.run({ force: "compact", takeOver: true });
}

test("[W3] the seal of somebody who slept, at the name of a slot that was covered and collected, is no proof", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  let isLate = false;
  machine.store.script = {
    after: async (request) => {
      if (isLate || request !== `put ${slotKey(lane, 2)}`) return;
      isLate = true;
      await maintainOften(fleet);
      const other = await fleet.openLane();
      await other.append([remove("b")]);
      const entry = (await fleet.newest()).lanes.find((listed) => listed.lane === lane);
      expect([entry?.cursor, entry?.seal]).toEqual([2, undefined]);
      const { databaseId, random } = fleet;
      const seal = encodeSlot({
        ...{ kind: "seal", databaseId, lane, number: 2, incarnation: fleet.newUlid() },
        ...{ nonce: randomHex(random, 16), version: entry!.lastVersion, operations: [] },
      });
      await fleet.store.put(slotKey(lane, 2), seal, { condition: { ifAbsent: true } });
      lost();
    },
  };
  await machine.add(put("b", 2));
  expect(isLate).toBe(true);
  // Written again, it would be above the delete.
  expect((await fleet.visible()).has("b")).toBe(false);
  await machine.add(put("c", 3));
  expect(machine.writer.lane).toBe(lane);
  await fleet.expectNothingLost();
});

test("[W3] a lane that is retired between the answer to a PUT and the look at the manifest doubles nothing", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const lane = machine.writer.lane!;
  fleet.clock.advance(13 * HOUR);
  await machine.follower.catchUp();
  let isAnswered = false;
  machine.store.script = {
    after: async (request) => {
      if (isAnswered || request !== `put ${slotKey(lane, 2)}`) return;
      isAnswered = true;
      await machine.clock.suspendDuring(() => maintainForLong(fleet));
      expect((await fleet.newest()).lanes.map((entry) => entry.lane)).not.toContain(lane);
      const other = await fleet.openLane();
      await other.append([remove("b")]);
    },
  };
  await expect(machine.add(put("b", 2))).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(isAnswered).toBe(true);
  // It had been in the log, and what others did since holds.
  expect((await fleet.visible()).has("b")).toBe(false);
});

test("[W4] a clock more than 5 s from the store's is refused before anything is written", async () => {
  for (const skewMs of [5_001, -5_001]) {
    const fleet = new Fleet();
    const machine = new Machine(fleet, { skewMs });
    const refused = machine.add(put("a", 1));
    await expect(refused).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    await expect(refused).rejects.toThrow(
      `5001 ms ${skewMs > 0 ? "ahead of" : "behind"} the store's; at most 5000 ms is safe`,
    );
    expect(machine.store.requests.filter((request) => request.startsWith("put"))).toEqual([]);
    machine.clock.jump(-Math.sign(skewMs));
    await machine.add(put("a", 1));
    await fleet.expectNothingLost();
  }
});

test("[W4] a clock that jumps stops the log, whatever is waiting; set right, it goes on", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 2 });
  await machine.add(put("first", 0));
  machine.store.script = {
    after: (request) => (request.startsWith("put") ? machine.clock.jump(60_000) : undefined),
  };
  const ids = ["a", "b", "c", "d", "e", "f"];
  const outcomes = await Promise.allSettled(ids.map((id) => machine.add(put(id, 1))));
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...["fulfilled", "fulfilled"],
    ...["rejected", "rejected", "rejected", "rejected"],
  ]);
  machine.store.script = {};
  machine.clock.jump(-60_000);
  await machine.add(put("g", 1));
  const versions = operationsOf(await slots(fleet)).map(({ version }) => versionMillis(version));
  expect(Math.max(...versions) - fleet.clock.nowMs()).toBeLessThanOrEqual(5_000);
  await fleet.expectNothingLost();
});

test("[W4] a clock that jumps while a lane is opened stamps no operation", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  machine.store.script = {
    before: (request) => {
      const isOpening = machine.store.requests.some((earlier) => earlier.startsWith("put"));
      if (isOpening && request.startsWith("list _brainy/manifests/")) machine.clock.jump(60_000);
    },
  };
  await expect(machine.add(put("a", 1))).rejects.toThrow("ahead of the store's");
  expect(operationsOf(await slots(fleet))).toEqual([]);
});

test("[W4] a machine that was only suspended asks once and goes on", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  machine.clock.suspend(2 * HOUR);
  await machine.add(put("b", 2));
  await fleet.expectNothingLost();
});

test("[W5] open record, then log, then manifest, and only then is anything stamped", async () => {
  const fleet = new Fleet();
  const fast = await fleet.openLane({ skewMs: 4_000 });
  await fast.append([put("x", "fast")]);
  const machine = new Machine(fleet, { skewMs: -4_000 });
  machine.hybridClock.observeStore(fleet.clock.nowMs());
  const [version] = await machine.add(put("x", "slow"));
  const lane = machine.writer.lane!;
  const order = machine.store.requests.filter((request) => !request.startsWith("get"));
  expect(order).toEqual([
    `put ${slotKey(lane, 0)}`,
    "list _brainy/wal/",
    "list _brainy/manifests/",
    `put ${slotKey(lane, 1)}`,
  ]);
  // A slow clock that has read the log stamps above it, so the later write wins.
  expect(version! > fast.lastVersion!).toBe(true);
  expect((await fleet.visible()).get("x")?.metadata).toBe('{"value":"slow"}');
});

test("[W5] an open record below what segments hold is left alone and another lane is opened", async () => {
  const fleet = new Fleet();
  const behind = new Machine(fleet, { skewMs: -4_000 });
  await behind.add(put("b", 1));
  fleet.clock.advance(LANE_IDLE_MS);
  // Seals the idle lane, and covers what a clock that is ahead has stamped.
  const ahead = new Machine(fleet, { skewMs: 4_000 });
  await ahead.add(put("a", 1));
  await fleet.maintenance().maintenance.run({ force: "flush", takeOver: true });
  await behind.add(put("b", 2));
  const { maxVersion } = behind.follower.view.manifest;
  const own = (await slots(fleet)).filter(({ lane }) => lane === behind.writer.lane);
  expect(own.map(({ kind }) => kind)).toEqual(["open", "operations"]);
  expect(own[0]!.version > maxVersion).toBe(true);
  await fleet.expectNothingLost();
});

test("[W6] a batch is one slot, and what is added in one turn shares slots up to their bound", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet, { slotMax: 4 });
  const versions = await Promise.all(
    [1, 1, 3, 1, 6, 1].map((count, i) =>
      machine.add(...Array.from({ length: count }, (_, j) => put(`${i}-${j}`, j))),
    ),
  );
  const written = (await slots(fleet)).filter(({ kind }) => kind === "operations");
  expect(written.map(({ operations }) => operations.length)).toEqual([2, 4, 6, 1]);
  expect(versions.flat()).toEqual(operationsOf(written).map(({ version }) => version));
});

test("[W6] an acknowledged batch is visible here before its promise resolves", async () => {
  const machine = new Machine(new Fleet());
  await machine.add(put("a", 1));
  expect(machine.follower.view.find("a")).toBeDefined();
});

test("[W7] closing flushes and seals the own lane; the next manifest may retire it at once", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  void machine.add(put("a", 1));
  await machine.writer.close();
  await machine.writer.close();
  expect((await slots(fleet)).map(({ kind }) => kind)).toEqual(["open", "operations", "seal"]);
  await expect(machine.add(put("b", 2))).rejects.toMatchObject({ code: "BRAINY_CLOSED" });
  await fleet.maintenance().maintenance.run({ force: "compact" });
  await fleet.expectNothingLost();
});

test("[W7] a writer that wrote nothing leaves nothing", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.writer.close();
  expect(machine.store.requests).toEqual([]);
});

test("[W8] bytes at the own slot that are no seal end the writer for good", async () => {
  for (const [databaseId, kind] of [
    ["db", "operations"],
    ["another", "seal"],
  ] as const) {
    const fleet = new Fleet();
    const machine = new Machine(fleet);
    await machine.add(put("a", 1));
    const lane = machine.writer.lane!;
    const version = makeVersion(fleet.clock.nowMs(), 9, lane);
    const operations = kind === "seal" ? [] : [{ ...put("z", 1), version }];
    const bytes = encodeSlot({
      kind,
      databaseId,
      lane,
      number: 2,
      incarnation: fleet.newUlid(),
      nonce: randomHex(fleet.random, 8),
      version,
      operations,
    });
    await fleet.store.put(slotKey(lane, 2), bytes);
    await expect(machine.add(put("b", 2))).rejects.toMatchObject({ code: "BRAINY_FENCED" });
    const requests = machine.store.requests.length;
    await expect(machine.add(put("c", 3))).rejects.toMatchObject({ code: "BRAINY_FENCED" });
    expect(machine.store.requests).toHaveLength(requests);
  }
});

test("[W9] a steady stream costs one request a slot; opening a lane three, and a GET a slot read", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1));
  const opening = machine.store.requests.splice(0);
  const lane = machine.writer.lane!;
  expect(opening.filter((request) => !request.startsWith("get"))).toHaveLength(6);
  for (let i = 0; i < 5; i++) await machine.add(put(`b${i}`, i));
  expect(machine.store.requests).toEqual(
    [2, 3, 4, 5, 6].map((number) => `put ${slotKey(lane, number)}`),
  );
});

test("keys of other lanes are never written", async () => {
  const fleet = new Fleet();
  const [a, b] = [new Machine(fleet), new Machine(fleet)];
  for (let i = 0; i < 3; i++) await Promise.all([a.add(put("a", i)), b.add(put("b", i))]);
  for (const machine of [a, b]) {
    const lanes = machine.store.requests
      .filter((request) => request.startsWith("put"))
      .map((request) => parseSlotKey(request.slice(4))?.lane);
    expect(new Set<LaneId | undefined>(lanes)).toEqual(new Set([machine.writer.lane]));
  }
});
