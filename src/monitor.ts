import { Awake, type Clock } from "./base/clock.ts";
import { isBrainyError } from "./base/errors.ts";
import type { Role } from "./cluster/role.ts";
import type { ContentCache, ContentCacheCounters } from "./engine/content-cache.ts";
import type { Database } from "./engine/database.ts";
import { estimateRequestCost } from "./storage/cost.ts";
import type { BlockCacheCounters } from "./storage/layers/block-cache.ts";
import { addRequests } from "./storage/request-sums.ts";
import type { RequestCounters } from "./storage/layers/metered.ts";
import type { HeartbeatMetrics } from "./format/heartbeat.ts";

/** Seconds over which rates are averaged. */
const WINDOW_SECONDS = 60;
/** Share of the memory this process may use from which health warns. */
const MEMORY_SHARE_HIGH = 0.9;
/** Share of failed operations from which health is degraded, and unhealthy. */
const ERROR_RATE_DEGRADED = 0.01;
const ERROR_RATE_UNHEALTHY = 0.5;
/** Slots waiting for compaction from which health is degraded. */
const SLOTS_HIGH = 10_000;

/** Health of one instance; every figure is measured by this process. */
export interface HealthStatus {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly instanceId: string;
  readonly role: Role;
  /** Seconds since it was opened. */
  readonly uptime: number;
  readonly metrics: {
    /** Records that searches see. */
    readonly vectorCount: number;
    /** Share of records whose content was read from memory rather than from the store. */
    readonly cacheHitRate: number;
    /** Resident memory of the process. */
    readonly memoryUsageMB: number;
    /** Of one core, since the call before; may exceed 100. */
    readonly cpuUsagePercent: number;
    /** Reads and writes over the last minute. */
    readonly requestsPerSecond: number;
    readonly averageLatencyMs: number;
    /** Share of operations of the last minute that failed for reasons other than the call. */
    readonly errorRate: number;
  };
  readonly warnings: readonly string[];
}

/** Figures of one instance. Sizes in bytes, times in milliseconds. */
export interface Metrics {
  readonly nodes: { readonly total: number; readonly healthy: number };
  /** Partitions, and those that this instance is to own: all of them outside of a fleet. */
  readonly shards: { readonly total: number; readonly local: number };
  readonly replication: { readonly factor: number; readonly lag: number };
  readonly operations: { readonly reads: number; readonly writes: number };
  /** `available` is `undefined` where the store has no known bound. */
  readonly storage: { readonly used: number; readonly available: number | undefined };
  readonly index: {
    readonly records: number;
    readonly segments: number;
    readonly tailOperations: number;
    readonly tailBytes: number;
    readonly manifest: number;
    readonly junkOperations: number;
  };
  /**
   * Requests to a store that charges for them, with what they cost at public S3 prices;
   * `undefined` elsewhere. Those of a compaction thread are added when its job ends.
   */
  readonly requests: (RequestCounters & { readonly estimatedUsd: number }) | undefined;
  /** `undefined` where there is no `coordinationMethod`. */
  readonly hints: HintMetrics | undefined;
  /**
   * Blocks of segments on a disk; `undefined` without `cache.dir` and its kin. Its `bytes` are
   * `undefined` until they were counted.
   */
  readonly cache: Readonly<BlockCacheCounters> | undefined;
  /** Data and texts in memory. */
  readonly recordCache: ContentCacheCounters;
  readonly log: {
    /** Waiting for compaction. */
    readonly slots: number;
    readonly slotsWritten: number;
    readonly bytesWritten: number;
  };
}

type Kind = "read" | "write";

interface Second {
  readonly at: number;
  operations: number;
  failures: number;
  latencyMs: number;
}

/** What a process says of itself, as far as it can. */
export interface ProcessFigures {
  /** Bytes. */
  memoryUsage?(): { readonly rss: number };
  /** Microseconds. */
  cpuUsage?(): { readonly user: number; readonly system: number };
  /** Bytes that the container or machine allows; 0 or an absurd number when nothing limits it. */
  constrainedMemory?(): number;
}

/** Hints between instances of a fleet, counted by this one. */
export interface HintMetrics {
  readonly sent: number;
  readonly received: number;
  /** Garbage that came in, and what was too much to be sent. */
  readonly dropped: number;
  /** Whether others hear this instance, as far as it knows. */
  readonly connected: boolean;
}

/** Where the figures of caches are. */
export interface NearFigures {
  readonly blocks: BlockCacheCounters | undefined;
  readonly contents: Pick<ContentCache, "counters" | "hitRate">;
}

/** Counts what an instance does, and judges how it is. */
export class Monitor {
  /** What users wait for keeps the process alive; what runs in the background does not. */
  readonly awake: Awake;
  readonly #clock: Clock;
  readonly #near: NearFigures;
  readonly #process: ProcessFigures;
  readonly #openedAtMs: number;
  readonly #seconds: Second[] = [];
  readonly #totals = { read: 0, write: 0 };
  #usedAtMs: number;
  /** Live counters of a store that charges. */
  requests: RequestCounters | undefined;
  /** Live figures of an instance that is told what is new, and why that fails. */
  hints: (() => (HintMetrics & { readonly trouble: string | undefined }) | undefined) | undefined;
  #cpu: { readonly atMs: number; readonly micros: number };

  constructor(clock: Clock, near: NearFigures, figures: ProcessFigures = processFigures()) {
    this.awake = new Awake(clock);
    this.#clock = clock;
    this.#near = near;
    this.#process = figures;
    this.#openedAtMs = clock.monotonicMs();
    this.#usedAtMs = this.#openedAtMs;
    this.#cpu = { atMs: this.#openedAtMs, micros: this.#cpuMicros() };
  }

  /** Runs an operation and counts it. */
  async measure<T>(kind: Kind, run: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    let isFailure = false;
    try {
      return await this.awake.during(run);
    } catch (error) {
      // A wrong call, or one that was given up, says nothing about this instance.
      isFailure = !(isBrainyError(error) && error.action === "fix-call") && !isAbort(error);
      throw error;
    } finally {
      this.#totals[kind]++;
      this.#usedAtMs = this.#clock.monotonicMs();
      const second = this.#second();
      second.operations++;
      if (isFailure) second.failures++;
      second.latencyMs += this.#clock.monotonicMs() - startedMs;
    }
  }

  /** Since the last operation ended, or since it was opened. */
  get idleMs(): number {
    return this.#clock.monotonicMs() - this.#usedAtMs;
  }

  /** What an instance tells its fleet. */
  figures(database: Database | undefined): HeartbeatMetrics {
    return {
      vectorCount: database?.stats().records ?? 0,
      cacheHitRate: this.#near.contents.hitRate,
      memoryUsage: this.#process.memoryUsage?.().rss ?? 0,
    };
  }

  /** See docs/guide/monitoring.md for every threshold and warning. */
  health(options: {
    readonly database: Database | undefined;
    readonly instanceId: string;
    readonly role: Role;
  }): HealthStatus {
    const { database, instanceId, role } = options;
    const stats = database?.stats();
    const window = this.#window();
    const { vectorCount, cacheHitRate, memoryUsage: memoryBytes } = this.figures(database);
    const warnings: string[] = [];
    if (memoryBytes > MEMORY_SHARE_HIGH * this.#memoryLimit()) {
      warnings.push("High memory usage detected");
    }
    if (window.errorRate >= ERROR_RATE_DEGRADED) warnings.push("High error rate detected");
    if ((stats?.slots ?? 0) > SLOTS_HIGH) warnings.push("Compaction is falling behind");
    if (stats?.maintenanceError !== undefined) {
      const { maintenanceError: error } = stats;
      warnings.push(`Compaction failed: ${error instanceof Error ? error.message : "unknown"}`);
    }
    const trouble = this.hints?.()?.trouble;
    if (trouble !== undefined) warnings.push(`Hints do not arrive: ${trouble}`);
    const isUnhealthy = window.errorRate >= ERROR_RATE_UNHEALTHY;
    return {
      status: isUnhealthy ? "unhealthy" : warnings.length > 0 ? "degraded" : "healthy",
      instanceId,
      role,
      uptime: (this.#clock.monotonicMs() - this.#openedAtMs) / 1_000,
      metrics: {
        vectorCount,
        cacheHitRate,
        memoryUsageMB: memoryBytes / 2 ** 20,
        cpuUsagePercent: this.#cpuPercent(),
        requestsPerSecond: window.operations / window.seconds,
        averageLatencyMs: window.operations === 0 ? 0 : window.latencyMs / window.operations,
        errorRate: window.errorRate,
      },
      warnings,
    };
  }

  /** `nodes` are those of the fleet, if there is one. */
  metrics(
    database: Database | undefined,
    fleet: {
      readonly nodes: Metrics["nodes"] | undefined;
      readonly ownPartitions: readonly number[] | undefined;
    },
  ): Metrics {
    const { nodes, ownPartitions } = fleet;
    const stats = database?.stats();
    const partitions = database?.config?.settings.partitionCount ?? 0;
    return {
      nodes: nodes ?? { total: 1, healthy: 1 },
      shards: { total: partitions, local: ownPartitions?.length ?? partitions },
      replication: {
        factor: 1,
        lag: Math.min(database?.stalenessMs ?? 0, Number.MAX_SAFE_INTEGER),
      },
      operations: { reads: this.#totals.read, writes: this.#totals.write },
      storage: { used: stats?.segmentBytes ?? 0, available: undefined },
      index: {
        records: stats?.records ?? 0,
        segments: stats?.segments ?? 0,
        tailOperations: stats?.tailOperations ?? 0,
        tailBytes: stats?.tailBytes ?? 0,
        manifest: stats?.manifest ?? 0,
        junkOperations: stats?.junkOperations ?? 0,
      },
      requests: this.requests && {
        ...structuredClone(this.requests),
        estimatedUsd: estimateRequestCost(this.requests).totalUsd,
      },
      hints: this.#hintMetrics(),
      cache: this.#near.blocks && { ...this.#near.blocks },
      recordCache: this.#near.contents.counters,
      log: {
        slots: stats?.slots ?? 0,
        slotsWritten: stats?.slotsWritten ?? 0,
        bytesWritten: stats?.bytesWritten ?? 0,
      },
    };
  }

  #hintMetrics(): HintMetrics | undefined {
    const hints = this.hints?.();
    if (hints === undefined) return undefined;
    const { sent, received, dropped, connected } = hints;
    return { sent, received, dropped, connected };
  }

  /** Those of a compaction thread, whose store is its own. */
  addRequests(requests: RequestCounters): void {
    if (this.requests !== undefined) addRequests(this.requests, requests);
  }

  #second(): Second {
    const at = Math.floor(this.#clock.monotonicMs() / 1_000);
    const last = this.#seconds.at(-1);
    if (last?.at === at) return last;
    const second = { at, operations: 0, failures: 0, latencyMs: 0 };
    this.#seconds.push(second);
    while (this.#seconds[0]!.at <= at - WINDOW_SECONDS) this.#seconds.shift();
    return second;
  }

  #window(): {
    readonly seconds: number;
    readonly operations: number;
    readonly latencyMs: number;
    readonly errorRate: number;
  } {
    const nowMs = this.#clock.monotonicMs();
    const from = Math.floor(nowMs / 1_000) - WINDOW_SECONDS;
    let operations = 0;
    let failures = 0;
    let latencyMs = 0;
    for (const second of this.#seconds) {
      if (second.at <= from) continue;
      operations += second.operations;
      failures += second.failures;
      latencyMs += second.latencyMs;
    }
    const openSeconds = (nowMs - this.#openedAtMs) / 1_000;
    return {
      seconds: Math.max(1, Math.min(WINDOW_SECONDS, openSeconds)),
      operations,
      latencyMs,
      errorRate: operations === 0 ? 0 : failures / operations,
    };
  }

  #cpuPercent(): number {
    const now = { atMs: this.#clock.monotonicMs(), micros: this.#cpuMicros() };
    const before = this.#cpu;
    this.#cpu = now;
    const elapsedMs = now.atMs - before.atMs;
    return elapsedMs <= 0 ? 0 : (now.micros - before.micros) / 10 / elapsedMs;
  }

  #cpuMicros(): number {
    const usage = this.#process.cpuUsage?.();
    return usage === undefined ? 0 : usage.user + usage.system;
  }

  /** No limit known means no warning. */
  #memoryLimit(): number {
    const limit = this.#process.constrainedMemory?.() ?? 0;
    return limit > 0 && limit < 2 ** 50 ? limit : Number.POSITIVE_INFINITY;
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

/** Absent outside Node and its kin; figures are then 0. */
function processFigures(): ProcessFigures {
  return (globalThis as { process?: ProcessFigures }).process ?? {};
}
