import { expect, onTestFinished, test } from "vitest";
import { scripted } from "../test/support/scripted-store.ts";
import { VirtualTime, settle, type VirtualMachine } from "../test/support/virtual-time.ts";
import { Brainy } from "./brainy.ts";
import { seededRandom } from "./base/random.ts";
import { AffinityPartitioner } from "./cluster/affinity-partitioner.ts";
import { HAND_OVER_AFTER_MS } from "./cluster/partition-owners.ts";
import { HashPartitioner } from "./cluster/hash-partitioner.ts";
import { decodeAssignment } from "./format/assignment.ts";
import { ASSIGNMENT_KEY, LEASE_PREFIX } from "./format/keys.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import type { BrainyOptions, DistributedOptions } from "./types.ts";

/** Several Brainys on one store, in virtual time. */
class Fleet {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore({ clock: this.time.machine() });
  readonly logged: string[] = [];
  #made = 0;

  async open(
    instanceId: string,
    options: BrainyOptions & { readonly fleet?: DistributedOptions } = {},
    clock: VirtualMachine = this.time.machine(),
  ): Promise<Brainy> {
    const { fleet, ...rest } = options;
    const log = (message: string): void => void this.logged.push(message);
    const brain = new Brainy({
      storage: { type: "store", store: this.store },
      dimensions: 2,
      pollInterval: 0,
      clock,
      random: seededRandom(++this.#made),
      logging: { verbose: true, logger: { info: log, warn: log } },
      distributed: { role: "hybrid", instanceId, ...fleet },
      ...rest,
    });
    onTestFinished(() => brain.close());
    await brain.init();
    await settle();
    return brain;
  }

  /** One more heartbeat of everybody. */
  beat(): Promise<void> {
    return this.time.pass(31_000);
  }

  async assignment(): Promise<ReturnType<typeof decodeAssignment> | undefined> {
    const found = await this.store.get(ASSIGNMENT_KEY);
    return found && decodeAssignment(found.bytes, ASSIGNMENT_KEY);
  }
}

/** Ids of the partitions that the assignment gives to this instance. */
async function idsOf(fleet: Fleet, instanceId: string, count: number): Promise<string[]> {
  const { partitions } = (await fleet.assignment())!;
  const own = new Set(partitions.get(instanceId));
  const partitioner = new HashPartitioner({ partitionCount: 100 });
  const ids: string[] = [];
  for (let i = 0; ids.length < count; i++) {
    const partition = Number(partitioner.getPartition(`id${i}`).slice(-3));
    if (own.has(partition)) ids.push(`id${i}`);
  }
  return ids;
}

test("[P1] all partitions are shared among live writers, and few move when one comes or goes", async () => {
  const fleet = new Fleet();
  const a = await fleet.open("a");
  const b = await fleet.open("b");
  await fleet.open("r", { fleet: { role: "reader" } });
  await a.add([1, 0], {});
  // Who has never looked knows of no database, and shares nothing.
  await b.count({}, { consistency: "strong" });
  await fleet.beat();
  const before = (await fleet.assignment())!;
  expect([...before.partitions.keys()]).toEqual(["a", "b"]);
  expect(a.getMetrics().shards).toEqual({ total: 100, local: before.partitions.get("a")!.length });
  expect(fleet.logged.join("\n")).toMatch(/partitions_assigned .*"vectors\/p\d{3}"/);
  const c = await fleet.open("c");
  await fleet.beat();
  const after = (await fleet.assignment())!;
  expect(after.version).toBe(before.version + 1);
  for (const id of ["a", "b"]) {
    const kept = after.partitions.get(id)!;
    expect(before.partitions.get(id)).toEqual(expect.arrayContaining([...kept]));
  }
  expect(c.getMetrics().shards.local).toBe(after.partitions.get("c")!.length);
  const ownOfC = after.partitions.get("c")!.length;
  expect(ownOfC).toBeGreaterThan(15);
  await c.close();
  await fleet.beat();
  expect((await fleet.assignment())!.partitions).toEqual(before.partitions);
  expect(b.getMetrics().shards.local).toBe(before.partitions.get("b")!.length);
});

test("[P1] a writer without an index takes its part before it has written anything", async () => {
  const fleet = new Fleet();
  const writer = await fleet.open("second", { writeOnly: true, fleet: { role: "writer" } });
  const first = await fleet.open("first");
  await first.add([1, 0], {}, { id: "a" });
  await fleet.beat();
  await fleet.beat();
  const { partitions } = (await fleet.assignment())!;
  expect([...partitions.keys()].toSorted()).toEqual(["first", "second"]);
  expect(writer.getMetrics().shards.local).toBe(partitions.get("second")!.length);
  await first.close();
  await fleet.beat();
  expect([...(await fleet.assignment())!.partitions.keys()]).toEqual(["second"]);
  expect(writer.getMetrics().shards.local).toBe(100);
});

test("[P2] nothing is written while the writers stay the same, and little is asked", async () => {
  const fleet = new Fleet();
  const store = scripted(fleet.store);
  const a = await fleet.open("a", { storage: { type: "store", store } });
  await fleet.open("b");
  await a.add([1, 0], {}, { id: "x", ifAbsent: true });
  await fleet.time.pass(15 * 60_000);
  const asked = (): readonly string[] =>
    store.requests.filter((request) => request.includes(LEASE_PREFIX));
  const before = asked().length;
  expect(before).toBeGreaterThan(0);
  await fleet.time.pass(3_600_000);
  const more = asked().slice(before);
  expect(new Set(more)).toEqual(new Set([`get ${ASSIGNMENT_KEY}`]));
  expect(more.length).toBeLessThanOrEqual(6);
});

test("[P2] what somebody's late request has brought back does not stay", async () => {
  const fleet = new Fleet();
  const a = await fleet.open("a");
  await a.add([1, 0], {}, { id: "x" });
  await fleet.beat();
  const old = (await fleet.store.get(ASSIGNMENT_KEY))!.bytes;
  const b = await fleet.open("b");
  await fleet.beat();
  const both = b.getMetrics().shards.local;
  expect(both).toBeGreaterThan(0);
  await fleet.store.put(ASSIGNMENT_KEY, old);
  await fleet.time.pass(20 * 60_000);
  const { partitions } = (await fleet.assignment())!;
  expect([...partitions.keys()].toSorted()).toEqual(["a", "b"]);
  expect(a.getMetrics().shards.local + b.getMetrics().shards.local).toBe(100);
});

test("[P3] a live owner keeps what it has, and goes when the assignment says so and it is idle", async () => {
  const fleet = new Fleet();
  const variable = process.env["SERVICE_ENDPOINT"];
  process.env["SERVICE_ENDPOINT"] = "http://fleet:8080";
  onTestFinished(() => {
    if (variable === undefined) delete process.env["SERVICE_ENDPOINT"];
    else process.env["SERVICE_ENDPOINT"] = variable;
  });
  const a = await fleet.open("a");
  await a.add([1, 0], {});
  await fleet.beat();
  const b = await fleet.open("b");
  await fleet.beat();
  const [idOfA, idOfB] = [(await idsOf(fleet, "a", 1))[0]!, (await idsOf(fleet, "b", 1))[0]!];
  await a.add([1, 0], { by: "a" }, { id: idOfA, ifAbsent: true });
  await a.add([1, 0], { by: "a" }, { id: idOfB, ifAbsent: true });
  const refused = b.delete(idOfA, { ifVersion: (await a.get(idOfA))!.version });
  await expect(refused).rejects.toMatchObject({
    code: "BRAINY_NOT_OWNER",
    owner: { instanceId: "a", endpoint: "http://fleet:8080" },
  });
  // B is to own the other one, which A took because nobody had it: A gives it back.
  const owners = async (): Promise<unknown> =>
    Object.fromEntries(
      (await a.discoverPartitions())
        .filter(({ owner }) => owner !== undefined)
        .map(({ assignedTo, owner }) => [assignedTo, owner?.instanceId]),
    );
  expect(await owners()).toEqual({ a: "a", b: "a" });
  await fleet.time.pass(HAND_OVER_AFTER_MS + 31_000);
  expect(await owners()).toEqual({ a: "a" });
  const { version } = (await b.get(idOfB, { consistency: "strong" }))!;
  await b.update(idOfB, { metadata: { by: "b" } }, { ifVersion: version });
  expect(await owners()).toEqual({ a: "a", b: "b" });
});

test("[P3] who is to own a partition takes it from a live instance that is not", async () => {
  const fleet = new Fleet();
  const a = await fleet.open("a");
  await a.add([1, 0], {});
  const b = await fleet.open("b");
  await fleet.beat();
  const [id] = (await idsOf(fleet, "b", 1)) as [string];
  await a.add([1, 0], { n: 0 }, { id, ifAbsent: true });
  const { version } = (await b.get(id, { consistency: "strong" }))!;
  const second = await b.update(id, { metadata: { n: 1 } }, { ifVersion: version });
  await expect(a.update(id, { metadata: { n: 2 } }, { ifVersion: second })).rejects.toMatchObject({
    code: "BRAINY_NOT_OWNER",
  });
});

test("[P3] what a dead instance owned is refused until it is stale, and taken then", async () => {
  const fleet = new Fleet();
  const machine = fleet.time.machine();
  const a = await fleet.open("a", {}, machine);
  const b = await fleet.open("b");
  await fleet.open("c");
  await a.add([1, 0], {});
  await fleet.beat();
  const ids = await idsOf(fleet, "a", 20);
  for (const id of ids) await a.add([1, 0], {}, { id, ifAbsent: true });
  machine.isStopped = true;
  await fleet.beat();
  const again = (id: string): Promise<string> => b.add([1, 0], {}, { id, ifAbsent: true });
  await expect(again(ids[0]!)).rejects.toMatchObject({ code: "BRAINY_NOT_OWNER" });
  await b.count({}, { consistency: "strong" });
  await fleet.time.pass(5 * 60_000);
  expect([...(await fleet.assignment())!.partitions.keys()]).toEqual(["b", "c"]);
  // Also one that C is to own now: what is dead is asked for nothing.
  const ofC = new Set(await idsOf(fleet, "c", 100));
  const id = ids.find((one) => ofC.has(one))!;
  await expect(again(id)).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
});

test("[P4] an assignment that cannot be written or read breaks nothing else", async () => {
  const fleet = new Fleet();
  const lost = async (): Promise<never> => {
    throw new Error("lost");
  };
  const { store: inner } = metered(fleet.store);
  const store: ObjectStore = {
    ...inner,
    get: (key, more) => (key === ASSIGNMENT_KEY ? lost() : inner.get(key, more)),
  };
  const a = await fleet.open("a", { storage: { type: "store", store } });
  await a.add([1, 0], {}, { id: "x", ifAbsent: true });
  await fleet.time.pass(300_000);
  await a.add([1, 0], {}, { id: "y", ifAbsent: true });
  expect(await a.count()).toBe(2);
  const warnings = fleet.logged.filter((line) => line.includes("cannot share partitions"));
  expect(warnings).toHaveLength(1);
});

class ByTenant extends HashPartitioner {
  override getPartition(id: string): string {
    return id.startsWith("hot-") ? "vectors/p000" : super.getPartition(id);
  }
}

test("a partitioner of one's own is fixed with the database, and needed for conditions", async () => {
  const fleet = new Fleet();
  const partitioner = new ByTenant({ partitionCount: 8 });
  const a = await fleet.open("a", { fleet: { partitioner } });
  for (let i = 0; i < 5; i++) await a.add([1, i], {}, { id: `hot-${i}`, ifAbsent: true });
  expect(await a.discoverPartitions()).toMatchObject([
    { partition: "vectors/p000", records: 5, owner: { instanceId: "a", status: "active" } },
  ]);
  expect((await a.getDistributedConfig()).settings).toMatchObject({
    partitioner: "ByTenant",
    partitionCount: 8,
  });
  await expect(
    fleet.open("b", { fleet: { partitioner: new HashPartitioner({ partitionCount: 8 }) } }),
  ).rejects.toThrow(/has partitioner ByTenant, not HashPartitioner/);
  await expect(
    fleet.open("b", { fleet: { partitioner: new ByTenant({ partitionCount: 9 }) } }),
  ).rejects.toThrow(/has partitionCount 8, not 9/);
  const plain = await fleet.open("c");
  await plain.add([1, 0], {}, { id: "blind" });
  await expect(plain.add([1, 0], {}, { id: "x", ifAbsent: true })).rejects.toMatchObject({
    code: "BRAINY_INVALID_ARGUMENT",
    message: expect.stringContaining("ByTenant"),
  });
});

test("a partitioner that names no partition, and what is none, are refused", async () => {
  const fleet = new Fleet();
  class Wrong extends HashPartitioner {
    override getPartition(): string {
      return "vectors/p900";
    }
  }
  const a = await fleet.open("a", { fleet: { partitioner: new Wrong({ partitionCount: 8 }) } });
  await expect(a.add([1, 0], {}, { id: "x", ifAbsent: true })).rejects.toMatchObject({
    code: "BRAINY_INVALID_ARGUMENT",
    message: expect.stringContaining('partitioner Wrong: "vectors/p900"'),
  });
  await a.add([1, 0], {}, { id: "y" });
  const no = { getPartition: () => "vectors/p000" } as unknown as HashPartitioner;
  await expect(fleet.open("b", { fleet: { partitioner: no } })).rejects.toThrow(
    /distributed\.partitioner must be a HashPartitioner/,
  );
});

test("partitions are counted exactly, in segments and in the tail, and preferences change nothing", async () => {
  const fleet = new Fleet();
  const a = await fleet.open("a");
  const ids = Array.from({ length: 300 }, (_, i) => `r${i}`);
  await a.addMany(ids.slice(0, 200).map((id) => ({ id, vector: [1, 1] })));
  await a.compact();
  await a.addMany(ids.slice(200).map((id) => ({ id, vector: [1, 1] })));
  await a.delete(ids.slice(0, 50));
  const expected = new Map<string, number>();
  const partitioner = new AffinityPartitioner(
    { partitionCount: 100 },
    { instanceId: "a", writers: ["a"] },
  );
  for (const id of ids.slice(50)) {
    const name = partitioner.getPartition(id);
    expected.set(name, (expected.get(name) ?? 0) + 1);
  }
  const found = await a.discoverPartitions();
  expect(new Map(found.map(({ partition, records }) => [partition, records]))).toEqual(
    new Map([...expected].toSorted(([x], [y]) => (x < y ? -1 : 1))),
  );
  const b = await fleet.open("b", { fleet: { partitioner } });
  expect(await b.discoverPartitions({ consistency: "strong" })).toHaveLength(found.length);
});
