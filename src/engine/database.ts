import { BrainyError, isBrainyError } from "../base/errors.ts";
import { ulidFactory } from "../base/ids.ts";
import { randomHex } from "../base/random.ts";
import type { ConfigDocument, ConflictResolution } from "../format/config.ts";
import type { Checkpoint } from "../format/checkpoint.ts";
import { emptyManifest } from "../format/manifest.ts";
import { DraftColumns } from "../format/draft-columns.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { Draft } from "../format/operation.ts";
import type { LaneId, Version } from "../format/version.ts";
import { createCheckpoint, deleteCheckpoint, readCheckpoint } from "./checkpoint.ts";
import type { ConditionalBatch } from "./condition.ts";
import { ConditionalWriter } from "./conditional-writer.ts";
import type { DatabaseEvent, DatabaseOptions } from "./database-options.ts";
import { Follower } from "./follower.ts";
import type { Following } from "./following.ts";
import type { Freshness } from "./freshness.ts";
import { HybridClock } from "./hybrid-clock.ts";
import { LazyExecutor } from "./lazy-executor.ts";
import { LogScout } from "./log-scout.ts";
import { LogWriter, type CommittedRows, type LogWriterOptions } from "./log-writer.ts";
import { commitManifest, readNewestManifest } from "./manifest-store.ts";
import { placementOf } from "./placement.ts";
import { LAST_WRITE_WINS, foldFor } from "./record-fold.ts";
import { findRecord } from "./records.ts";
import { SeenStamp } from "./seen-stamp.ts";
import {
  checkSettings,
  createSettings,
  fixDimensions,
  readSettings,
  type WantedSettings,
} from "./settings.ts";
import { sparseView, type SparseViewOptions } from "./sparse-view.ts";
import { Upkeep } from "./upkeep.ts";
import { View } from "./view.ts";

/** How often a read begins again because a segment was collected under it. */
const READ_ATTEMPTS_MAX = 4;

/** Operations that are acknowledged together, and about how many bytes they will take. */
export interface DraftBatch {
  readonly drafts: readonly Draft[];
  readonly bytes: number;
}

/** Figures that are already in memory. */
export interface DatabaseStats {
  readonly records: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly tailOperations: number;
  readonly tailBytes: number;
  /** Slots that no segment covers yet. */
  readonly slots: number;
  /** By this process. */
  readonly slotsWritten: number;
  readonly bytesWritten: number;
  readonly manifest: number;
  /** Operations ignored because they appeared at or below the floor. */
  readonly junkOperations: number;
  /** Why the last background maintenance failed; `undefined` when it did not. */
  readonly maintenanceError: unknown;
}

/**
 * The engine: log, tail, segments and their maintenance over one store. It takes clock,
 * randomness, store and executor as parameters and touches nothing else, so that a simulation
 * runs this very code.
 */
export class Database implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  readonly #hybridClock: HybridClock;
  readonly #newUlid: () => string;
  readonly incarnation: string;
  #wanted: WantedSettings;
  #config: ConfigDocument | undefined;
  #following: Following | undefined;
  /** The same, where records are kept. */
  #follower: Follower | undefined;
  #writer: LogWriter | undefined;
  #conditional: ConditionalWriter | undefined;
  readonly #executor: LazyExecutor;
  #seen: SeenStamp | undefined;
  #preparing: Promise<void> = Promise.resolve();
  #upkeep: Upkeep | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#wanted = options.wanted;
    this.#hybridClock = new HybridClock({
      clock: options.clock,
      skewMsMax: options.limits.maxClockSkewMs,
    });
    this.#newUlid = ulidFactory(options.clock, options.random);
    this.#executor = new LazyExecutor(options.executor);
    this.incarnation = this.#newUlid();
  }

  /** Reads what is there; an empty store stays empty until the first write. */
  static async open(options: DatabaseOptions): Promise<Database> {
    const database = new Database(options);
    database.#assertMayRead(options.wanted.conflictResolution);
    const config = await readSettings(options.store);
    if (config !== undefined) {
      checkSettings(config, options.wanted);
      database.#use(config);
      if (options.checkpoint === undefined) await database.#following!.catchUp();
    }
    if (options.checkpoint !== undefined) await database.#pin(options.checkpoint);
    return database;
  }

  async #pin(name: string): Promise<void> {
    const checkpoint = await readCheckpoint(this.#options.store, name);
    if (checkpoint === undefined || this.#follower === undefined) {
      throw new BrainyError("BRAINY_NOT_FOUND", `there is no checkpoint named ${name}`);
    }
    await this.#follower.pin(checkpoint);
  }

  /** Names the embedding model, once a text is embedded: fixed with the database. */
  wantEmbedding(model: string): void {
    if (this.#config !== undefined) checkSettings(this.#config, { embeddingModel: model });
    this.#wanted = { ...this.#wanted, embeddingModel: model };
  }

  /**
   * Pins the present state, this process's acknowledged writes included. An existing name is
   * `BRAINY_CONFLICT`. Without `expiresInMs` it stays until it is deleted.
   */
  async checkpoint(name: string, expiresInMs?: number): Promise<Checkpoint> {
    this.#assertWritable();
    if (this.#config === undefined) await this.#prepareToWrite(undefined);
    await this.flush();
    // A checkpoint is of a manifest, so the first one is made now if need be.
    if (this.#following!.manifest.number === 0) await this.compact({ force: "flush" });
    const { store, clock, random } = this.#options;
    const { databaseId } = this.#config!.settings;
    // There was nothing to flush.
    if (this.#following!.manifest.number === 0) await this.#createManifest(databaseId);
    return createCheckpoint({ store, clock, random, databaseId, name, expiresInMs });
  }

  deleteCheckpoint(name: string): Promise<void> {
    return deleteCheckpoint(this.#options.store, name);
  }

  /** `undefined` while the store is empty. */
  get config(): ConfigDocument | undefined {
    return this.#config;
  }

  get dimensions(): number | undefined {
    return this.#config?.settings.dimensions ?? this.#wanted.dimensions;
  }

  get metric(): "cosine" | "euclidean" | "dot" {
    return this.#config?.settings.distanceMetric ?? this.#wanted.metric ?? "cosine";
  }

  /** The run that maintains, as of the newest manifest that is known here; empty for nobody. */
  get holder(): string {
    return this.#following?.manifest.holder ?? "";
  }

  /** Whether the newest manifest that is known here names this run as its maintainer. */
  get isHolder(): boolean {
    return this.holder === this.incarnation;
  }

  /** `undefined` while the store is empty, and where no index is held. */
  get view(): View | undefined {
    return this.#follower?.view;
  }

  get stalenessMs(): number {
    return this.#following?.stalenessMs ?? 0;
  }

  get newUlid(): () => string {
    return this.#newUlid;
  }

  /** Another value whenever the log or the manifest in use has moved on. */
  get progress(): string {
    return this.#following?.progress ?? "";
  }

  /** Figures for metrics and health. */
  stats(): DatabaseStats {
    const known = this.#following;
    const segments = known?.manifest.segments ?? [];
    return {
      records: known?.recordCount ?? 0,
      segments: segments.length,
      segmentBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      tailOperations: known?.tailOperations ?? 0,
      tailBytes: known?.tailBytes ?? 0,
      slots: known?.uncoveredSlots ?? 0,
      slotsWritten: (this.#writer?.slotsWritten ?? 0) + (this.#conditional?.slotsWritten ?? 0),
      bytesWritten: (this.#writer?.bytesWritten ?? 0) + (this.#conditional?.bytesWritten ?? 0),
      manifest: known?.manifest.number ?? 0,
      junkOperations: known?.junkCount ?? 0,
      maintenanceError: this.#upkeep?.error,
    };
  }

  /**
   * Resolves with the operations' versions once they are durable and visible here. All drafts of
   * one batch are in one slot: all of them or none.
   */
  async write({ drafts, bytes }: DraftBatch): Promise<readonly Version[]> {
    const columns = DraftColumns.of(drafts);
    columns.bytes = bytes;
    const { columns: committed, start } = await this.writeColumns(columns);
    return drafts.map((_, i) => committed.version(start + i));
  }

  /** The same for many, which must not change meanwhile. */
  async writeColumns(drafts: DraftColumns): Promise<CommittedRows> {
    this.#seen?.asked(drafts);
    const upkeep = await this.#readyToWrite(drafts);
    const rows = await this.#writer!.append(drafts);
    if (!this.#options.indexing.async) await upkeep.running;
    return rows;
  }

  /**
   * One operation that is done only if its condition holds, by the one run that decides about its
   * partition. Spec: docs/specs/conditional-operations.md.
   */
  async writeConditional({ id, condition, batch }: ConditionalBatch): Promise<Version> {
    const drafts = DraftColumns.of(batch.drafts);
    drafts.bytes = batch.bytes;
    const upkeep = await this.#readyToWrite(drafts);
    this.#conditional ??= this.#openConditional(this.#config!);
    const version = await this.#conditional.write({ id, condition, drafts });
    if (!this.#options.indexing.async) await upkeep.running;
    return version;
  }

  async #readyToWrite(drafts: DraftColumns): Promise<Upkeep> {
    this.#assertWritable();
    const dimensions = drafts.dimension === 0 ? undefined : drafts.dimension;
    const isReady =
      this.#writer !== undefined &&
      (dimensions === undefined || this.#config?.settings.dimensions !== undefined);
    if (!isReady) await this.#prepareToWrite(dimensions);
    const upkeep = this.#upkeepFor(this.#config!);
    await upkeep.makeRoom();
    // All of this may have waited while somebody closed.
    this.#assertOpen();
    return upkeep;
  }

  /** Partitions whose conditional operations this run decides now. */
  get heldPartitions(): readonly number[] {
    return this.#conditional?.held ?? [];
  }

  /** Gives a partition back to the fleet, if nothing was decided in it for `idleMs`. */
  async releasePartition(partition: number, idleMs: number): Promise<void> {
    await this.#conditional?.release(partition, idleMs);
  }

  /** Runs `read` on a view that is fresh enough, again when a segment was collected under it. */
  async read<T>(freshness: Freshness, read: (view: View) => Promise<T>): Promise<T> {
    const { signal } = freshness;
    this.#assertOpen();
    signal?.throwIfAborted();
    await this.#lookForDatabase();
    if (this.#options.writeOnly === true) throw noIndex();
    const follower = this.#follower;
    if (follower === undefined) {
      freshness.onAnswer?.({ stalenessMs: 0, manifest: 0 });
      return read(View.empty());
    }
    if (freshness.level === "strong") await follower.catchUp();
    if (freshness.level === "bounded" && follower.stalenessMs > freshness.maxStalenessMs) {
      await follower.catchUp();
    }
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const { view, stalenessMs } = follower;
      try {
        for (let wait = view.settle(); wait !== undefined; wait = view.settle()) await wait;
        const result = await read(view);
        freshness.onAnswer?.({ stalenessMs, manifest: view.manifest.number });
        return result;
      } catch (error) {
        if (!isBrainyError(error, "BRAINY_NOT_FOUND") || attempt >= READ_ATTEMPTS_MAX) throw error;
        // Only a newer manifest explains that a segment is gone.
        if (follower.view === view) await follower.catchUp();
        if (follower.view === view) throw error;
      }
    }
  }

  /**
   * The same for reads of these records alone, which need no index: where none is held, they are
   * read from the store, as it is now.
   */
  async readIds<T>(
    freshness: Freshness,
    ids: readonly string[],
    read: (view: View) => Promise<T>,
  ): Promise<T> {
    if (this.#options.writeOnly !== true) return this.read(freshness, read);
    this.#assertOpen();
    freshness.signal?.throwIfAborted();
    await this.#lookForDatabase();
    if (this.#config === undefined) {
      freshness.onAnswer?.({ stalenessMs: 0, manifest: 0 });
      return read(View.empty());
    }
    // What this process has acknowledged is in the store, and so it is seen.
    const { databaseId } = this.#config.settings;
    const { signal } = freshness;
    const { view, manifestNumber } = await this.#sparseView({ databaseId, ids, signal });
    const result = await read(view);
    freshness.onAnswer?.({ stalenessMs: 0, manifest: manifestNumber });
    return result;
  }

  /** Looks for what other processes wrote. */
  async catchUp(): Promise<void> {
    await this.#lookForDatabase();
    await this.#following?.catchUp();
    if (this.#config !== undefined) this.#upkeepFor(this.#config).lookWhenDue();
  }

  /** Slots that a hint names, if they can be read without a catch-up; else `false`. */
  async readAhead(lane: LaneId, slot: number): Promise<boolean> {
    this.#assertOpen();
    return (await this.#follower?.readAhead(lane, slot)) ?? false;
  }

  /** Resolves when everything written so far is durable. */
  async flush(): Promise<void> {
    this.#assertOpen();
    await Promise.all([this.#writer?.flush(), this.#conditional?.flush()]);
  }

  /** Folds the whole log into segments, and all segments into as few as limits allow. */
  async compact(
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly force?: "flush" | "compact" | undefined;
      /** `false`: only if this run holds maintenance, or nobody does. Default `true`. */
      readonly takeOver?: boolean | undefined;
    } = {},
  ): Promise<void> {
    this.#assertWritable();
    if (this.#config === undefined) return;
    await this.flush();
    await this.#upkeepFor(this.#config).run({
      takeOver: options.takeOver ?? true,
      force: options.force ?? "compact",
      signal: options.signal,
    });
  }

  /** Waits for background maintenance that is running now. */
  async settled(): Promise<void> {
    await this.#upkeep?.running;
  }

  /** Flushes, seals the own lane and stops. Idempotent; never deletes anything. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#preparing.catch(() => {});
      await Promise.all([this.#writer?.flush(), this.#conditional?.flush()]);
      await this.#upkeep?.end();
      await Promise.all([this.#writer?.close(), this.#conditional?.close()]);
    } finally {
      await this.#executor[Symbol.asyncDispose]();
    }
  }

  #use(config: ConfigDocument): void {
    this.#config = config;
    this.#follow(config);
    this.#options.onSettings?.(config);
  }

  #follow(config: ConfigDocument): void {
    const { databaseId, conflictResolution } = config.settings;
    const { store, clock, writeOnly, resolve } = this.#options;
    const fold = foldFor(conflictResolution);
    this.#assertMayRead(conflictResolution);
    if (writeOnly === true) {
      const hybridClock = this.#hybridClock;
      this.#following ??= new LogScout({ store, clock, hybridClock, databaseId });
      return;
    }
    this.#follower ??= new Follower({
      store,
      clock,
      hybridClock: this.#hybridClock,
      databaseId,
      fold,
      resolve: resolve && ((siblings) => resolve(siblings, this)),
      dimensions: () => this.dimensions ?? this.#follower?.view.manifest.dimensions,
      onAdopted: (manifest) => {
        // The first of all indexes nothing.
        if (manifest.number === 1 && manifest.segments.length === 0) return;
        this.#emit({
          type: "index_updated",
          manifest: manifest.number,
          segments: manifest.segments.length,
        });
      },
    });
    this.#following = this.#follower;
    if (fold === LAST_WRITE_WINS) return;
    this.#seen ??= new SeenStamp((id) => this.#follower!.view.knownOf(id));
  }

  /** Another process may have created the database since this one looked. */
  async #lookForDatabase(): Promise<void> {
    if (this.#config?.settings.dimensions !== undefined) return;
    const config = await readSettings(this.#options.store, this.#config);
    if (config === undefined) return;
    checkSettings(config, this.#wanted);
    const isNew = this.#following === undefined;
    this.#use(config);
    if (isNew) await this.#following!.catchUp();
  }

  /** One at a time: settings first, then a writer, then dimensions; each at most once. */
  #prepareToWrite(dimensions: number | undefined): Promise<void> {
    const prepared = this.#preparing.catch(() => {}).then(() => this.#prepare(dimensions));
    this.#preparing = prepared;
    return prepared;
  }

  async #prepare(dimensions: number | undefined): Promise<void> {
    const { store, clock, random } = this.#options;
    if (this.#writer === undefined) await this.#beforeFirstWrite();
    if (this.#config === undefined) {
      const asked = { ...this.#wanted, dimensions: this.#wanted.dimensions ?? dimensions };
      const config = await createSettings({ store, clock, random, wanted: asked });
      this.#use(config);
      // Followers look at a manifest far more cheaply than they see that there is none.
      await this.#createManifest(config.settings.databaseId);
    }
    if (dimensions !== undefined && this.#config!.settings.dimensions === undefined) {
      const known = this.#config!.settings;
      this.#use(await fixDimensions({ store, clock, random, dimensions, known }));
    }
    checkSettings(this.#config!, { dimensions });
    this.#writer ??= new LogWriter(this.#logOptions(this.#config!));
  }

  /** The first one, of nothing. Whoever else makes it makes as good a one. */
  async #createManifest(databaseId: string): Promise<void> {
    const { store, clock, random } = this.#options;
    const nonce = randomHex(random, 16);
    const manifest = { ...emptyManifest(databaseId), number: 1, nonce };
    await commitManifest({ store, clock, random, manifest });
  }

  async #beforeFirstWrite(): Promise<void> {
    await this.#options.beforeFirstWrite?.();
  }

  #openConditional(config: ConfigDocument): ConditionalWriter {
    const { ownership } = this.#options;
    const { databaseId } = config.settings;
    return new ConditionalWriter(this.#logOptions(config), {
      presentVersion: (id) => this.#presentVersion(id, databaseId),
      decided: (drafts) => this.#seen?.asked(drafts),
      partitionOf: placementOf(config.settings, ownership?.placement),
      ownership,
      log: (event) => this.#emit(event),
    });
  }

  /** By everything acknowledged before the call; the clock is above it afterwards. */
  async #presentVersion(id: string, databaseId: string): Promise<Version | undefined> {
    await this.#following!.catchUp();
    const view = this.#follower?.view ?? (await this.#sparseView({ databaseId, ids: [id] })).view;
    return findRecord(view, id, this.#options.clock.nowMs())?.record.version;
  }

  #sparseView(
    what: Pick<SparseViewOptions, "databaseId" | "ids" | "signal">,
  ): ReturnType<typeof sparseView> {
    const { store, clock } = this.#options;
    return sparseView({ ...what, store, clock, hybridClock: this.#hybridClock });
  }

  #logOptions(config: ConfigDocument): LogWriterOptions {
    const { store, clock, random, limits } = this.#options;
    return {
      store,
      clock,
      random,
      hybridClock: this.#hybridClock,
      databaseId: config.settings.databaseId,
      incarnation: this.incarnation,
      newUlid: this.#newUlid,
      slotOperationsMax: limits.slotOperationsMax,
      slotBytesMax: limits.slotBytesMax,
      host: {
        catchUp: () => this.#following!.catchUp(),
        maxVersion: () => this.#following!.manifest.maxVersion,
        newestManifest: () => readNewestManifest(store),
        committed: (lane, number, columns) => this.#committed(lane, number, columns),
        stamp: this.#seen && ((batches, run) => this.#seen!.stamp(batches, run)),
        dropped: (columns) => this.#seen?.settle(columns),
        ended: () => this.#following?.ended,
      },
    };
  }

  #committed(lane: LaneId, number: number, columns: OperationColumns): Promise<void> | undefined {
    const shown = this.#following!.show(columns);
    if (shown !== undefined) return shown.then(() => this.#advance(lane, number, columns));
    this.#advance(lane, number, columns);
    return undefined;
  }

  #advance(lane: LaneId, number: number, columns: OperationColumns): void {
    this.#seen?.settle(columns);
    this.#following!.advance(lane, number);
    this.#options.onCommitted?.(lane, number);
    this.#upkeepFor(this.#config!).whenDue();
  }

  #upkeepFor(config: ConfigDocument): Upkeep {
    const { isAlive } = this.#options;
    this.#upkeep ??= new Upkeep({
      ...this.#options,
      hybridClock: this.#hybridClock,
      hasWritten: () => this.#writer !== undefined,
      executor: this.#executor,
      incarnation: this.incarnation,
      following: this.#following!,
      settings: config.settings,
      dimensions: () => this.dimensions,
      isAlive,
      onEvent: (event) => this.#emit(event),
    });
    return this.#upkeep;
  }

  #emit(event: DatabaseEvent): void {
    this.#options.onEvent?.(event);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new BrainyError("BRAINY_CLOSED", "the database was closed; make a new Brainy");
    }
    if (this.#following?.ended !== undefined) throw this.#following.ended;
  }

  /** Where a write says what its author had read, somebody who reads nothing may not write. */
  #assertMayRead(resolution: ConflictResolution | undefined): void {
    if (this.#options.writeOnly !== true || foldFor(resolution) === LAST_WRITE_WINS) return;
    throw new BrainyError(
      "BRAINY_UNSUPPORTED",
      `with conflictResolution ${resolution} a write says what its author had read, and a ` +
        "write-only instance reads nothing: open it without writeOnly",
    );
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#options.readOnly) {
      throw new BrainyError("BRAINY_UNSUPPORTED", "this instance is read-only");
    }
  }
}

function noIndex(): BrainyError {
  return new BrainyError(
    "BRAINY_UNSUPPORTED",
    "this writer is write-only and holds no index: ask a reader or a hybrid, or open it without " +
      "writeOnly; get, has and update work",
  );
}
