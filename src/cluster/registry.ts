import { Alarm } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { isBrainyError } from "../base/errors.ts";
import {
  decodeHeartbeat,
  encodeHeartbeat,
  type Heartbeat,
  type HeartbeatMetrics,
} from "../format/heartbeat.ts";
import { HEARTBEAT_PREFIX, heartbeatKey } from "../format/keys.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object-store.ts";
import {
  IDLE_AFTER_MS,
  IDLE_INTERVAL_MS,
  isRemovable,
  judge,
  learn,
  mustRead,
  observe,
  type Look,
  type ObservedRun,
} from "./liveness.ts";
import type { Role } from "./role.ts";

/** A heartbeat that failed is tried again so soon: well before anybody calls this run stale. */
const RETRY_MS = 5_000;
/** Heartbeats that are read at once. */
const READS_AT_ONCE = 16;

/** What a registry watches, and whom it tells. */
export interface RegistryOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly heartbeatIntervalMs: number;
  readonly instanceTimeoutMs: number;
  readonly onEvent: (event: RegistryEvent) => void;
  /** After each look of its own accord, once this run is registered. */
  readonly onLooked?: (() => Promise<void>) | undefined;
  readonly warn: (message: string) => void;
}

/** The run that this registry speaks for. */
export interface OwnRun {
  readonly instanceId: string;
  readonly incarnation: string;
  readonly role: Role;
  readonly endpoint: string | undefined;
  readonly metrics: () => HeartbeatMetrics;
  /** Since the last operation of a user. */
  readonly idleMs: () => number;
  /** Whether this run holds maintenance, and so removes what the dead left behind. */
  readonly isHolder: () => boolean;
}

/** Who came and who went, as this process saw it. */
export type RegistryEvent =
  | {
      readonly type: "instance_joined";
      readonly instanceId: string;
      readonly incarnation: string;
      /** Absent when its heartbeat could not be read yet. */
      readonly role?: Role | undefined;
      readonly endpoint?: string | undefined;
    }
  | {
      readonly type: "instance_left";
      readonly instanceId: string;
      readonly incarnation: string;
      /** `stale` stood still for too long and may come back; `closed` took its object away. */
      readonly reason: "stale" | "closed";
    };

/** One instance in the view for people. */
export interface InstanceView {
  readonly role: Role;
  readonly status: "active" | "stale";
  /** ISO 8601, by the instance's own clock. */
  readonly lastHeartbeat: string;
  readonly endpoint?: string | undefined;
  readonly metrics: HeartbeatMetrics;
}

/**
 * Who is in the fleet. Each run writes one object, again and again, and looks at those of the
 * others; nobody writes what another one writes. What the registry says is advice: no outcome of
 * a write depends on it. Spec: docs/specs/registry.md.
 */
export class Registry {
  readonly #options: RegistryOptions;
  #heartbeatIntervalMs: number;
  #instanceTimeoutMs: number;
  /** Cuts the time between two heartbeats short. */
  readonly #alarm = new Alarm();
  readonly #stopping = new AbortController();
  #runs: ReadonlyMap<string, ObservedRun> = new Map();
  #own: OwnRun | undefined;
  #started = "";
  #lastHeartbeat: string | undefined;
  #beats = 0;
  #hasLooked = false;
  #hasSwept = false;
  #hasLeft = false;
  /** Only a reader falls silent: where it may not write, nobody needs to hear of it. */
  #isSilent = false;
  readonly #warned = new Set<string>();
  #looking: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#heartbeatIntervalMs = options.heartbeatIntervalMs;
    this.#instanceTimeoutMs = options.instanceTimeoutMs;
  }

  /** Goes on with other times: the next heartbeat goes out now, and says when the one after is due. */
  retime(times: {
    readonly heartbeatIntervalMs: number;
    readonly instanceTimeoutMs: number;
  }): void {
    const isOther = times.heartbeatIntervalMs !== this.#heartbeatIntervalMs;
    this.#heartbeatIntervalMs = times.heartbeatIntervalMs;
    this.#instanceTimeoutMs = times.instanceTimeoutMs;
    if (isOther) this.#alarm.ring();
  }

  /** Looks at all heartbeats: one LIST, and a GET for each run that is new or suspect. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#look());
  }

  /** Whether a run of this role is alive, leaving out earlier runs of one instance. */
  hasLive(role: Role, exceptInstanceId: string | undefined): boolean {
    return [...this.#runs.values()].some(
      ({ status, heartbeat, instanceId }) =>
        status === "active" && heartbeat?.role === role && instanceId !== exceptInstanceId,
    );
  }

  /** Registers this run and keeps it registered until `close`. Resolves after the first attempt. */
  async start(own: OwnRun): Promise<void> {
    this.#own = own;
    this.#started = this.#now();
    const delayMs = await this.#beat();
    this.#running = this.#run(delayMs);
  }

  /** Whether this incarnation has shown life of late; of an unknown one nothing is known. */
  isAlive(incarnation: string): boolean {
    if (this.#own?.incarnation === incarnation) return true;
    for (const run of this.#runs.values()) {
      if (run.incarnation === incarnation) return run.status === "active";
    }
    return false;
  }

  /**
   * Whether it falls to this run to write down who is there: to the holder of maintenance, or
   * where that is not one of the fleet, to the first by name of those that may write. One that
   * leaves does it only where nobody is left to.
   */
  keepsView(holder: string): boolean {
    const own = this.#own;
    if (own === undefined || own.role === "reader") return false;
    const others = [...this.#runs.values()].filter(
      ({ status, heartbeat }) => status === "active" && (heartbeat?.role ?? "reader") !== "reader",
    );
    if (this.isClosed) return others.length === 0;
    const held = [own, ...others].find(({ incarnation }) => incarnation === holder);
    if (held !== undefined) return held.incarnation === own.incarnation;
    const nameOf = (run: Pick<OwnRun, "instanceId" | "incarnation">): string =>
      `${run.instanceId}.${run.incarnation}`;
    return others.every((other) => nameOf(own) < nameOf(other));
  }

  /** The same, with a difference between who has stood still and who is not there. */
  statusOf(incarnation: string): ObservedRun["status"] | undefined {
    if (this.#own?.incarnation === incarnation) return "active";
    return [...this.#runs.values()].find((run) => run.incarnation === incarnation)?.status;
  }

  /** Instance ids of all live runs that may write, in order, as of the last look. */
  writers(): readonly string[] {
    const ids = new Set<string>();
    for (const { status, heartbeat, instanceId } of this.#runs.values()) {
      if (status === "active" && (heartbeat?.role ?? "reader") !== "reader") ids.add(instanceId);
    }
    if (this.#own !== undefined && this.#own.role !== "reader") ids.add(this.#own.instanceId);
    return [...ids].toSorted();
  }

  /** Instances by name, as of the last look; this one is among them and healthy. */
  get nodes(): { readonly total: number; readonly healthy: number } {
    const runs = [...this.#runs.values()];
    const own = this.#own === undefined ? [] : [this.#own.instanceId];
    const active = runs.filter(({ status }) => status === "active");
    return {
      total: new Set([...own, ...runs.map(({ instanceId }) => instanceId)]).size,
      healthy: new Set([...own, ...active.map(({ instanceId }) => instanceId)]).size,
    };
  }

  /**
   * All instances, after a look of its own and a GET for each run that has changed since it was
   * last read. Of several runs with one name the newest active one is shown.
   */
  async instances(): Promise<Record<string, InstanceView>> {
    await this.#inTurn(async () => {
      await this.#look();
      await this.#read([...this.#runs.values()].filter(({ etag, readEtag }) => etag !== readEtag));
    });
    return this.views();
  }

  /** The same as of the last look: of whom the heartbeat was read, as it was then. */
  views(): Record<string, InstanceView> {
    const shown = [...this.#runs.values()].toSorted(
      (a, b) =>
        Number(a.status === "active") - Number(b.status === "active") ||
        (a.incarnation < b.incarnation ? -1 : 1),
    );
    const views: Record<string, InstanceView> = {};
    for (const { instanceId, status, heartbeat } of shown) {
      if (heartbeat === undefined) continue;
      const { role, lastHeartbeat, endpoint, metrics } = heartbeat;
      const reached = endpoint !== undefined && { endpoint };
      views[instanceId] = { role, status, lastHeartbeat, ...reached, metrics };
    }
    if (this.#own !== undefined && !this.isClosed) {
      const { instanceId, role, endpoint, metrics } = this.#own;
      const lastHeartbeat = this.#lastHeartbeat ?? this.#now();
      const reached = endpoint !== undefined && { endpoint };
      views[instanceId] = { role, status: "active", lastHeartbeat, ...reached, metrics: metrics() };
    }
    return views;
  }

  /** Of this run, once it is registered. */
  get role(): Role | undefined {
    return this.#own?.role;
  }

  /** Whether it was told to close. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether its heartbeat was taken away. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Stops, and takes its own object away: others need not wait. Idempotent, never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Looks never overlap: each judges what the one before it has seen. */
  #inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.#looking.then(run);
    this.#looking = done.catch(() => undefined);
    return done;
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#looking;
    if (this.#own === undefined || this.#beats === 0) return;
    // A heartbeat that failed may have been written all the same.
    await this.#try("cannot take its heartbeat away", async () => {
      await this.#options.store.deleteMany([this.#ownKey]);
      this.#hasLeft = true;
    });
  }

  async #run(firstDelayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    let delayMs = firstDelayMs;
    let hasLooked = true;
    await this.lookAround();
    while (!signal.aborted) {
      await this.#alarm.sleep(this.#options.clock, delayMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      delayMs = await this.#beat();
      // A LIST costs as much as a heartbeat, and an idle instance decides nothing by it.
      hasLooked = !this.#isIdle || !hasLooked;
      if (hasLooked) await this.lookAround();
    }
  }

  /** A look, and what follows from it; of its own accord after most heartbeats. Never rejects. */
  async lookAround(): Promise<void> {
    await this.#try("cannot look at its fleet", () => this.look());
    if (!this.#stopping.signal.aborted) await this.#options.onLooked?.();
  }

  /** Writes this run's object. Returns when the next heartbeat is due, in milliseconds. */
  async #beat(): Promise<number> {
    const own = this.#own!;
    const { store } = this.#options;
    const nextInMs = this.#isIdle
      ? Math.max(IDLE_INTERVAL_MS, this.#heartbeatIntervalMs)
      : this.#heartbeatIntervalMs;
    if (this.#isSilent) return nextInMs;
    const { instanceId, incarnation, role, endpoint } = own;
    const lastHeartbeat = this.#now();
    const heartbeat: Heartbeat = {
      instanceId,
      incarnation,
      role,
      endpoint,
      started: this.#started,
      lastHeartbeat,
      beat: ++this.#beats,
      nextInMs,
      metrics: own.metrics(),
    };
    try {
      await store.put(this.#ownKey, encodeHeartbeat(heartbeat));
      this.#lastHeartbeat = lastHeartbeat;
      this.#warned.delete("cannot write its heartbeat");
      return nextInMs;
    } catch (error) {
      const isRefused =
        isBrainyError(error, "BRAINY_DENIED") || isBrainyError(error, "BRAINY_UNSUPPORTED");
      if (isRefused && role === "reader") {
        this.#isSilent = true;
        this.#beats = 0;
        this.#options.warn(
          `reader ${instanceId} may not write to ${store.name}: it reads without a heartbeat, so ` +
            "others do not see it",
        );
        return nextInMs;
      }
      this.#warn("cannot write its heartbeat", error);
      return isRefused ? nextInMs : Math.min(RETRY_MS, nextInMs);
    }
  }

  async #look(): Promise<void> {
    const instanceTimeoutMs = this.#instanceTimeoutMs;
    const before = this.#runs;
    const look = await this.#list();
    this.#runs = observe(before, look);
    const suspects = [...this.#runs.values()].filter((run) =>
      mustRead(run, look, instanceTimeoutMs),
    );
    await this.#read(suspects);
    const judged = new Map<string, ObservedRun>();
    for (const [key, run] of this.#runs) {
      judged.set(key, { ...run, status: judge(run, look, instanceTimeoutMs) });
    }
    this.#runs = judged;
    if (this.#hasLooked) this.#report(before, judged);
    this.#hasLooked = true;
    await this.#removeDead();
  }

  /** Every object but this run's own. */
  async #list(): Promise<Look> {
    const { store, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const objects: ObjectInfo[] = [];
    let storeMs = 0;
    for await (const page of store.list({ prefix: HEARTBEAT_PREFIX })) {
      storeMs = page.storeMs;
      for (const object of page.objects) if (object.key !== this.#ownKey) objects.push(object);
    }
    return { startedMs, endedMs: clock.monotonicMs(), storeMs, objects };
  }

  async #read(runs: readonly ObservedRun[]): Promise<void> {
    for (let start = 0; start < runs.length; start += READS_AT_ONCE) {
      const batch = runs.slice(start, start + READS_AT_ONCE);
      const learned = await Promise.all(batch.map((run) => this.#readOne(run)));
      const known = new Map(this.#runs);
      for (const run of learned) known.set(run.key, run);
      this.#runs = known;
    }
  }

  /** One that is gone or does not answer stays as it was: the next look tells more. */
  async #readOne(run: ObservedRun): Promise<ObservedRun> {
    const { store, clock } = this.#options;
    try {
      const found = await store.get(run.key);
      if (found === undefined) return run;
      const { etag, bytes } = found;
      const nowMs = clock.monotonicMs();
      try {
        return learn(run, { etag, heartbeat: decodeHeartbeat(bytes, run.key), nowMs });
      } catch (error) {
        this.#warn(`cannot read the heartbeat of ${run.instanceId}`, error);
        return learn(run, { etag, heartbeat: undefined, nowMs });
      }
    } catch (error) {
      this.#warn(`cannot read the heartbeat of ${run.instanceId}`, error);
      return run;
    }
  }

  #report(before: ReadonlyMap<string, ObservedRun>, after: ReadonlyMap<string, ObservedRun>): void {
    const { onEvent } = this.#options;
    for (const { key, instanceId, incarnation, status, heartbeat, hasMoved } of after.values()) {
      const was = before.get(key)?.status;
      if (status === "active" && was !== "active") {
        const { role, endpoint } = heartbeat ?? {};
        const reached = endpoint !== undefined && { endpoint };
        onEvent({ type: "instance_joined", instanceId, incarnation, role, ...reached });
      }
      if (status === "stale" && was === "active") {
        onEvent({ type: "instance_left", instanceId, incarnation, reason: "stale" });
      }
      if (hasMoved && status === "active" && instanceId === this.#own?.instanceId) {
        this.#warn(`shares its instance id ${instanceId} with another live run`, incarnation);
      }
    }
    for (const { key, instanceId, incarnation, status } of before.values()) {
      if (after.has(key) || status === "stale") continue;
      onEvent({ type: "instance_left", instanceId, incarnation, reason: "closed" });
    }
  }

  /** On open, and after by whoever holds maintenance. */
  async #removeDead(): Promise<void> {
    if (this.#own === undefined || this.#isSilent) return;
    if (this.#hasSwept && !this.#own.isHolder()) return;
    this.#hasSwept = true;
    const keys = [...this.#runs.values()].filter(isRemovable).map(({ key }) => key);
    if (keys.length === 0) return;
    await this.#try("cannot remove old heartbeats", async () => {
      await this.#options.store.deleteMany(keys);
      this.#runs = new Map([...this.#runs].filter(([key]) => !keys.includes(key)));
    });
  }

  async #try(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
      this.#warned.delete(what);
    } catch (error) {
      this.#warn(what, error);
    }
  }

  /** Once, until it has gone well again. */
  #warn(what: string, why: unknown): void {
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    this.#options.warn(`this instance ${what}: ${String(why)}`);
  }

  get #isIdle(): boolean {
    return (this.#own?.idleMs() ?? 0) >= IDLE_AFTER_MS;
  }

  get #ownKey(): string {
    const { instanceId = "", incarnation = "" } = this.#own ?? {};
    return heartbeatKey(instanceId, incarnation);
  }

  #now(): string {
    return new Date(this.#options.clock.nowMs()).toISOString();
  }
}
