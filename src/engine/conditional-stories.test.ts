import { expect, test } from "vitest";
import { ConditionalFleet } from "../../test/support/conditional-fleet.ts";
import { scripted, type Request } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { LEASE_PREFIX, WAL_PREFIX, slotKey } from "../format/keys.ts";
import { decodeSlot } from "../format/slot.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { deferred } from "./deferred.ts";
import { LANE_IDLE_MS } from "./lane-ledger.ts";
import { listLog } from "./log-listing.ts";

const conflict = { code: "BRAINY_CONFLICT" };
const unavailable = new BrainyError("BRAINY_UNAVAILABLE", "lost");

/** A slot that holds operations; open records have number 0, seals come from elsewhere. */
function isDecision(request: Request): boolean {
  return request.startsWith(`put ${WAL_PREFIX}`) && !request.endsWith("0".repeat(16));
}

/** A store whose next decision waits until it is let go. */
function stalling(inner: ObjectStore) {
  const arrived = deferred<void>();
  const gate = deferred<void>();
  let isArmed = false;
  const store = scripted(inner, {
    before: async (request) => {
      if (!isArmed || !isDecision(request)) return;
      isArmed = false;
      arrived.resolve();
      await gate.promise;
    },
  });
  const stall = (): Promise<void> => {
    isArmed = true;
    return arrived.promise;
  };
  return { store, stall, wake: gate.resolve };
}

test("[L1] [L3] a decision that stalled while another run took its partition is decided again", async () => {
  const fleet = new ConditionalFleet();
  const { store, stall, wake } = stalling(fleet.store);
  const a = await fleet.run(store);
  const b = await fleet.run();
  // A owns the partition, sees x absent, and stalls on its way to the store.
  const stalled = stall();
  const adding = a.add("x", "A").catch((error: unknown) => error);
  await stalled;
  await b.add("x", "B");
  wake();
  expect(await adding).toMatchObject(conflict);
  expect(await fleet.operations("x")).toHaveLength(1);
  expect((await a.see("x"))?.value).toBe("B");
});

test("[L3] an update that met a seal is checked against what the new owner wrote", async () => {
  const fleet = new ConditionalFleet();
  const { store, stall, wake } = stalling(fleet.store);
  const a = await fleet.run(store);
  const b = await fleet.run();
  const first = await a.add("x", 1);
  const stalled = stall();
  const updates = ["A", "A too"].map((value) =>
    a.update("x", first, value).catch((error: unknown) => error),
  );
  await stalled;
  await b.update("x", first, "B");
  wake();
  for (const update of updates) expect(await update).toMatchObject(conflict);
  expect(await fleet.operations("x")).toHaveLength(2);
});

test("[L1] a taker that dies between seal and swap leaves a partition that its owner goes on with", async () => {
  const fleet = new ConditionalFleet();
  const a = await fleet.run();
  const first = await a.add("x", 1);
  const isSwap = (request: Request): boolean => request.startsWith(`put ${LEASE_PREFIX}`);
  const dying = scripted(fleet.store, {
    before: (request) => {
      if (isSwap(request)) throw new BrainyError("BRAINY_DENIED", "died");
    },
  });
  const b = await fleet.run(dying);
  await expect(b.update("x", first, "B")).rejects.toMatchObject({ code: "BRAINY_DENIED" });
  const second = await a.update("x", first, "A");
  const c = await fleet.run();
  await expect(c.update("x", first, "C")).rejects.toMatchObject(conflict);
  await c.update("x", second, "C");
  expect((await a.see("x"))?.value).toBe("C");
});

/** The bytes of a decision that was sent, never answered, and may arrive whenever it likes. */
function losing(inner: ObjectStore) {
  let isArmed = false;
  const zombies: { readonly key: string; readonly bytes: Uint8Array }[] = [];
  const store = scripted(inner);
  const put: ObjectStore["put"] = async (key, bytes, more) => {
    if (isArmed && isDecision(`put ${key}`)) {
      zombies.push({ key, bytes: bytes.slice() });
      throw unavailable;
    }
    return inner.put(key, bytes, more);
  };
  return {
    store: { ...store, put },
    lose: (value: boolean) => void (isArmed = value),
    arrive: async (): Promise<string[]> => {
      const outcomes: string[] = [];
      for (const { key, bytes } of zombies) {
        const arrived = inner.put(key, bytes, { condition: { ifAbsent: true } });
        outcomes.push(
          await arrived.then(
            () => "stored",
            (error) => (error as BrainyError).code,
          ),
        );
      }
      return outcomes;
    },
  };
}

test("[L4] a decision of unknown outcome can no longer arrive when the next one is made", async () => {
  const fleet = new ConditionalFleet();
  const { store, lose, arrive } = losing(fleet.store);
  const a = await fleet.run(store);
  const first = await a.add("x", 1);
  lose(true);
  await expect(a.update("x", first, "lost")).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  lose(false);
  const second = await a.update("x", first, "next");
  expect(new Set(await arrive())).toEqual(new Set(["BRAINY_CONFLICT"]));
  expect(await a.see("x")).toEqual({ version: second, value: "next" });
  expect(await fleet.operations("x")).toHaveLength(2);
});

test("[L4] a decision of unknown outcome that has arrived is seen by the next one", async () => {
  const fleet = new ConditionalFleet();
  const { store, lose, arrive } = losing(fleet.store);
  const a = await fleet.run(store);
  const first = await a.add("x", 1);
  lose(true);
  await expect(a.update("x", first, "late")).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  lose(false);
  expect((await arrive())[0]).toBe("stored");
  await expect(a.update("x", first, "next")).rejects.toMatchObject(conflict);
  expect((await a.see("x"))?.value).toBe("late");
});

test("[L5] a lease whose giving back is still on its way is swapped before it is used again", async () => {
  const fleet = new ConditionalFleet();
  const late: (() => Promise<unknown>)[] = [];
  let isArmed = false;
  const put: ObjectStore["put"] = async (key, bytes, more) => {
    if (isArmed && key.startsWith(LEASE_PREFIX)) {
      const copy = bytes.slice();
      late.push(() => fleet.store.put(key, copy, more));
      throw unavailable;
    }
    return fleet.store.put(key, bytes, more);
  };
  const a = await fleet.run({ ...scripted(fleet.store), put });
  const first = await a.add("x", 1);
  const [partition] = a.database.heldPartitions;
  isArmed = true;
  await expect(a.database.releasePartition(partition!, 0)).rejects.toMatchObject({
    code: "BRAINY_UNAVAILABLE",
  });
  expect(a.database.heldPartitions).toEqual([]);
  isArmed = false;
  const second = await a.update("x", first, 2);
  for (const arrive of late) await expect(arrive()).rejects.toMatchObject(conflict);
  const b = await fleet.run();
  const third = await b.update("x", second, 3);
  await expect(a.update("x", second, "A")).rejects.toMatchObject(conflict);
  expect(await b.see("x")).toEqual({ version: third, value: 3 });
});

test("[L5] what was given back is taken without a seal, and its last owner goes on in its lane", async () => {
  const fleet = new ConditionalFleet();
  const a = await fleet.run();
  const first = await a.add("x", 1);
  // Another partition keeps A's lane in use.
  await a.add("other", 1);
  for (const partition of a.database.heldPartitions)
    await a.database.releasePartition(partition, 0);
  expect(a.events.filter(({ type }) => type === "partition_released")).toHaveLength(2);
  const b = await fleet.run();
  await b.update("x", first, 2);
  expect(await sealCount(fleet)).toBe(0);
  await expect(a.update("x", first, 3)).rejects.toMatchObject(conflict);
});

async function sealCount({ store }: ConditionalFleet): Promise<number> {
  let seals = 0;
  for (const [lane, slots] of (await listLog(store)).lanes) {
    const key = slotKey(lane, slots.at(-1)!.number);
    if (decodeSlot((await store.get(key))!.bytes, key).kind === "seal") seals++;
  }
  return seals;
}

test("[L6] [L7] a live owner keeps its partition, and the error says where it is", async () => {
  const fleet = new ConditionalFleet();
  const endpoint = "http://a:8080";
  const a = await fleet.run(fleet.store, { instanceId: () => "a", endpoint });
  const first = await a.add("x", 1);
  let belief: "live" | "dead" = "live";
  const b = await fleet.run(fleet.store, { regard: async () => belief });
  await expect(b.update("x", first, 2)).rejects.toMatchObject({
    code: "BRAINY_NOT_OWNER",
    action: "retry",
    owner: { partition: expect.stringMatching(/^vectors\/p\d{3}$/), instanceId: "a", endpoint },
  });
  expect(await fleet.operations("x")).toHaveLength(1);
  expect(await sealCount(fleet)).toBe(0);
  // Wrong, and harmless: each believes the other dead, again and again.
  belief = "dead";
  let version = first;
  for (let round = 0; round < 4; round++) {
    version = await b.update("x", version, "b");
    version = await a.update("x", version, "a");
  }
  expect(await a.see("x")).toEqual({ version, value: "a" });
});

test("[L6] a closed run's leases are free at once, whatever is believed of it", async () => {
  const fleet = new ConditionalFleet();
  const a = await fleet.run();
  const first = await a.add("x", 1);
  await a.database.close();
  const b = await fleet.run(fleet.store, { regard: async () => "live" });
  await b.update("x", first, 2);
  expect((await b.see("x"))?.value).toBe(2);
});

test("[L4] a lane that was sealed for standing still, retired and collected costs a new one", async () => {
  const fleet = new ConditionalFleet();
  const clock = fleet.clock as unknown as { advance(ms: number): void };
  const a = await fleet.run();
  const first = await a.add("x", 1);
  const [lane] = [...(await listLog(fleet.store)).lanes.keys()] as [LaneId];
  const keeper = await fleet.run();
  for (let hour = 0; hour < 30; hour++) {
    clock.advance(hour === 0 ? LANE_IDLE_MS : 3_600_000);
    await keeper.database.write({ drafts: [{ kind: "delete", id: `${hour}` }], bytes: 9 });
    await keeper.database.compact();
  }
  expect((await listLog(fleet.store)).lanes.has(lane)).toBe(false);
  const second = await a.update("x", first, 2);
  const b = await fleet.run();
  await b.update("x", second, 3);
  await expect(a.update("x", second, "A")).rejects.toMatchObject(conflict);
});

test("[L2] blind and conditional writes of one run go to different lanes, in the order of versions", async () => {
  const fleet = new ConditionalFleet();
  const a = await fleet.run();
  const first = await a.add("x", 1);
  const draft = { kind: "patch", id: "x", metadata: `{"value":2}` } as const;
  const [blind] = await a.database.write({ drafts: [draft], bytes: 9 });
  await expect(a.update("x", first, 3)).rejects.toMatchObject({
    message: expect.stringContaining(blind!),
  });
  const last = await a.update("x", blind!, 4);
  expect([first, blind!, last].toSorted()).toEqual([first, blind, last]);
  expect((await listLog(fleet.store)).lanes.size).toBe(2);
});

test("[L1] what was read under a lease that is gone is not decided under the lane that followed", async () => {
  const fleet = new ConditionalFleet();
  const arrived = deferred<void>();
  const gate = deferred<void>();
  let lists = Number.POSITIVE_INFINITY;
  const store = scripted(fleet.store, {
    after: async (request) => {
      // The first is the catch-up's, the second that of the record, which is answered late.
      if (request !== `list ${WAL_PREFIX}` || --lists !== 0) return;
      arrived.resolve();
      await gate.promise;
    },
  });
  // Without an index, several looks of one process may be under way at once.
  const a = await fleet.run(store, {}, true);
  const b = await fleet.run();
  const other = await a.add("other", 1);
  const first = await a.add("x", 1);
  lists = 2;
  const late = a.update("x", first, "A").catch((error: unknown) => error);
  await arrived.promise;
  await b.update("x", first, "B");
  await a.update("other", other, 2);
  gate.resolve();
  expect(await late).toMatchObject(conflict);
  expect((await b.see("x"))?.value).toBe("B");
  expect(await fleet.operations("x")).toHaveLength(2);
});
