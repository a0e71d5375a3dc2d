import { expect, test } from "vitest";
import { BrainyError } from "../base/errors.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { Fleet, compaction, patch, put, remove } from "../../test/support/fleet.ts";
import { runCompactionJob } from "./compaction-job.ts";
import type { CompactionJob, Executor } from "./compaction.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { uncoveredTails } from "./lane-ledger.ts";
import { listLog } from "./log-listing.ts";

const LIMITS = { memoryBytesMax: 1e8, partitionCount: 1 };

/** The same store until its `n`-th request; from then on the process is dead. */
function dyingStore(store: ObjectStore, requests: number): ObjectStore {
  let left = requests;
  const spend = (): void => {
    if (left-- <= 0) throw new BrainyError("BRAINY_DENIED", "this process is dead");
  };
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        spend();
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

test("[CP1] a maintainer may die at any request: nothing is lost and the next one goes on", async () => {
  let deaths = 0;
  for (let requests = 0; requests < 400; requests += requests < 80 ? 1 : 7) {
    const fleet = new Fleet(requests + 1);
    const { clock, random } = fleet;
    const lanes = [await fleet.openLane(), await fleet.openLane()];
    const first = fleet.maintenance({ compaction: compaction({ mergeFanIn: 2 }) });
    for (let i = 0; i < 3; i++) {
      await lanes[i % 2]!.append([put(`a${i}`, i, [i, 1, 1]), put("same", i)]);
      await first.maintenance.run({ force: "flush" });
    }
    await lanes[0]!.append([remove("a0"), patch("a1", { more: 1 })]);
    clock.advance(16 * 60_000);
    const store = dyingStore(fleet.store, requests);
    const dying = fleet.maintenance({ store, executor: inlineExecutor({ store, clock, random }) });
    const error: unknown = await dying.maintenance.run({ force: "compact", takeOver: true }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error !== undefined) {
      expect(error).toMatchObject({ code: "BRAINY_DENIED" });
      deaths++;
    }
    await fleet.expectNothingLost();
    const next = fleet.maintenance();
    await next.maintenance.run({ force: "compact", takeOver: true });
    await fleet.expectNothingLost();
    const { segments, holder } = await fleet.newest();
    expect(segments).toHaveLength(1);
    // When nothing was left to do, nobody took over to do it.
    expect([dying.incarnation, next.incarnation]).toContain(holder);
    if (error === undefined) break;
  }
  expect(deaths).toBeGreaterThan(40);
});

test("[M3] who has been taken over commits nothing: its work is thrown away, and said", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("x", 1)]);
  const { store, clock, random } = fleet;
  const inline = inlineExecutor({ store, clock, random });
  const other = fleet.maintenance();
  let isSlow = true;
  const slow: Executor = {
    ...inline,
    name: "inline",
    async run(job, signal) {
      const result = await inline.run(job, signal);
      if (isSlow) await other.maintenance.run({ force: "compact", takeOver: true });
      isSlow = false;
      return result;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const first = fleet.maintenance({ executor: slow });
  await first.maintenance.run({ force: "flush", takeOver: true });
  expect(first.events.map(({ type }) => type)).toEqual(["took-over", "fenced"]);
  const manifest = await fleet.newest();
  expect(manifest).toMatchObject({ holder: other.incarnation, epoch: 2 });
  expect(manifest.segments).toHaveLength(1);
  await fleet.expectNothingLost();
});

test("[M3] nobody takes over from a holder whose manifests move", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const options = { compaction: compaction({ flushSlots: 1 }) };
  const holder = fleet.maintenance(options);
  const other = fleet.maintenance(options);
  const write = async (): Promise<void> =>
    void (await lane.append([put("x", fleet.clock.nowMs())]));
  for (let i = 0; i < 6; i++) {
    await write();
    await holder.maintenance.run();
    await write();
    await other.maintenance.run();
    fleet.clock.advance(60_000);
  }
  expect((await fleet.newest()).holder).toBe(holder.incarnation);
  expect(new Set(other.events.map(({ type }) => type))).toEqual(new Set(["not-holder"]));
  // It dies. Three intervals later somebody else goes on.
  await other.maintenance.run();
  fleet.clock.advance(90_000);
  await other.maintenance.run();
  expect((await fleet.newest()).holder).toBe(other.incarnation);
  await fleet.expectNothingLost();
});

test("a takeover changes nothing but epoch and holder", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("x", 1)]);
  await fleet.maintenance().maintenance.run({ force: "flush" });
  const before = await fleet.newest();
  await lane.append([put("y", 1)]);
  const other = fleet.maintenance();
  const commits: number[] = [];
  const take = other.maintenance.run({
    force: "flush",
    takeOver: true,
    onProgress: () => void commits.push(fleet.clock.nowMs()),
  });
  await take;
  const { store } = fleet;
  const taken = await import("./manifest-store.ts").then((module) =>
    module.readManifest(store, before.number + 1),
  );
  const { epoch, holder, nonce, number, createdMs } = taken!;
  expect({ ...before, epoch, holder, nonce, number, createdMs }).toEqual(taken);
  expect([epoch, holder]).toEqual([before.epoch + 1, other.incarnation]);
});

test("a quiet database is left alone: no manifest, no takeover", async () => {
  const fleet = new Fleet();
  const { maintenance, events } = fleet.maintenance();
  await maintenance.run();
  await maintenance.run({ force: "compact", takeOver: true });
  expect(events).toEqual([]);
  expect((await fleet.newest()).number).toBe(0);
});

test("compacting twice does the second time nothing but look", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("x", 1), put("y", 1), remove("x"), patch("y", { a: 1 })]);
  const { maintenance, events } = fleet.maintenance();
  await maintenance.run({ force: "compact" });
  const { number } = await fleet.newest();
  expect(events.filter(({ type }) => type === "committed")).toHaveLength(3);
  await maintenance.run({ force: "compact" });
  expect((await fleet.newest()).number).toBe(number);
  // Tombstone and patches are gone: the floor had passed them.
  expect((await fleet.newest()).segments).toMatchObject([{ rows: 1 }]);
  await fleet.expectNothingLost();
});

test("[J3] a tombstone stays while a stalled writer may still bring the put it deleted", async () => {
  const fleet = new Fleet();
  const [slow, fast] = [await fleet.openLane({ skewMs: -4_000 }), await fleet.openLane()];
  await slow.append([put("other", 1)]);
  await fast.append([put("x", "deleted")]);
  await fast.append([remove("x")]);
  const { maintenance } = fleet.maintenance();
  for (let i = 0; i < 3; i++) {
    await fast.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "compact" });
  }
  const [segment] = (await fleet.newest()).segments;
  expect(segment!.rows).toBeGreaterThan(segment!.vectorRows + 4);
  // Its put of x was stamped before the delete, and arrives after three compactions.
  await slow.append([put("x", "resurrected")]);
  expect(fleet.expected().has("x")).toBe(false);
  await maintenance.run({ force: "compact" });
  await fleet.expectNothingLost();
});

test("[CP2] a flush takes whole slots until its memory is full, and at least one", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  for (let i = 0; i < 6; i++) await lane.append([put(`r${i}`, "x".repeat(5_000))]);
  const manifest = await fleet.newest();
  const [range] = uncoveredTails({ manifest, listing: await listLog(fleet.store) });
  const { store, clock, random } = fleet;
  const cursor = async (memoryBytesMax: number): Promise<number> => {
    const limits = { ...LIMITS, memoryBytesMax };
    const job: CompactionJob = { kind: "flush", base: manifest, lanes: [range!], limits };
    const { lanes } = await runCompactionJob({ store, clock, random, job });
    return lanes[0]!.cursor;
  };
  expect(await cursor(1)).toBe(0);
  expect(await cursor(30_000)).toBe(1);
  expect(await cursor(1e8)).toBe(6);
});

test("[CP3] an aborted job stops between blocks and leaves the database as it was", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("x", 1)]);
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  const { maintenance } = fleet.maintenance();
  const run = maintenance.run({ force: "flush", signal: controller.signal });
  await expect(run).rejects.toThrow("enough");
  await maintenance.run({ force: "flush" });
  await fleet.expectNothingLost();
});

test("concurrent runs queue: each finds what the one before has left", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("x", 1)]);
  const { maintenance, events } = fleet.maintenance();
  await Promise.all([
    maintenance.run({ force: "flush" }),
    maintenance.run(),
    maintenance.run({ force: "flush" }),
    maintenance.run(),
  ]);
  expect(events.filter(({ type }) => type === "committed")).toHaveLength(1);
});
