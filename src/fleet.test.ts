import { expect, onTestFinished, test } from "vitest";
import { VirtualTime, settle, type VirtualMachine } from "../test/support/virtual-time.ts";
import { Brainy } from "./brainy.ts";
import { seededRandom } from "./base/random.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { BrainyOptions, DistributedOptions } from "./types.ts";

const VARIABLES = [
  "BRAINY_ROLE",
  "BRAINY_MODE",
  "BRAINY_INSTANCE_ID",
  "SERVICE_ENDPOINT",
  "AWS_LAMBDA_FUNCTION_NAME",
] as const;

/** Several Brainys on one store, in virtual time. */
class Fleet {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore({ clock: this.time.machine() });
  readonly logged: string[] = [];
  #made = 0;

  async open(
    distributed: boolean | DistributedOptions,
    options: BrainyOptions = {},
    clock: VirtualMachine = this.time.machine(),
  ): Promise<Brainy> {
    const log = (message: string): void => void this.logged.push(message);
    const brain = new Brainy({
      storage: { type: "store", store: this.store },
      pollInterval: 0,
      clock,
      random: seededRandom(++this.#made),
      logging: { verbose: true, logger: { info: log, warn: log } },
      distributed,
      ...options,
    });
    onTestFinished(() => brain.close());
    await brain.init();
    await settle();
    return brain;
  }
}

function withEnvironment(variables: Readonly<Record<string, string>>): void {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  onTestFinished(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  for (const name of VARIABLES) delete process.env[name];
  Object.assign(process.env, variables);
}

test("a reader refuses every write, naming its role and how it came to it", async () => {
  withEnvironment({ BRAINY_ROLE: "reader" });
  const fleet = new Fleet();
  const reader = await fleet.open(true);
  for (const write of [
    () => reader.add([1, 2]),
    () => reader.addMany([[1, 2]]),
    () => reader.update("a", { metadata: {} }),
    () => reader.delete("a"),
    () => reader.compact(),
    () => reader.checkpoint("c"),
    () => reader.verify({ repair: true }),
  ]) {
    await expect(write()).rejects.toMatchObject({
      code: "BRAINY_UNSUPPORTED",
      message: expect.stringMatching(/is a reader \(BRAINY_ROLE=reader\).*writer or hybrid/),
    });
  }
  expect(await reader.count()).toBe(0);
  expect(reader.getHealthStatus().role).toBe("reader");
});

test("writers and hybrids write, readers see it, and all see each other", async () => {
  withEnvironment({ SERVICE_ENDPOINT: "http://here:3000" });
  const fleet = new Fleet();
  const writer = await fleet.open({ role: "writer", instanceId: "w-1" });
  const hybrid = await fleet.open({ role: "hybrid", instanceId: "h-1" });
  const reader = await fleet.open({ instanceId: "r-1" }, { readOnly: true });
  const joined: unknown[] = [];
  writer.on("instance_joined", ({ payload }) => joined.push(payload["instanceId"]));
  await writer.add([1, 0], { n: 1 });
  await hybrid.add([0, 1], { n: 2 });
  expect(await reader.count({}, { consistency: "strong" })).toBe(2);
  expect((await writer.search([1, 0], 1))[0]?.metadata).toEqual({ n: 1 });
  await fleet.time.pass(31_000);

  const config = await reader.getDistributedConfig();
  expect(config).toMatchObject({
    version: 1,
    updated: expect.stringMatching(/^\d{4}-/),
    settings: {
      partitionStrategy: "hash",
      partitionCount: 100,
      embeddingModel: "none",
      dimensions: 2,
      distanceMetric: "cosine",
    },
  });
  expect(Object.keys(config.instances).toSorted()).toEqual(["h-1", "r-1", "w-1"]);
  expect(config.instances["w-1"]).toEqual({
    role: "writer",
    status: "active",
    lastHeartbeat: expect.stringMatching(/^\d{4}-.*Z$/),
    endpoint: "http://here:3000",
    metrics: { vectorCount: 1, cacheHitRate: 1, memoryUsage: expect.any(Number) },
  });
  for (const brain of [writer, hybrid, reader]) {
    expect(brain.getMetrics().nodes).toEqual({ total: 3, healthy: 3 });
  }
  expect(joined).toEqual(["h-1", "r-1"]);
  expect(writer.getHealthStatus()).toMatchObject({ role: "writer", instanceId: "w-1" });

  const left: unknown[] = [];
  writer.on("instance_left", ({ payload }) => left.push(payload["instanceId"]));
  await reader.close();
  await fleet.time.pass(31_000);
  expect(left).toEqual(["r-1"]);
  expect(writer.getMetrics().nodes).toEqual({ total: 2, healthy: 2 });
});

test("auto is the writer where there is none, and a reader where there is one", async () => {
  withEnvironment({});
  const fleet = new Fleet();
  const first = await fleet.open({ role: "auto", instanceId: "first" });
  const second = await fleet.open({ role: "auto", instanceId: "second" });
  expect(first.getHealthStatus().role).toBe("writer");
  expect(second.getHealthStatus().role).toBe("reader");
  await first.add([1]);
  await expect(second.add([1])).rejects.toThrow(/a live writer is registered/);
  await first.close();
  const third = await fleet.open({ role: "auto" });
  expect(third.getHealthStatus().role).toBe("writer");
});

test("auto that died comes back as what it was", async () => {
  withEnvironment({});
  const fleet = new Fleet();
  const machine = fleet.time.machine();
  await fleet.open({ role: "auto", instanceId: "first" }, {}, machine);
  machine.isStopped = true;
  await fleet.time.pass(5_000);
  const again = await fleet.open({ role: "auto", instanceId: "first" });
  expect(again.getHealthStatus().role).toBe("writer");
  const other = await fleet.open({ role: "auto", instanceId: "second" });
  expect(other.getHealthStatus().role).toBe("reader");
});

test("auto on Lambda reads, and writes nothing but its heartbeat", async () => {
  withEnvironment({ AWS_LAMBDA_FUNCTION_NAME: "search", BRAINY_INSTANCE_ID: "lambda-1" });
  const fleet = new Fleet();
  const lambda = await fleet.open({ role: "auto", instanceId: "ignored" });
  await lambda.search([1, 2], 3);
  const keys: string[] = [];
  for await (const { objects } of fleet.store.list()) keys.push(...objects.map(({ key }) => key));
  expect(keys).toEqual([expect.stringMatching(/^_brainy\/heartbeats\/lambda-1\.\w{26}\.json$/)]);
});

test("the log says how the role was found, and what it overrides", async () => {
  withEnvironment({ BRAINY_ROLE: "writer" });
  const fleet = new Fleet();
  await fleet.open({ role: "reader" }, { readOnly: true });
  expect(fleet.logged).toContain("brainy: role writer: BRAINY_ROLE=writer");
  expect(fleet.logged).toContain(
    'brainy: BRAINY_ROLE=writer overrides distributed.role: "reader", readOnly: true',
  );
});

test("without `distributed` there is no registry, no role and no look at the environment", async () => {
  withEnvironment({ BRAINY_ROLE: "reader", BRAINY_INSTANCE_ID: "not valid!" });
  for (const distributed of [false, { enabled: false, role: "reader" }] as const) {
    const fleet = new Fleet();
    const { store, counters } = metered(fleet.store);
    const brain = await fleet.open(distributed, { storage: { type: "store", store } });
    await brain.add([1]);
    expect(brain.getHealthStatus().role).toBe("hybrid");
    expect(brain.getMetrics().nodes).toEqual({ total: 1, healthy: 1 });
    const before = structuredClone(counters);
    await fleet.time.pass(3_600_000);
    expect(counters).toEqual(before);
    await expect(brain.getDistributedConfig()).rejects.toMatchObject({
      code: "BRAINY_UNSUPPORTED",
      message: expect.stringMatching(/distributed/),
    });
  }
});

test("before the first write the document has instances and no settings", async () => {
  withEnvironment({ BRAINY_ROLE: "hybrid" });
  const brain = await new Fleet().open({ instanceId: "one" });
  expect(await brain.getDistributedConfig()).toMatchObject({
    version: 0,
    settings: {},
    instances: { one: { role: "hybrid", status: "active" } },
  });
});

test("[H6] maintenance stays with a holder whose heartbeat moves, and goes when that stands still", async () => {
  withEnvironment({ BRAINY_ROLE: "hybrid" });
  const fleet = new Fleet();
  const machine = fleet.time.machine();
  const holder = await fleet.open({ instanceId: "holder" }, {}, machine);
  await holder.add([1, 0]);
  await holder.compact();
  const other = await fleet.open(
    { instanceId: "other" },
    { indexing: { batchIndexUpdates: false } },
  );
  const events: string[] = [];
  other.on("*", ({ type }) => events.push(type));
  const work = async (minutes: number): Promise<void> => {
    for (let i = 0; i < 2 * minutes; i++) {
      await other.add([i, 1]);
      await fleet.time.pass(30_000);
    }
  };
  await work(20);
  expect(events).toContain("not-holder");
  expect(events).not.toContain("took-over");
  machine.isStopped = true;
  // The holder had been idle and had said so: twice 120 seconds, and one interval to notice.
  await work(3);
  expect(events).not.toContain("took-over");
  await work(3);
  expect(events).toContain("took-over");
  expect(events).toContain("instance_left");
  machine.isStopped = false;
  await holder.add([1, 1]);
  expect(await other.count({}, { consistency: "strong" })).toBe(54);
});

test("an idle instance looks at the store once a minute, unless it was told how often", async () => {
  withEnvironment({});
  for (const [options, polls] of [
    [{}, 60],
    [{ pollInterval: 10_000 }, 360],
  ] as const) {
    const fleet = new Fleet();
    const { store: inner, counters } = metered(fleet.store);
    const store = { ...inner, capabilities: { ...inner.capabilities, durable: true } };
    const writer = await fleet.open({ role: "hybrid" });
    await writer.add([1]);
    const reader = await fleet.open(
      { role: "reader" },
      { storage: { type: "store", store }, pollInterval: undefined, ...options },
    );
    const listsIn = async (ms: number): Promise<number> => {
      const before = counters.list.requests;
      await fleet.time.pass(ms);
      return counters.list.requests - before;
    };
    await listsIn(11 * 60_000);
    // Each poll lists the log; 15 more are the registry's.
    expect(await listsIn(3_600_000)).toBe(polls + 15);
    await reader.count();
    if (polls === 60) {
      await fleet.time.pass(60_000);
      expect(await listsIn(60_000)).toBeGreaterThan(50);
    }
    await reader.close();
    await writer.close();
  }
});

test("[H8] a store that loses every heartbeat fails no opening, no write and no closing", async () => {
  withEnvironment({ BRAINY_ROLE: "writer" });
  const fleet = new Fleet();
  const { store: inner } = metered(fleet.store);
  const isHeartbeat = (key: string): boolean => key.startsWith("_brainy/heartbeats/");
  const lose = async (): Promise<never> => {
    throw new Error("lost");
  };
  const store = {
    ...inner,
    put: (...args: Parameters<typeof inner.put>) =>
      isHeartbeat(args[0]) ? lose() : inner.put(...args),
    deleteMany: (...args: Parameters<typeof inner.deleteMany>) =>
      args[0].some(isHeartbeat) ? lose() : inner.deleteMany(...args),
  };
  const brain = await fleet.open({}, { storage: { type: "store", store } });
  await brain.add([1]);
  await fleet.time.pass(600_000);
  await brain.close();
  const warnings = fleet.logged.filter((line) => line.includes("cannot write its heartbeat"));
  expect(warnings).toHaveLength(1);
});
