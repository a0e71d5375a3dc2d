import { BrainyError, invalid } from "./base/errors.ts";
import { Alarm } from "./base/alarm.ts";
import { freshness } from "./call-options.ts";
import type { ConfigEvent } from "./cluster/config-watcher.ts";
import { assembleConfig, type DistributedConfig } from "./cluster/distributed-config.ts";
import type { Hints } from "./cluster/hints.ts";
import type { AssignmentEvent, PartitionOwners } from "./cluster/partition-owners.ts";
import type { Registry, RegistryEvent } from "./cluster/registry.ts";
import { decideAuto, overrideRole, type Role, type RoleDecision } from "./cluster/role.ts";
import type { Executor } from "./engine/compaction.ts";
import type { DatabaseEvent } from "./engine/database-options.ts";
import type { Database } from "./engine/database.ts";
import type { Freshness } from "./engine/freshness.ts";
import { readRecords, type RecordReference, type StoredRecord } from "./engine/records.ts";
import { Coordination } from "./coordination.ts";
import { Emitter } from "./emitter.ts";
import { overridesKey } from "./format/keys.ts";
import { FleetSettings } from "./fleet-settings.ts";
import type { LiveSettings } from "./live-settings.ts";
import { Monitor } from "./monitor.ts";
import type { OpenedBus } from "./open-event-bus.ts";
import type { ResolvedOptions } from "./options.ts";
import { NearCaches } from "./near-caches.ts";
import { nextWaitMs, pollPace, type PollPace } from "./poll-pace.ts";
import { placementBy } from "./placement-by.ts";
import { siblingResolver } from "./sibling-resolver.ts";
import { openStorage, type OpenedStorage } from "./storage-option.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import { lexicalEmbedder, type Embedder } from "./text/index.ts";
import type { PartitionInfo, ReadOptions, RecordPart } from "./types.ts";

/** A poll that was switched off waits so long to be switched on. */
const NEVER_MS = 86_400_000;

/**
 * One Brainy from its first use to its end: the store, the engine on it, what runs in the
 * background, and the embedder.
 */
export class Session {
  readonly options: ResolvedOptions;
  readonly monitor: Monitor;
  readonly events: Emitter;
  readonly near: NearCaches;
  readonly #coordination: Coordination;
  readonly #settings: FleetSettings;
  readonly #stopping = new AbortController();
  #opening: Promise<Database> | undefined;
  #database: Database | undefined;
  #storage: Promise<OpenedStorage> | undefined;
  #probed: Promise<void> | undefined;
  #embedder: Embedder | undefined;
  #role: RoleDecision | undefined;
  #registry: Registry | undefined;
  /** Cuts the time between two polls short. */
  readonly #pollAlarm = new Alarm();
  #pollInterval: number | undefined;
  #owners: PartitionOwners | undefined;
  #instanceId: string | undefined;
  #bus: Promise<OpenedBus | undefined> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedOptions) {
    this.options = options;
    const { clock, cache, logger } = options;
    this.events = new Emitter(clock);
    this.near = new NearCaches({
      clock,
      cache,
      logger,
      signal: this.#stopping.signal,
      onPrefetched: (manifest) => this.events.emit("prefetched", { manifest }),
    });
    this.monitor = new Monitor(clock, this.near);
    this.#coordination = new Coordination({
      clock: options.clock,
      onEvent: (type, payload) => this.#tell(type, payload),
    });
    this.#settings = new FleetSettings({
      options,
      hints: this.hints,
      known: () => this.#database?.config?.settings,
      idleMs: () => this.monitor.idleMs,
      onEvent: (event, hidden) => this.#reportConfig(event, hidden),
      onChange: () => this.#useSettings(),
    });
    this.#pollInterval = options.given.pollInterval;
    this.#role = options.distributed?.role;
    this.#instanceId = options.distributed?.instanceId;
  }

  /** `undefined` until it has been opened. */
  get database(): Database | undefined {
    return this.#database;
  }

  /** One that is yet to be found may not write, and so counts as a reader. */
  get role(): Role {
    const { distributed, readOnly, writeOnly } = this.options;
    if (distributed === undefined) return readOnly ? "reader" : writeOnly ? "writer" : "hybrid";
    return this.#role === undefined || this.#role.role === "auto" ? "reader" : this.#role.role;
  }

  /** A writer without an index. Where another role was found, it is not that. */
  get isWriteOnly(): boolean {
    return this.options.writeOnly && this.role === "writer";
  }

  get instanceId(): string {
    return this.#instanceId ?? this.#database?.incarnation ?? "closed";
  }

  /** Of the fleet; `undefined` where there is none. */
  get nodes(): Registry["nodes"] | undefined {
    return this.#registry?.nodes;
  }

  /** What is in force of the settings that may change while this runs. */
  get live(): LiveSettings {
    return this.#settings.live;
  }

  /** Partitions that this instance is to own; `undefined` where there is no fleet. */
  get ownPartitions(): readonly number[] | undefined {
    return this.#owners?.own;
  }

  /** What instances tell each other. Without a bus nothing goes out, and nothing comes in. */
  get hints(): Hints {
    return this.#coordination.hints;
  }

  /** The store alone, without reading anything of it. */
  openStore(): Promise<OpenedStorage> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    const { storage, clock, random } = this.options;
    this.#storage ??= openStorage(storage, { clock, random }).catch((error: unknown) => {
      this.#storage = undefined;
      throw error;
    });
    return this.#storage;
  }

  /** The engine, opened on the first call. An opening that failed is tried again by the next. */
  open(): Promise<Database> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** The same, for callers that write. */
  async openToWrite(): Promise<Database> {
    // The role in a fleet may be another one than the options say, and is known once it is open.
    if (this.options.readOnly && this.#role === undefined) throw this.refusal();
    const database = await this.open();
    if (this.role === "reader") throw this.refusal();
    return database;
  }

  /** The error of a write to an instance that only reads. */
  refusal(): BrainyError {
    const why =
      this.#role === undefined
        ? "this Brainy was opened read-only"
        : this.#role.role === "auto"
          ? `the role of this instance is not known yet (${this.#role.because}): call init() first`
          : `this instance is a reader (${this.#role.because}) and refuses writes: ` +
            "write through one whose role is writer or hybrid";
    return new BrainyError("BRAINY_UNSUPPORTED", why);
  }

  /** Shared settings and who is there, read now. */
  async distributedConfig(): Promise<DistributedConfig> {
    await this.open();
    const registry = this.#registry;
    if (registry === undefined) {
      throw new BrainyError(
        "BRAINY_UNSUPPORTED",
        "this instance is no part of a fleet: pass `distributed` to new Brainy()",
      );
    }
    const [instances] = await Promise.all([registry.instances(), this.#settings.check()]);
    return assembleConfig(this.#settings.config, instances);
  }

  /** Partitions of this database, with who owns them. */
  async discoverPartitions(freshness: Freshness): Promise<PartitionInfo[]> {
    const database = await this.open();
    const { store } = await this.openStore();
    const { clock, distributed } = this.options;
    const placement = placementBy(distributed?.partitioner);
    const [owners, registry] = [this.#owners, this.#registry];
    const { discoverPartitions } = await import("./partitions.ts");
    return discoverPartitions({ database, store, clock, freshness, placement, owners, registry });
  }

  /** Idempotent: the second caller waits for the first one's close, and shares its error. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** How fresh a read has to be: by its own options, else as this instance was told. */
  freshness(options: ReadOptions): Freshness {
    return freshness(options, this.options.distributed?.consistencyLevel ?? "eventual");
  }

  /** By whoever holds maintenance, if that one can be asked and answers; else by this instance. */
  async compact(options: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    const database = await this.openToWrite();
    const isAlive = (holder: string): boolean => this.#registry?.isAlive(holder) === true;
    if (await this.#coordination.askToCompact(isAlive, options.signal)) return;
    await database.compact(options);
  }

  /** Vectors of texts, in order, by the embedder that this database was made with. */
  async embed(texts: readonly string[], signal?: AbortSignal): Promise<readonly Float32Array[]> {
    const database = await this.open();
    this.#embedder ??= this.options.embedder ?? lexicalEmbedder();
    const embedder = this.#embedder;
    const { dimensions } = database;
    const given = embedder.dimensions;
    if (dimensions !== undefined && given !== undefined && dimensions !== given) {
      throw invalid(
        `${embedder.name} embeds into ${given} dimensions, this database has ${dimensions}: ` +
          "pass the embedding that it was made with",
      );
    }
    database.wantEmbedding(embedder.name);
    const { embeddingBatchSize, clock } = this.options;
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += embeddingBatchSize) {
      const batch = texts.slice(start, start + embeddingBatchSize);
      vectors.push(...(await embedder.embed(batch, { signal })));
      await clock.breathe();
    }
    return vectors;
  }

  /** Reads the wanted parts of records; contents from memory where they are there. */
  readAll(
    references: readonly RecordReference[],
    include: ReadonlySet<RecordPart>,
  ): Promise<StoredRecord[]> {
    const content = include.has("data") || include.has("text");
    const cache = this.near.contents;
    return readRecords(references, { content, vector: include.has("vector"), cache });
  }

  async #open(): Promise<Database> {
    const { options } = this;
    const { clock, random, checkpoint } = options;
    const storage = await this.openStore();
    const { store, needsProbe, counters } = storage;
    this.monitor.requests = counters;
    const registry = await this.#findFleet(store);
    const bus = await this.#openBus(store);
    const { distributed } = options;
    // Here and not above: importing the package is quick, and what it can do comes with its use.
    const { Database } = await import("./engine/database.ts");
    const database = await Database.open({
      store: await this.near.around(storage),
      clock,
      random,
      executor: () => this.#makeExecutor(store),
      beforeFirstWrite: needsProbe ? () => this.#probe(store) : undefined,
      readOnly: this.role === "reader",
      writeOnly: this.isWriteOnly,
      wanted: {
        dimensions: options.dimensions,
        metric: options.metric,
        embeddingModel: options.embedder?.name,
        partitioner: distributed?.partitioner,
        conflictResolution: distributed?.conflictResolution,
      },
      ownership: this.#owners && {
        instanceId: () => this.instanceId,
        endpoint: distributed?.endpoint,
        placement: placementBy(distributed?.partitioner),
        regard: (owner, partition) => this.#owners!.regard(owner, partition),
      },
      resolve: distributed?.resolver && siblingResolver(distributed.resolver),
      checkpoint,
      compaction: options.compaction,
      mayMaintain: () => this.live.values.compaction,
      indexing: options.indexing,
      limits: options.limits,
      onEvent: (event) => this.#report(event),
      isAlive: registry && ((incarnation) => registry.isAlive(incarnation)),
      onCommitted: (lane, slot) => this.#coordination.committed(lane, slot),
      onSettings: () => {
        this.#coordination.begin();
        this.#settings.request();
      },
    });
    this.#database = database;
    this.#adopted();
    if (registry !== undefined) await this.#joinFleet(registry, database, bus);
    // Without an index there is nothing to keep fresh: writing looks at the store when it has to.
    if (this.isWriteOnly) return database;
    const paceNow = (): PollPace | undefined =>
      pollPace({
        givenMs: this.live.values.pollInterval,
        isShared: store.capabilities.durable && checkpoint === undefined,
        isPriced: counters !== undefined,
        isFleet: registry !== undefined,
      });
    if (registry !== undefined || paceNow() !== undefined) void this.#poll(database, paceNow);
    return database;
  }

  /** Once a session: a store that accepts conditions and ignores them would lose data. */
  #probe(store: ObjectStore): Promise<void> {
    const { clock, random } = this.options;
    this.#probed ??= import("./storage/probe.ts")
      .then(({ probeStore }) => probeStore(store, { clock, random }))
      .catch((error: unknown) => {
        this.#probed = undefined;
        throw error;
      });
    return this.#probed;
  }

  /** The registry, and the role where that depends on who is there. */
  async #findFleet(store: ObjectStore): Promise<Registry | undefined> {
    const { clock, distributed, logger } = this.options;
    if (distributed === undefined) return undefined;
    const { instanceId } = distributed;
    await this.#settings.open(store);
    const { Registry } = await import("./cluster/registry.ts");
    const { heartbeatInterval, instanceTimeout } = this.live.values;
    const registry = new Registry({
      store,
      clock,
      heartbeatIntervalMs: heartbeatInterval,
      instanceTimeoutMs: instanceTimeout,
      onEvent: (event) => this.#report(event),
      onLooked: async () => {
        this.#settings.requestShow();
        await this.#owners!.looked(this.#database);
      },
      warn: (message) => logger.warn(`brainy: ${message}`),
    });
    const { PartitionOwners } = await import("./cluster/partition-owners.ts");
    this.#owners = new PartitionOwners({
      store,
      clock,
      random: this.options.random,
      registry,
      instanceId: () => this.instanceId,
      isWriter: () => this.role !== "reader",
      // A writer without an index that has written nothing knows of none by itself.
      settings: () => (this.#database?.config ?? this.#settings.config)?.settings,
      onEvent: (event) => this.#report(event),
      warn: (message) => logger.warn(`brainy: ${message}`),
    });
    let decision = distributed.role;
    const { role: wanted } = this.#settings.overrides;
    if (wanted !== undefined && (wanted === "reader" || this.options.checkpoint === undefined)) {
      decision = overrideRole(decision, wanted, overridesKey(instanceId!));
    }
    if (decision.role === "auto") {
      await registry.look();
      decision = decideAuto(decision.because, registry.hasLive("writer", instanceId));
    }
    this.#role = decision;
    for (const note of this.options.notes) logger.warn(`brainy: ${note}`);
    const { verbose } = this.live.values;
    if (verbose) logger.info(`brainy: role ${decision.role}: ${decision.because}`);
    if (decision.overrides.length > 0) {
      logger.warn(`brainy: ${decision.because} overrides ${decision.overrides.join(", ")}`);
    }
    return registry;
  }

  #useSettings(): void {
    const { heartbeatInterval, instanceTimeout, pollInterval } = this.live.values;
    if (pollInterval !== this.#pollInterval) this.#pollAlarm.ring();
    this.#pollInterval = pollInterval;
    this.#registry?.retime({
      heartbeatIntervalMs: heartbeatInterval,
      instanceTimeoutMs: instanceTimeout,
    });
  }

  /** What hints go over, once a session. It connects by itself, and nobody waits for that. */
  #openBus(store: ObjectStore): Promise<OpenedBus | undefined> {
    const { clock, random, distributed, logger } = this.options;
    if (distributed === undefined) return Promise.resolve(undefined);
    this.#bus ??= import("./open-event-bus.ts")
      .then(({ openEventBus }) =>
        openEventBus(distributed.coordination, {
          clock,
          random,
          store,
          idleMs: () => this.monitor.idleMs,
          onChange: (isConnected) => {
            // Without hints it looks as often as others do, from now on.
            if (isConnected) this.#coordination.connected();
            else this.#pollAlarm.ring();
          },
          info: (message) => this.live.values.verbose && logger.info(`brainy: ${message}`),
          warn: (message) => logger.warn(`brainy: ${message}`),
        }),
      )
      .catch((error: unknown) => {
        this.#bus = undefined;
        throw error;
      });
    return this.#bus;
  }

  async #joinFleet(
    registry: Registry,
    database: Database,
    opened: OpenedBus | undefined,
  ): Promise<void> {
    const { monitor } = this;
    const { incarnation } = database;
    this.#instanceId ??= `${this.role}-${incarnation.slice(-8)}`;
    this.#registry = registry;
    await registry.start({
      instanceId: this.#instanceId,
      incarnation,
      role: this.role,
      endpoint: this.options.distributed?.endpoint,
      metrics: () => monitor.figures(database),
      idleMs: () => monitor.idleMs,
      isHolder: () => database.isHolder,
    });
    this.#settings.start({
      mayWrite: this.role !== "reader",
      fleet: () => ({ registry, holder: database.holder }),
    });
    if (opened === undefined) return;
    monitor.hints = () => {
      const { counters, isConnected, trouble } = this.hints;
      return { ...counters, connected: isConnected, trouble };
    };
    this.#coordination.attach({
      bus: opened.bus,
      database,
      instanceId: this.#instanceId,
      role: this.role,
      lookAtFleet: () => registry.lookAround(),
    });
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    await this.#settings.close();
    const database = await this.#opening?.catch(() => undefined);
    await this.#coordination.quiet();
    try {
      await database?.close();
    } finally {
      // Last: until its lane is sealed, this run is alive to others.
      await this.#registry?.close();
      if (this.#registry?.hasLeft === true) await this.#settings.show();
      await this.#coordination.close();
      await (await this.#bus?.catch(() => undefined))?.close();
      await this.near.close();
      const storage = await this.#storage?.catch(() => undefined);
      if (storage?.isOwned === true) await storage.store[Symbol.asyncDispose]();
    }
  }

  /** Jobs run in a worker thread where there are threads and a store that two can open. */
  async #makeExecutor(store: ObjectStore): Promise<Executor> {
    const { clock, random } = this.options;
    if (store.descriptor !== undefined) {
      const { workerAvailable, workerExecutor } =
        await import("./engine/worker/worker-executor.ts");
      if (workerAvailable()) {
        const { descriptor } = store;
        return workerExecutor({
          descriptor,
          onRequests: (requests) => this.monitor.addRequests(requests),
        });
      }
    }
    // Fourteen modules serve compaction jobs alone: whoever only reads loads none of them.
    const { inlineExecutor } = await import("./engine/executor-inline.ts");
    return inlineExecutor({ store, clock, random });
  }

  /** Looks for what other processes wrote, until closed. Losing a look costs freshness only. */
  async #poll(database: Database, paceNow: () => PollPace | undefined): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, logger } = this.options;
    let hasWarned = false;
    let waitMs = paceNow()?.fastestMs ?? NEVER_MS;
    while (!signal.aborted) {
      try {
        await this.#pollAlarm.sleep(clock, waitMs, signal);
        const pace = paceNow();
        if (pace === undefined) {
          waitMs = NEVER_MS;
          continue;
        }
        waitMs = Math.min(waitMs, pace.idleMs);
        const before = database.progress;
        await database.catchUp();
        hasWarned = false;
        const isQuiet = database.progress === before;
        const { idleMs: unusedMs } = this.monitor;
        const isHinted = this.hints.isListening;
        waitMs = nextWaitMs(pace, { waitedMs: waitMs, isQuiet, unusedMs, isHinted });
      } catch (error) {
        if (!signal.aborted && !hasWarned) {
          logger.warn(`brainy: cannot follow the store: ${String(error)}`);
        }
        hasWarned = true;
      }
    }
  }

  #adopted(): void {
    const database = this.#database;
    if (database?.view === undefined) return;
    this.near.adopted(database.view, this.role === "reader");
    this.#coordination.adopted(database.view.manifest, database.isHolder);
  }

  #report(event: DatabaseEvent | RegistryEvent | AssignmentEvent): void {
    const { type, ...payload } = event;
    if (type === "committed" || type === "took-over") {
      this.hints.publish("index_updated", { manifest: event.number });
    }
    this.#tell(type, payload);
    if (type === "index_updated") this.#adopted();
  }

  #tell(type: string, payload: Readonly<Record<string, unknown>>): void {
    this.events.emit(type, payload);
    const { logger } = this.options;
    // Of slots there are twenty a second.
    const isShown = this.live.values.verbose && type !== "log";
    if (isShown) logger.info(`brainy: ${type} ${JSON.stringify(payload)}`);
  }

  /** Rare, and of consequence: logged whether or not anything else is. */
  #reportConfig(event: ConfigEvent, hidden: readonly string[]): void {
    const { logger } = this.options;
    if (event.type === "config_refused") {
      const { type, ...payload } = event;
      this.events.emit(type, payload);
      logger.warn(`brainy: ${event.message}`);
      return;
    }
    const { type, ...payload } = { ...event, hidden };
    this.events.emit(type, payload);
    logger.info(`brainy: ${type} ${JSON.stringify(payload)}`);
  }
}

function closedError(): BrainyError {
  return new BrainyError("BRAINY_CLOSED", "this Brainy was closed; make a new one");
}
