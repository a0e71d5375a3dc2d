import { abortableClock, type Clock } from "./base/clock.ts";
import { BrainyError, invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import {
  ADD_KEYS,
  EVERY_PART,
  READ_KEYS,
  booleanOption,
  partsOf,
  quote,
  versionCondition,
} from "./call-options.ts";
import type { DistributedConfig } from "./cluster/distributed-config.ts";
import type { Database } from "./engine/database.ts";
import { checkCondition, type Condition } from "./engine/condition.ts";
import { compileFilter } from "./engine/filter.ts";
import type { Filter } from "./engine/filter-types.ts";
import type { Draft } from "./format/operation.ts";
import { checkId, checkK } from "./engine/record-input.ts";
import {
  countRecords,
  findRecord,
  pageOfRecords,
  scanRecords,
  siblingsOf,
} from "./engine/records.ts";
import type { VerifyReport } from "./engine/verify.ts";
import type { Version } from "./format/version.ts";
import { Ingest } from "./ingest.ts";
import { View, type FullSnapshot } from "./engine/view.ts";
import type { HealthStatus, Metrics } from "./monitor.ts";
import { resolveOptions } from "./options.ts";
import { presentRecord } from "./present.ts";
import { prepareRecord, putDraft, recordOfAdd } from "./record-encoder.ts";
import { patchDraft } from "./record-patch.ts";
import { searchQuery } from "./search-query.ts";
import { Session } from "./session.ts";
import type {
  AddItem,
  AddManyOptions,
  AddManyResult,
  AddOptions,
  BrainyEvent,
  BrainyOptions,
  BrainyRecord,
  ExportOptions,
  GetOptions,
  Hit,
  JsonObject,
  ListOptions,
  ListPage,
  PartitionInfo,
  Query,
  ReadOptions,
  RecordChanges,
  RecordInput,
  SearchOptions,
  VectorInput,
  VersionConditionOptions,
} from "./types.ts";

/** Deletes in one slot. */
const DELETES_PER_SLOT = 1_000;
/** How often an export tries to pin what it sees before it goes without. */
const PIN_ATTEMPTS_MAX = 5;
/** How long an export may take before what it reads may be collected. */
const EXPORT_MS_MAX = 6 * 3_600_000;

/**
 * A vector database in this process.
 *
 * Opens on first use and needs no `init`. Every write resolves when it is durable; reads see all
 * writes of this process, and those of others after the next look at the store.
 *
 * @example
 * ```ts
 * import Brainy from "brainy";
 *
 * await using brain = new Brainy({ storage: "./data" });
 * await brain.add("The quick brown fox", { animal: "fox" }, { id: "a" });
 * const hits = await brain.search("brown foxes", 3, { filter: { animal: "fox" } });
 * console.log(hits[0]?.id, hits[0]?.score);
 * ```
 */
export class Brainy<Metadata extends object = JsonObject> implements AsyncDisposable {
  readonly #session: Session;

  /** Checks the options; an unknown one is refused with the nearest name. Opens nothing yet. */
  constructor(options: BrainyOptions = {}) {
    this.#session = new Session(resolveOptions(options));
  }

  /** Opens the database now rather than on first use, so that its errors come here. */
  init(): Promise<void> {
    return this.#awake(async () => void (await this.#session.open()));
  }

  /**
   * Adds a record, or replaces the one with the same id. Resolves with its id once it is durable.
   *
   * `input` is a vector, a text, which is embedded, or an object, whose strings are embedded and
   * which is its own metadata unless one is given. A string as second argument is the type.
   *
   * @throws BrainyError `BRAINY_INVALID_ARGUMENT` before anything is written; with `ifAbsent`
   * also `BRAINY_CONFLICT` when there is such a record.
   */
  add(
    input: VectorInput | string | JsonObject,
    metadata?: Metadata | string,
    options?: AddOptions,
  ): Promise<string> {
    return this.#session.monitor.measure("write", async () => {
      const database = await this.#session.openToWrite();
      refuseUnknownKeys(options ?? {}, ADD_KEYS, "options");
      const isAbsent = booleanOption(options?.ifAbsent, "ifAbsent");
      const record = recordOfAdd(input, metadata as JsonObject | string | undefined, options);
      const prepared = prepareRecord(record, database.newUlid);
      const vector = prepared.vector ?? (await this.#session.embed([prepared.embed!]))[0]!;
      const { dimensions, metric } = database;
      const { draft, bytes } = putDraft(prepared, vector, { dimensions, metric });
      const batch = { drafts: [draft], bytes };
      // An id that was made just now is nobody else's.
      if (isAbsent && record.id !== undefined) {
        const { id } = prepared;
        await database.writeConditional({ id, condition: { kind: "absent" }, batch });
      } else await database.write(batch);
      return prepared.id;
    });
  }

  /**
   * Adds many records from an iterable, in slots of up to `batching.size`, asking the source for
   * more only as fast as the store takes them. Bad items are returned in `failed`; a store that
   * fails rejects, saying how many were acknowledged.
   */
  addMany(
    items: Iterable<AddItem<Metadata>> | AsyncIterable<AddItem<Metadata>>,
    options: AddManyOptions = {},
  ): Promise<AddManyResult> {
    return this.#session.monitor.measure("write", async () => {
      refuseUnknownKeys(options, ["onProgress", "signal"], "options");
      const database = await this.#session.openToWrite();
      const { clock, batchSize, limits } = this.#session.options;
      const ingest = new Ingest(
        {
          database,
          clock,
          embed: (texts, signal) => this.#session.embed(texts, signal),
          slotRecordsMax: batchSize,
          slotBytesMax: limits.slotBytesMax,
          flushIntervalMs: this.#session.live.values.flushInterval,
        },
        options,
      );
      return ingest.run(items as Iterable<AddItem> | AsyncIterable<AddItem>);
    });
  }

  /** What `export` yielded, back in: ids, vectors and everything else as they were. */
  import(
    records: Iterable<RecordInput<Metadata>> | AsyncIterable<RecordInput<Metadata>>,
    options: AddManyOptions = {},
  ): Promise<AddManyResult> {
    return this.addMany(records, options);
  }

  /** The record with this id, or `undefined`. */
  async get(id: string, options: GetOptions = {}): Promise<BrainyRecord<Metadata> | undefined> {
    return (await this.getMany([id], options))[0];
  }

  /** The records with these ids, in the order asked for; `undefined` where there is none. */
  getMany(
    ids: readonly string[],
    options: GetOptions = {},
  ): Promise<(BrainyRecord<Metadata> | undefined)[]> {
    return this.#session.monitor.measure("read", async () => {
      refuseUnknownKeys(options, ["include", ...READ_KEYS], "options");
      const checked = ids.map(checkId);
      const { include: asked = [...EVERY_PART, "siblings"] } = options;
      const include = partsOf(
        asked.filter((part) => part !== "siblings"),
        EVERY_PART,
      );
      const database = await this.#session.open();
      return database.readIds(this.#session.freshness(options), checked, async (view) => {
        const nowMs = this.#session.options.clock.nowMs();
        const found = checked.map((id) => findRecord(view, id, nowMs));
        const references = found.filter((one) => one !== undefined);
        const siblings = asked.includes("siblings")
          ? references.map((one) => siblingsOf(view, one))
          : [];
        const records = await this.#session.readAll(references, include);
        const shown: BrainyRecord<Metadata>[] = [];
        for (const [i, record] of records.entries()) {
          const others = await this.#session.readAll(siblings[i] ?? [], include);
          const presented = others.map((one) => presentRecord<Metadata>(one, include));
          shown.push({
            ...presentRecord<Metadata>(record, include),
            ...(presented.length > 1 && { siblings: presented }),
          });
        }
        let next = 0;
        return found.map((one) => (one === undefined ? undefined : shown[next++]));
      });
    });
  }

  /** Whether there is a record with this id. */
  has(id: string, options: ReadOptions = {}): Promise<boolean> {
    return this.#session.monitor.measure("read", async () => {
      refuseUnknownKeys(options, READ_KEYS, "options");
      checkId(id);
      const database = await this.#session.open();
      return database.readIds(
        this.#session.freshness(options),
        [id],
        async (view) => findRecord(view, id, this.#session.options.clock.nowMs()) !== undefined,
      );
    });
  }

  /**
   * Changes parts of a record and leaves the rest, also against concurrent changes of other
   * parts. Metadata is merged by top-level key. Resolves with the new version.
   *
   * @throws BrainyError `BRAINY_NOT_FOUND` when no such record is visible here; with `ifVersion`
   * `BRAINY_CONFLICT` when the record has another version, or none.
   */
  update(
    id: string,
    changes: RecordChanges<Metadata>,
    options: VersionConditionOptions = {},
  ): Promise<string> {
    return this.#session.monitor.measure("write", async () => {
      const database = await this.#session.openToWrite();
      checkId(id);
      const condition = versionCondition(options);
      const level = condition === undefined ? "eventual" : "strong";
      let seen: readonly Version[] | undefined;
      const [before] = await database.readIds({ level }, [id], async (view) => {
        const found = findRecord(view, id, this.#session.options.clock.nowMs());
        seen = view.fold.takesPatches ? undefined : view.knownOf(id);
        return found === undefined ? [] : this.#session.readAll([found], new Set(EVERY_PART));
      });
      if (condition !== undefined) checkCondition(id, condition, before?.version);
      if (before === undefined) {
        throw new BrainyError("BRAINY_NOT_FOUND", `there is no record with id ${quote(id)}`);
      }
      const batch = await patchDraft({
        before,
        seen,
        changes,
        rules: { dimensions: database.dimensions, metric: database.metric },
        embed: async (text) => (await this.#session.embed([text]))[0]!,
      });
      if (condition !== undefined) return database.writeConditional({ id, condition, batch });
      const [version] = await database.write(batch);
      return version!;
    });
  }

  /**
   * Deletes records by id, or all that match a filter when the call is made. Resolves with how
   * many of them were visible, once their deletion is durable. Deleting what is not there is no
   * error, and is written all the same: another process may know more. A write-only instance sees
   * none, and counts what it was asked to delete. `ifVersion` is for one id.
   */
  delete(
    target: string | readonly string[] | { readonly filter: Filter<Metadata> },
    options: VersionConditionOptions = {},
  ): Promise<number> {
    return this.#session.monitor.measure("write", async () => {
      const database = await this.#session.openToWrite();
      const condition = versionCondition(options);
      if (condition !== undefined) return this.#deleteIf(database, target, condition);
      // An array has a `filter` too.
      if (typeof target === "object" && !Array.isArray(target) && "filter" in target) {
        refuseUnknownKeys(target, ["filter"], "delete");
        const filter = compileFilter(target.filter);
        const { clock } = this.#session.options;
        const ids: string[] = [];
        await database.read({ level: "eventual" }, async (view) => {
          ids.length = 0;
          const scan = scanRecords(view.fullSnapshot(), { filter, clock, content: false });
          for await (const { id } of scan) ids.push(id);
        });
        await this.#deleteIds(database, ids);
        return ids.length;
      }
      const ids = (typeof target === "string" ? [target] : target).map(checkId);
      // Where nothing was ever written there is nothing to delete, and no reason to begin.
      if (database.config === undefined) await database.catchUp();
      if (database.config === undefined) return 0;
      const nowMs = this.#session.options.clock.nowMs();
      const { view } = database;
      const visible = ids.filter((id) => view === undefined || findRecord(view, id, nowMs));
      await this.#deleteIds(database, ids);
      return new Set(visible).size;
    });
  }

  /**
   * The nearest records to a vector, to a text, or to the record `{ id }`, best first. With a
   * filter, `k` come back whenever `k` match.
   */
  search(query: Query, options?: SearchOptions<Metadata>): Promise<Hit<Metadata>[]>;
  search(query: Query, k: number, options?: SearchOptions<Metadata>): Promise<Hit<Metadata>[]>;
  search(
    query: Query,
    kOrOptions: number | SearchOptions<Metadata> = {},
    options: SearchOptions<Metadata> = {},
  ): Promise<Hit<Metadata>[]> {
    const wanted = typeof kOrOptions === "number" ? { ...options, k: kOrOptions } : kOrOptions;
    return this.#session.monitor.measure("read", () => searchQuery(this.#session, query, wanted));
  }

  /** How many records there are, or match. */
  count(filter?: Filter<Metadata>, options: ReadOptions = {}): Promise<number> {
    return this.#session.monitor.measure("read", async () => {
      refuseUnknownKeys(options, READ_KEYS, "options");
      const database = await this.#session.open();
      const clock = this.#clockFor(options);
      const compiled = filter === undefined ? undefined : compileFilter(filter);
      return database.read(this.#session.freshness(options), (view) =>
        countRecords(view.fullSnapshot(), { filter: compiled, clock }),
      );
    });
  }

  /**
   * A page of records in order of their ids. What is not changed between two pages is neither
   * skipped nor repeated.
   */
  list(options: ListOptions<Metadata> = {}): Promise<ListPage<Metadata>> {
    return this.#session.monitor.measure("read", async () => {
      refuseUnknownKeys(options, ["filter", "cursor", "limit", "include", ...READ_KEYS], "options");
      const { cursor, limit = 100 } = options;
      checkK(limit);
      const after = cursor === undefined ? undefined : checkId(cursor);
      const filter = options.filter === undefined ? undefined : compileFilter(options.filter);
      const include = partsOf(options.include, EVERY_PART);
      const database = await this.#session.open();
      const clock = this.#clockFor(options);
      return database.read(this.#session.freshness(options), async (view) => {
        const scan = { filter, clock, after, limit: limit + 1 };
        const found = await pageOfRecords(view.fullSnapshot(), scan);
        const records = await this.#session.readAll(found.slice(0, limit), include);
        const last = found.length > limit ? records.at(-1) : undefined;
        return {
          records: records.map((record) => presentRecord<Metadata>(record, include)),
          ...(last !== undefined && { cursor: last.id }),
        };
      });
    });
  }

  /** Every record that matches, of one moment, in storage order. Memory stays bounded. */
  async *export(options: ExportOptions<Metadata> = {}): AsyncGenerator<BrainyRecord<Metadata>> {
    refuseUnknownKeys(options, ["filter", ...READ_KEYS], "options");
    const filter = options.filter === undefined ? undefined : compileFilter(options.filter);
    const database = await this.#session.open();
    const clock = this.#clockFor(options);
    await database.read(this.#session.freshness(options), async () => undefined);
    const { snapshot, release } = await this.#pinnedSnapshot(database);
    try {
      const include = new Set(EVERY_PART);
      for await (const record of scanRecords(snapshot, { filter, clock, content: true })) {
        options.signal?.throwIfAborted();
        yield presentRecord<Metadata>(record, include);
      }
    } finally {
      await release();
    }
  }

  /** `export` as an array. */
  async exportAll(options: ExportOptions<Metadata> = {}): Promise<BrainyRecord<Metadata>[]> {
    const records: BrainyRecord<Metadata>[] = [];
    for await (const record of this.export(options)) records.push(record);
    return records;
  }

  /** Resolves when everything written so far is durable. */
  flush(): Promise<void> {
    return this.#awake(async () => (await this.#session.open()).flush());
  }

  /**
   * Folds the log into segments and segments into as few as can be. Reads go on meanwhile. Where
   * another live instance maintains and hints reach it, that one is asked first.
   */
  async compact(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    refuseUnknownKeys(options, ["signal"], "options");
    await this.#awake(() => this.#session.compact(options));
  }

  /**
   * Names the present state, so that `new Brainy({ storage, checkpoint: name })` can open it
   * later, whatever is written or deleted until then. Costs no copy; pins what it needs.
   */
  async checkpoint(name: string): Promise<void> {
    await this.#awake(async () => (await this.#session.openToWrite()).checkpoint(name));
  }

  /** Forgets a checkpoint; what only it needed is collected by the next compaction. */
  async deleteCheckpoint(name: string): Promise<void> {
    await this.#awake(async () => (await this.#session.openToWrite()).deleteCheckpoint(name));
  }

  /**
   * Walks every object: checksums, references, invariants. `repair` does what is safe and says
   * what it did; see docs/guide/verify.md.
   */
  async verify(
    options: {
      readonly repair?: boolean | undefined;
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: ((objects: number) => void) | undefined;
    } = {},
  ): Promise<VerifyReport> {
    refuseUnknownKeys(options, ["repair", "signal", "onProgress"], "options");
    const { clock, random } = this.#session.options;
    if (options.repair === true && this.#session.role === "reader") throw this.#session.refusal();
    // A damaged database does not open, and must be looked at all the same.
    const { store } = await this.#session.openStore();
    const { verifyStore } = await import("./engine/verify.ts");
    return this.#awake(() => verifyStore({ store, clock, random, ...options }));
  }

  /**
   * Partitions that have records, or whose conditional operations somebody decides, with exact
   * counts. Walks over all ids; costs one LIST, and a GET for each lease.
   */
  discoverPartitions(options: ReadOptions = {}): Promise<PartitionInfo[]> {
    return this.#session.monitor.measure("read", async () => {
      refuseUnknownKeys(options, READ_KEYS, "options");
      return this.#session.discoverPartitions(this.#session.freshness(options));
    });
  }

  /** Figures of this instance that are already in memory. */
  getMetrics(): Metrics {
    return this.#session.monitor.metrics(this.#session.database, this.#session);
  }

  /** How this instance is. Thresholds and warnings: docs/guide/monitoring.md. */
  getHealthStatus(): HealthStatus {
    const { database, instanceId, role } = this.#session;
    return this.#session.monitor.health({ database, instanceId, role });
  }

  /**
   * Shared settings and all instances of the fleet, read now; needs `distributed`. Costs one LIST,
   * a GET, and one more for each other instance that has spoken since the last call.
   */
  getDistributedConfig(): Promise<DistributedConfig> {
    return this.#session.distributedConfig();
  }

  /** Calls `handler` on every event of a type, or of all with `'*'`. Returns what undoes it. */
  on(type: string, handler: (event: BrainyEvent) => void): () => void {
    return this.#session.events.on(type, handler);
  }

  /** Flushes and closes. Idempotent: the second caller waits for the first one's close. */
  close(): Promise<void> {
    return this.#awake(() => this.#session.close());
  }

  /** The same as `close`. */
  cleanup(): Promise<void> {
    return this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #awake<T>(run: () => Promise<T>): Promise<T> {
    return this.#session.monitor.awake.during(run);
  }

  /** For work between whose slices a caller may give up. */
  #clockFor({ signal }: ReadOptions): Clock {
    return abortableClock(this.#session.options.clock, signal);
  }

  /** A snapshot whose segments no process collects until it is released. */
  async #pinnedSnapshot(
    database: Database,
  ): Promise<{ readonly snapshot: FullSnapshot; readonly release: () => Promise<void> }> {
    const hasSegments = (database.view?.manifest.segments.length ?? 0) > 0;
    const isPinned = hasSegments && this.#session.role !== "reader";
    for (let attempts = isPinned ? PIN_ATTEMPTS_MAX : 0; attempts > 0; attempts--) {
      const name = `export-${database.newUlid()}`;
      const { manifest } = await database.checkpoint(name, EXPORT_MS_MAX);
      const release = (): Promise<void> => database.deleteCheckpoint(name);
      const view = database.view!;
      for (let wait = view.settle(); wait !== undefined; wait = view.settle()) await wait;
      if (view.manifest.number === manifest.number)
        return { snapshot: view.fullSnapshot(), release };
      // The checkpoint is of a manifest that is not here yet, or not any more.
      await release();
      await database.catchUp();
    }
    const view = database.view ?? View.empty();
    for (let wait = view.settle(); wait !== undefined; wait = view.settle()) await wait;
    return { snapshot: view.fullSnapshot(), release: async () => {} };
  }

  async #deleteIf(database: Database, target: unknown, condition: Condition): Promise<number> {
    if (typeof target !== "string") throw invalid("ifVersion is for a delete of one id");
    const id = checkId(target);
    if (database.config === undefined) await database.catchUp();
    // Where nothing was ever written there is no reason to begin.
    if (database.config === undefined) checkCondition(id, condition, undefined);
    const seen = condition.kind === "version" ? [condition.version] : undefined;
    const batch = { drafts: [{ kind: "delete", id, seen } satisfies Draft], bytes: 64 };
    await database.writeConditional({ id, condition, batch });
    return 1;
  }

  async #deleteIds(database: Database, ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += DELETES_PER_SLOT) {
      const drafts = ids
        .slice(start, start + DELETES_PER_SLOT)
        .map((id): Draft => ({ kind: "delete", id }));
      await database.write({ drafts, bytes: 64 * drafts.length });
    }
  }
}
