import fc from "fast-check";
import { expect, test } from "vitest";
import { scripted } from "../../test/support/scripted-store.ts";
import { VirtualTime, settle, type VirtualMachine } from "../../test/support/virtual-time.ts";
import { encodeText } from "../base/bytes.ts";
import { BrainyError } from "../base/errors.ts";
import { ulidFactory } from "../base/ids.ts";
import { seededRandom } from "../base/random.ts";
import { HEARTBEAT_PREFIX, heartbeatKey } from "../format/keys.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { faulty } from "../storage/layers/faulty.ts";
import { metered } from "../storage/layers/metered.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { Registry, type OwnRun, type RegistryEvent } from "./registry.ts";

const METRICS = { vectorCount: 3, cacheHitRate: 0.5, memoryUsage: 1_000 };
const HOUR_MS = 3_600_000;

interface Member {
  readonly registry: Registry;
  readonly machine: VirtualMachine;
  readonly incarnation: string;
  readonly events: string[];
  readonly warnings: string[];
  readonly state: { idleMs: number; isHolder: boolean };
}

/** A fleet on one store, in virtual time. */
class World {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore({ clock: this.time.machine() });
  readonly #newUlid = ulidFactory(this.time.machine(), seededRandom(1));

  async join(
    instanceId: string,
    options: Partial<OwnRun> & { store?: ObjectStore; skewMs?: number; intervalMs?: number } = {},
  ): Promise<Member> {
    const { store = this.store, skewMs = 0, intervalMs = 30_000, ...own } = options;
    const machine = this.time.machine(skewMs);
    const events: string[] = [];
    const warnings: string[] = [];
    const state = { idleMs: 0, isHolder: false };
    const registry = new Registry({
      store,
      clock: machine,
      heartbeatIntervalMs: intervalMs,
      instanceTimeoutMs: 60_000,
      onEvent: (event) => void events.push(shown(event)),
      warn: (message) => void warnings.push(message),
    });
    const incarnation = this.#newUlid();
    await registry.start({
      instanceId,
      incarnation,
      role: "writer",
      endpoint: undefined,
      metrics: () => METRICS,
      idleMs: () => state.idleMs,
      isHolder: () => state.isHolder,
      ...own,
    });
    await settle();
    return { registry, machine, incarnation, events, warnings, state };
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of this.store.list()) keys.push(...objects.map(({ key }) => key));
    return keys;
  }
}

function shown(event: RegistryEvent): string {
  const { type, instanceId } = event;
  return `${type} ${instanceId} ${type === "instance_left" ? event.reason : event.role}`;
}

const keyOf = (id: string, { incarnation }: Member): string => heartbeatKey(id, incarnation);

test("[H1] a run writes one object, and takes it away when it closes", async () => {
  const world = new World();
  const a = await world.join("a");
  const b = await world.join("b");
  await world.time.pass(5 * 60_000);
  expect((await world.keys()).toSorted()).toEqual([keyOf("a", a), keyOf("b", b)]);
  await a.registry.close();
  expect(await world.keys()).toEqual([keyOf("b", b)]);
  await world.time.pass(5 * 60_000);
  expect(await world.keys()).toEqual([keyOf("b", b)]);
  expect(b.events).toEqual(["instance_left a closed"]);
});

test("runs that come are seen and told of, those that were there are not told of", async () => {
  const world = new World();
  const a = await world.join("a");
  const b = await world.join("b", { role: "reader", endpoint: "http://b:3000" });
  await world.time.pass(31_000);
  expect(a.events).toEqual(["instance_joined b reader"]);
  expect(b.events).toEqual([]);
  expect(a.registry.nodes).toEqual({ total: 2, healthy: 2 });
  const instances = await a.registry.instances();
  expect(Object.keys(instances).toSorted()).toEqual(["a", "b"]);
  expect(instances["b"]).toEqual({
    role: "reader",
    status: "active",
    lastHeartbeat: new Date(world.time.nowMs() - 1_000).toISOString(),
    endpoint: "http://b:3000",
    metrics: METRICS,
  });
});

test("[H2] clocks that are wrong by hours change nothing", async () => {
  const world = new World();
  const a = await world.join("a", { skewMs: 5 * HOUR_MS });
  const b = await world.join("b", { skewMs: -26 * HOUR_MS });
  const c = await world.join("c", { skewMs: 48 * HOUR_MS });
  await world.time.pass(HOUR_MS);
  for (const { registry, events } of [a, b, c]) {
    expect(registry.nodes).toEqual({ total: 3, healthy: 3 });
    expect(events.filter((event) => event.startsWith("instance_left"))).toEqual([]);
  }
  c.machine.isStopped = true;
  await world.time.pass(3 * 60_000);
  for (const { registry } of [a, b]) expect(registry.nodes).toEqual({ total: 3, healthy: 2 });
  expect((await world.keys()).length).toBe(3);
});

test("[H3] who speaks as often as it said is never stale, idle or not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          skewMs: fc.integer({ min: -HOUR_MS, max: HOUR_MS }),
          intervalMs: fc.integer({ min: 1_000, max: 600_000 }),
          startsAfterMs: fc.integer({ min: 0, max: 100_000 }),
          isIdle: fc.boolean(),
        }),
        { minLength: 2, maxLength: 4 },
      ),
      async (plans) => {
        const world = new World();
        const members: Member[] = [];
        for (const [i, { startsAfterMs, isIdle, ...options }] of plans.entries()) {
          await world.time.pass(startsAfterMs);
          const member = await world.join(`i${i}`, options);
          member.state.idleMs = isIdle ? HOUR_MS : 0;
          members.push(member);
        }
        for (let minute = 0; minute < 40; minute++) {
          await world.time.pass(60_000);
          // Whoever becomes idle says so with its next heartbeat, which is still in time.
          for (const { state } of members) if (minute % 7 === 3) state.idleMs = HOUR_MS;
          for (const { state } of members) if (minute % 7 === 6) state.idleMs = 0;
        }
        for (const { events } of members) {
          expect(events.filter((event) => event.includes("instance_left"))).toEqual([]);
        }
        for (const { registry } of members) await registry.close();
      },
    ),
    { numRuns: 15 },
  );
});

test("[H4] who stands still for longer than its time is stale, and back when it goes on", async () => {
  const world = new World();
  const a = await world.join("a");
  const b = await world.join("b");
  await world.time.pass(31_000);
  b.machine.isStopped = true;
  await world.time.pass(45_000);
  expect(a.registry.isAlive(b.incarnation)).toBe(true);
  await world.time.pass(45_000);
  expect(a.registry.isAlive(b.incarnation)).toBe(false);
  expect(a.registry.nodes).toEqual({ total: 2, healthy: 1 });
  expect((await a.registry.instances())["b"]).toMatchObject({ status: "stale" });
  b.machine.isStopped = false;
  await world.time.pass(61_000);
  expect(a.registry.isAlive(b.incarnation)).toBe(true);
  expect(a.events).toEqual([
    "instance_joined b writer",
    "instance_left b stale",
    "instance_joined b writer",
  ]);
  // The one that stood still has seen nobody leave.
  expect(b.events).toEqual([]);
  expect(b.registry.isAlive(a.incarnation)).toBe(true);
});

test("[H4] an observer that stood still blames nobody else for it", async () => {
  const world = new World();
  const a = await world.join("a");
  const b = await world.join("b");
  await world.time.pass(31_000);
  a.machine.isStopped = true;
  await world.time.pass(HOUR_MS);
  a.machine.isStopped = false;
  await world.time.pass(35_000);
  expect(a.registry.isAlive(b.incarnation)).toBe(true);
  expect(a.events).toEqual(["instance_joined b writer"]);
});

test("[H5] what stood still for a day is removed on open or by the holder, and nothing else", async () => {
  const world = new World();
  const dead = await world.join("dead");
  const alive = await world.join("alive");
  const stranger = `${HEARTBEAT_PREFIX}notes.txt`;
  await world.store.put(stranger, encodeText("a person's"));
  dead.machine.isStopped = true;
  await world.time.pass(23 * HOUR_MS);
  const late = await world.join("late");
  const kept = [keyOf("alive", alive), keyOf("late", late), stranger].toSorted();
  expect((await world.keys()).toSorted()).toEqual([keyOf("dead", dead), ...kept].toSorted());
  await world.time.pass(2 * HOUR_MS);
  expect(await world.keys()).toContain(keyOf("dead", dead));
  alive.state.isHolder = true;
  await world.time.pass(60_000);
  expect((await world.keys()).toSorted()).toEqual(kept);
  // It was no death: its next heartbeat is there again, and it removes none of the others.
  dead.machine.isStopped = false;
  await world.time.pass(60_000);
  expect((await world.keys()).toSorted()).toEqual([keyOf("dead", dead), ...kept].toSorted());
});

test("[H5] a run that opens removes what the dead left, though nobody maintains", async () => {
  const world = new World();
  const dead = await world.join("dead");
  dead.machine.isStopped = true;
  await world.time.pass(25 * HOUR_MS);
  const next = await world.join("next");
  expect(await world.keys()).toEqual([keyOf("next", next)]);
});

test("[H7] a reader that may not write reads on without a heartbeat, and says so once", async () => {
  const world = new World();
  const a = await world.join("a");
  const denied = refusing(world.store, "BRAINY_DENIED");
  const { store, counters } = metered(denied);
  const reader = await world.join("r", { role: "reader", store });
  await world.time.pass(10 * 60_000);
  expect(counters.put.requests).toBe(1);
  expect(reader.warnings).toEqual([expect.stringMatching(/reader r may not write to memory/)]);
  expect(reader.registry.isAlive(a.incarnation)).toBe(true);
  expect(reader.registry.nodes).toEqual({ total: 2, healthy: 2 });
  expect(a.registry.nodes).toEqual({ total: 1, healthy: 1 });
  await reader.registry.close();
  expect(counters.delete.requests).toBe(0);
  expect(await world.keys()).toEqual([keyOf("a", a)]);
});

test("[H7] a writer that may not write its heartbeat goes on trying, and says so once", async () => {
  const world = new World();
  const { store, counters } = metered(refusing(world.store, "BRAINY_DENIED"));
  const writer = await world.join("w", { store });
  await world.time.pass(10 * 60_000);
  expect(counters.put.requests).toBe(21);
  expect(writer.warnings).toHaveLength(1);
});

test("[H8] lost requests and lost answers make nobody stale, and nothing fails", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World();
    const store = faulty(world.store, { random: seededRandom(seed), errorRate: 0.1 });
    const a = await world.join("a", { store });
    const b = await world.join("b", { store });
    await world.time.pass(HOUR_MS);
    expect(store.faultCount).toBeGreaterThan(20);
    for (const { events } of [a, b]) {
      expect(events.filter((event) => event.startsWith("instance_left"))).toEqual([]);
    }
    await a.registry.close();
    await b.registry.close();
    // An object whose deletion was lost stays for a day; no other is left.
    for (const key of await world.keys()) expect([keyOf("a", a), keyOf("b", b)]).toContain(key);
  }
});

test("[H8] a heartbeat whose answer was lost is taken away as well", async () => {
  const world = new World();
  const lossy: ObjectStore = {
    ...wrap(world.store),
    put: async (...args) => {
      await world.store.put(...args);
      throw new BrainyError("BRAINY_UNAVAILABLE", "the answer was lost");
    },
  };
  const a = await world.join("a", { store: lossy });
  expect(await world.keys()).toEqual([keyOf("a", a)]);
  await a.registry.close();
  expect(await world.keys()).toEqual([]);
});

test("[H9] two live runs of one name are two runs; the newest is shown, and told of once", async () => {
  const world = new World();
  const first = await world.join("same");
  const second = await world.join("same", { role: "hybrid" });
  const other = await world.join("other");
  await world.time.pass(5 * 60_000);
  expect(await world.keys()).toHaveLength(3);
  expect((await other.registry.instances())["same"]).toMatchObject({ role: "hybrid" });
  expect(other.registry.nodes).toEqual({ total: 2, healthy: 2 });
  expect(other.registry.isAlive(first.incarnation)).toBe(true);
  expect(other.registry.isAlive(second.incarnation)).toBe(true);
  for (const { warnings } of [first, second]) {
    expect(warnings).toEqual([expect.stringMatching(/shares its instance id same/)]);
  }
  await second.registry.close();
  await world.time.pass(60_000);
  expect((await other.registry.instances())["same"]).toMatchObject({ role: "writer" });
  expect(other.events.at(-1)).toBe("instance_left same closed");
});

test("[H9] a run that died and was started again under its name is one instance", async () => {
  const world = new World();
  const dead = await world.join("same");
  const other = await world.join("other");
  dead.machine.isStopped = true;
  await world.time.pass(10_000);
  const again = await world.join("same");
  await world.time.pass(5 * 60_000);
  expect(again.warnings).toEqual([]);
  expect(other.registry.nodes).toEqual({ total: 2, healthy: 2 });
  expect((await other.registry.instances())["same"]).toMatchObject({ status: "active" });
});

test("[H3] [H4] whatever stops, goes on, joins and closes, in the end all see who runs", async () => {
  const step = fc.record({
    kind: fc.constantFrom("join", "stop", "resume", "close", "pass", "idle", "busy"),
    who: fc.nat(9),
    ms: fc.integer({ min: 0, max: 400_000 }),
    skewMs: fc.integer({ min: -HOUR_MS, max: HOUR_MS }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const world = new World();
      const members = [await world.join("m0"), await world.join("m1")];
      const closed = new Set<Member>();
      for (const { kind, who, ms, skewMs } of steps) {
        const member = members[who % members.length]!;
        if (kind === "join" && members.length < 6) {
          members.push(await world.join(`m${members.length % 4}`, { skewMs }));
        }
        if (kind === "stop") member.machine.isStopped = true;
        if (kind === "resume") member.machine.isStopped = false;
        if (kind === "idle") member.state.idleMs = HOUR_MS;
        if (kind === "busy") member.state.idleMs = 0;
        if (kind === "pass") await world.time.pass(ms);
        if (kind === "close" && !member.machine.isStopped) {
          closed.add(member);
          await member.registry.close();
        }
      }
      // The longest a run may take, and two more looks of whoever looks most seldom.
      await world.time.pass(240_000 + 2 * 120_000 + 1_000);
      const runs = (one: Member): boolean => !one.machine.isStopped && !closed.has(one);
      for (const observer of members.filter(runs)) {
        for (const one of members) {
          expect(observer.registry.isAlive(one.incarnation)).toBe(runs(one));
        }
      }
      for (const { registry } of members) await registry.close();
    }),
    { numRuns: 60 },
  );
});

test("a heartbeat that nobody can read still shows life", async () => {
  const world = new World();
  const a = await world.join("a");
  const key = heartbeatKey("newer", "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P");
  for (let i = 0; i < 10; i++) {
    await world.store.put(key, encodeText(`{ "formatVersion": 99, "beat": ${i} }`));
    await world.time.pass(30_000);
  }
  expect(a.registry.isAlive("01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P")).toBe(true);
  expect(a.warnings).toEqual([expect.stringMatching(/cannot read the heartbeat of newer/)]);
  expect(Object.keys(await a.registry.instances())).toEqual(["a"]);
  await world.time.pass(6 * 60_000);
  expect(a.registry.isAlive("01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P")).toBe(false);
});

test("a writer whose first heartbeat arrived damaged is one of the writers with its next", async () => {
  const world = new World();
  let damaged = 1;
  const store: ObjectStore = Object.assign(Object.create(scripted(world.store)) as ObjectStore, {
    get: async (key: string) => {
      const found = await world.store.get(key);
      const isDamaged = found !== undefined && damaged-- > 0;
      return isDamaged ? { ...found, bytes: found.bytes.slice(0, 40) } : found;
    },
  });
  const a = await world.join("a", { store });
  await world.join("b");
  await world.time.pass(2 * 30_000);
  expect(damaged).toBeLessThan(0);
  expect(a.registry.writers()).toEqual(["a", "b"]);
});

test("[H10] an idle hour costs 30 PUTs and 15 LISTs, a busy one 120 of each, and no GETs", async () => {
  const world = new World();
  for (const name of ["x", "y", "z"]) await world.join(name);
  const { store, counters } = metered(world.store);
  const a = await world.join("a", { store });
  for (const [idleMs, puts, lists] of [
    [0, 120, 120],
    [HOUR_MS, 30, 15],
  ] as const) {
    a.state.idleMs = idleMs;
    // A heartbeat that was due before the change comes first.
    await world.time.pass(150_000);
    const before = structuredClone(counters);
    await world.time.pass(HOUR_MS);
    expect(counters.put.requests - before.put.requests).toBe(puts);
    expect(counters.list.requests - before.list.requests).toBe(lists);
    expect(counters.get.requests - before.get.requests).toBe(0);
  }
  // Three objects at first sight, once each.
  expect(counters.get.requests).toBe(3);
});

function wrap(inner: ObjectStore): ObjectStore {
  return metered(inner).store;
}

function refusing(inner: ObjectStore, code: "BRAINY_DENIED"): ObjectStore {
  const refuse = async (): Promise<never> => {
    throw new BrainyError(code, "access denied");
  };
  return { ...wrap(inner), put: refuse, deleteMany: refuse };
}
