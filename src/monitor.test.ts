import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FakeClock } from "../test/support/fake-clock.ts";
import { BrainyError } from "./base/errors.ts";
import type { Database } from "./engine/database.ts";
import { Monitor, type HealthStatus, type ProcessFigures } from "./monitor.ts";

const MIB = 2 ** 20;

/** An instance whose figures a test sets. */
class Instance {
  readonly clock = new FakeClock();
  readonly process = { rss: 0, limit: 0, user: 0, system: 0 };
  readonly stats: { records: number; slots: number; maintenanceError: unknown } = {
    records: 0,
    slots: 0,
    maintenanceError: undefined,
  };
  hitRate = 0;
  readonly monitor: Monitor;

  constructor(hidden: readonly (keyof ProcessFigures)[] = []) {
    const figures: ProcessFigures = {
      memoryUsage: () => ({ rss: this.process.rss }),
      cpuUsage: () => ({ user: this.process.user, system: this.process.system }),
      constrainedMemory: () => this.process.limit,
    };
    for (const name of hidden) delete figures[name];
    const hitRate = (): number => this.hitRate;
    const contents = {
      get hitRate() {
        return hitRate();
      },
    };
    const near = { blocks: undefined, contents } as unknown as ConstructorParameters<
      typeof Monitor
    >[1];
    this.monitor = new Monitor(this.clock, near, figures);
  }

  /** What an open database says of itself, as far as health asks. */
  get #database(): Database {
    return { stats: () => this.stats } as unknown as Database;
  }

  health(): HealthStatus {
    return this.monitor.health({ database: this.#database, instanceId: "i", role: "hybrid" });
  }

  async run(count: number, error?: Error, ms = 0): Promise<void> {
    for (let i = 0; i < count; i++) {
      const work = async (): Promise<void> => {
        this.clock.advance(ms);
        if (error !== undefined) throw error;
      };
      await this.monitor.measure(i % 2 === 0 ? "read" : "write", work).catch(() => undefined);
    }
  }
}

const FAILURE = new BrainyError("BRAINY_UNAVAILABLE", "the store is away");

test("memory: a warning above 90 % of what the container may use, and none without a limit", () => {
  const instance = new Instance();
  Object.assign(instance.process, { rss: 900 * MIB, limit: 1_000 * MIB });
  expect(instance.health()).toMatchObject({ status: "healthy", warnings: [] });
  instance.process.rss++;
  expect(instance.health()).toMatchObject({
    status: "degraded",
    warnings: ["High memory usage detected"],
  });
  expect(instance.health().metrics.memoryUsageMB).toBeCloseTo(900);
  // Nothing limits this process: 0, or on some systems nearly 2^63.
  for (const limit of [0, 2 ** 63]) {
    instance.process.limit = limit;
    expect(instance.health().warnings).toEqual([]);
  }
  const elsewhere = new Instance(["memoryUsage", "cpuUsage", "constrainedMemory"]);
  expect(elsewhere.health()).toMatchObject({
    status: "healthy",
    metrics: { memoryUsageMB: 0, cpuUsagePercent: 0 },
  });
});

test("errors: degraded from 1 % of the last minute, unhealthy from half of it", async () => {
  const instance = new Instance();
  await instance.run(100);
  await instance.run(1, FAILURE);
  expect(instance.health()).toMatchObject({ status: "healthy", warnings: [] });
  await instance.run(1, FAILURE);
  expect(instance.health()).toMatchObject({
    status: "degraded",
    warnings: ["High error rate detected"],
  });
  await instance.run(97, FAILURE);
  expect(instance.health().status).toBe("degraded");
  await instance.run(1, FAILURE);
  expect(instance.health()).toMatchObject({ status: "unhealthy", metrics: { errorRate: 0.5 } });
  // A minute later it is over.
  instance.clock.advance(60_000);
  expect(instance.health()).toMatchObject({ status: "healthy", metrics: { errorRate: 0 } });
});

test("wrong calls, and calls that were given up, are no errors of the instance", async () => {
  const instance = new Instance();
  await instance.run(5, new BrainyError("BRAINY_INVALID_ARGUMENT", "a wrong call"));
  await instance.run(5, Object.assign(new Error("given up"), { name: "AbortError" }));
  await instance.run(5, Object.assign(new Error("too late"), { name: "TimeoutError" }));
  expect(instance.health()).toMatchObject({ status: "healthy", metrics: { errorRate: 0 } });
  await instance.run(1, new Error("of something else"));
  expect(instance.health().status).toBe("degraded");
});

test("compaction: a warning above 10,000 slots that wait, and for a run that failed", () => {
  const instance = new Instance();
  instance.stats.slots = 10_000;
  expect(instance.health().warnings).toEqual([]);
  instance.stats.slots++;
  expect(instance.health()).toMatchObject({
    status: "degraded",
    warnings: ["Compaction is falling behind"],
  });
  instance.stats.slots = 0;
  instance.stats.maintenanceError = FAILURE;
  expect(instance.health().warnings).toEqual(["Compaction failed: the store is away"]);
});

test("every figure is measured: operations, their time, records, hits, and the processor", async () => {
  const instance = new Instance();
  instance.stats.records = 7;
  instance.hitRate = 0.25;
  await instance.run(10, undefined, 20);
  instance.clock.advance(4_800);
  Object.assign(instance.process, { user: 1_500_000, system: 1_000_000 });
  const health = instance.health();
  expect(health).toMatchObject({ instanceId: "i", role: "hybrid", uptime: 5 });
  expect(health.metrics).toEqual({
    vectorCount: 7,
    cacheHitRate: 0.25,
    memoryUsageMB: 0,
    // Two and a half seconds of a processor in five.
    cpuUsagePercent: 50,
    requestsPerSecond: 2,
    averageLatencyMs: 20,
    errorRate: 0,
  });
  // Since the call before.
  instance.clock.advance(1_000);
  expect(instance.health().metrics.cpuUsagePercent).toBe(0);
  // Over the last minute, once there was one.
  instance.clock.advance(55_000);
  await instance.run(30);
  expect(instance.health().metrics.requestsPerSecond).toBe(0.5);
});

test("the guide has a row for each warning, and no other", async () => {
  const guide = readFileSync(new URL("../docs/guide/monitoring.md", import.meta.url), "utf8");
  const table = guide.slice(guide.indexOf("| warning |"), guide.indexOf("`instanceId` and"));
  const documented = [...table.matchAll(/^\| `([^`]+?)(: …)?` \|/gm)].map((row) => row[1]);
  const instance = new Instance();
  Object.assign(instance.process, { rss: 2, limit: 1 });
  Object.assign(instance.stats, { slots: 10_001, maintenanceError: FAILURE });
  const counters = { sent: 0, received: 0, dropped: 0, connected: false };
  instance.monitor.hints = () => ({ ...counters, trouble: "no relay" });
  await instance.run(1, FAILURE);
  const told = instance.health().warnings.map((warning) => warning.split(":")[0]);
  expect(new Set(told)).toEqual(new Set(documented));
  expect(told).toHaveLength(5);
});
