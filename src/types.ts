import type { ByteSize } from "./byte-size.ts";
import type { Random } from "./base/random.ts";
import type { Clock } from "./base/clock.ts";
import type { EventBus } from "./cluster/event-bus.ts";
import type { HashPartitioner } from "./cluster/hash-partitioner.ts";
import type { Filter } from "./engine/filter-types.ts";
import type { ConflictResolution } from "./format/config.ts";
import type { Metric } from "./kernel/metric.ts";
import type { S3StoreOptions } from "./storage/adapters/s3-options.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import type { Embedder } from "./text/embedder.ts";

/** What a vector may be given as. Kept as float32. */
export type VectorInput = Float32Array | readonly number[];

/** Any object that is stored as JSON. */
export type JsonObject = Record<string, unknown>;

/**
 * A bucket on S3, or with an endpoint on a store that speaks its protocol and keeps conditional
 * puts. Needs the package `@aws-sdk/client-s3`. See docs/guide/s3.md.
 */
export interface BucketStorage extends Omit<S3StoreOptions, "clock" | "random" | "readOnly"> {
  readonly type: "s3" | "customS3";
}

/** Where a database lives. `'memory'` is the default; every other string is a folder. */
export type StorageOption =
  | "memory"
  | (string & {})
  | { readonly type: "memory" }
  | {
      readonly type: "file";
      /** Folder; made on the first write. */
      readonly path: string;
      /**
       * `false`: no other process uses the folder. Needed on NFS, SMB and FUSE, where conditions
       * are not safe between machines. Default `true`.
       */
      readonly shared?: boolean | undefined;
    }
  | BucketStorage
  /** A store of your own that passes `brainy/storage/conformance`. Not closed by Brainy. */
  | { readonly type: "store"; readonly store: ObjectStore };

/** A function from texts to vectors, one for each, all of one length. */
export type EmbeddingFunction = (
  texts: readonly string[],
) => Promise<readonly VectorInput[]> | readonly VectorInput[];

/** What `new Brainy(options)` takes. Everything has a default. */
export interface BrainyOptions {
  /** Default `'memory'`: nothing is kept. */
  readonly storage?: StorageOption;
  /** Length of every vector. Default: that of the first one written. Fixed from then on. */
  readonly dimensions?: number | undefined;
  /** Default `'cosine'`. Fixed when the database is created. */
  readonly metric?: Metric | undefined;
  /** Makes vectors of texts. Default: the offline lexical embedder, 384 dimensions. */
  readonly embedding?: EmbeddingFunction | Embedder | EmbeddingOptions | undefined;
  /**
   * Refuses writes, and writes nothing to the store; of a `distributed` instance nothing but its
   * heartbeat, where the store lets it. Default `false`.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * A writer that holds no index, however large the database: `search`, `list`, `count`, exports
   * and `delete({ filter })` are refused; `get`, `has` and `update` read the store, which costs
   * two LISTs and a GET for each slot that waits for compaction. Default `false`.
   */
  readonly writeOnly?: boolean | undefined;
  /** The same as `readOnly: true` or `writeOnly: true`. */
  readonly mode?: "read-only" | "write-only" | undefined;
  /** Opens the state that a checkpoint names, read-only. */
  readonly checkpoint?: string | undefined;
  /** What is kept near at hand of a bucket. See docs/guide/cache.md. */
  readonly cache?: CacheOptions | undefined;
  /** Another name of `cache`, with a `ttl` in seconds. Only one of the two may be given. */
  readonly caching?: CachingOptions | undefined;
  readonly batching?: BatchingOptions | undefined;
  readonly indexing?: IndexingSettings | undefined;
  /** `false`: this process never compacts by itself; `compact()` still does. Default `true`. */
  readonly compaction?: boolean | undefined;
  /**
   * How often a shared store is looked at for what other processes wrote, in milliseconds; 0 never
   * looks. Costs a LIST and two HEADs. Default: 0 in memory, 1,000 in a folder; in a bucket 1,000 too, up to
   * 5,000 while nothing changes; with hints up to 30,000; and 60,000 in a bucket or a fleet once
   * nobody has asked for anything in ten minutes.
   */
  readonly pollInterval?: number | undefined;
  readonly limits?: LimitOptions | undefined;
  /** Makes this instance part of a fleet: it has a role, and is known to the others. */
  readonly distributed?: boolean | DistributedOptions | undefined;
  readonly logging?: LoggingOptions | undefined;
  /** For tests: another source of time. */
  readonly clock?: Clock | undefined;
  /** For tests: another source of randomness. */
  readonly random?: Random | undefined;
}

/** An embedding function with a name. */
export interface EmbeddingOptions {
  readonly embed: EmbeddingFunction;
  /** Stored with the database; another name is refused later. Default `'custom'`. */
  readonly model?: string | undefined;
  /** Texts in one call. Default 100. */
  readonly batchSize?: number | undefined;
}

/**
 * What is fetched before it is asked for, whenever other segments are read from: `none`;
 * `moderate`, the vectors, so that no search waits for them; `aggressive`, data and texts too.
 */
export type PrefetchStrategy = "none" | "moderate" | "aggressive";

/**
 * What is kept near at hand of a bucket: segments on a disk (the warm cache), data and texts of
 * records in memory (the hot one). Sizes are bytes or texts like `'8GB'`.
 */
export interface CacheOptions {
  /**
   * Folder of the cache on disk, which processes of one user may share. Default: none; with
   * `maxBytes`, `warmCacheSize` or `warmCacheTTL` one in the system's folder for temporary files.
   */
  readonly dir?: string | undefined;
  /** The most that the cache on disk may take. Default 8 GiB, at least 32 MiB. */
  readonly maxBytes?: ByteSize | undefined;
  /** The same as `maxBytes`. */
  readonly warmCacheSize?: ByteSize | undefined;
  /** What nobody used for this long leaves the disk, ms. Default: when there is no room. */
  readonly warmCacheTTL?: number | undefined;
  /**
   * Records whose data and text stay in memory. Default 10,000 of a bucket, else 0; no bound where
   * `hotCacheSize` is given.
   */
  readonly hotCacheMaxSize?: number | undefined;
  /** Bytes that they may take. Default 32 MiB; 64 MiB where `hotCacheMaxSize` is given. */
  readonly hotCacheSize?: ByteSize | undefined;
  /** Share of both bounds that stays when one is reached, in (0, 1]. Default 0.9. */
  readonly hotCacheEvictionThreshold?: number | undefined;
  /** Default `'none'`. */
  readonly prefetchStrategy?: PrefetchStrategy | undefined;
  /** Of an instance that only reads. Default: as above. */
  readonly readOnlyMode?: { readonly prefetchStrategy?: PrefetchStrategy | undefined } | undefined;
  /** The same as `batching.size`. */
  readonly batchSize?: number | undefined;
  /** Only `false`: sizes are what is said here. */
  readonly autoTune?: false | undefined;
}

/** `CacheOptions` under the name of `caching`. */
export interface CachingOptions extends CacheOptions {
  /** The same as `warmCacheTTL`, in seconds. */
  readonly ttl?: number | undefined;
}

/** How records are gathered into slots of the log. */
export interface BatchingOptions {
  /** Records in one slot of the log, 1 to 10,000. Default 4,000. A slot has at most 4 MiB. */
  readonly size?: number | undefined;
  /** The longest that a record of `addMany` waits for its slot to fill, ms. Default 5,000. */
  readonly flushInterval?: number | undefined;
}

/** When the index follows the log. */
export interface IndexingSettings {
  /** `false`: a write that makes indexing due resolves when that is done. Default `true`. */
  readonly async?: boolean | undefined;
  /** `false`: the index is updated after every slot, not when enough gathered. Default `true`. */
  readonly batchIndexUpdates?: boolean | undefined;
}

/** Bounds on time and memory. */
export interface LimitOptions {
  /** Largest allowed distance to the store's clock, ms. Default 5,000. */
  readonly maxClockSkew?: number | undefined;
  /** Bytes of unindexed records in memory above which writes wait. Default 512 MiB. */
  readonly tailBytesMax?: number | undefined;
  /** Bytes one compaction job may hold. Default 256 MiB. */
  readonly compactionBytesMax?: number | undefined;
  /**
   * How long after its deletion a record may still be in some object of the store, ms; at least four
   * hours. Holds while processes that may compact are there to do it. Default 7 days. The shorter,
   * the more often segments are rewritten: each at most four times in this time.
   */
  readonly deletedGoneWithin?: number | undefined;
}

/** How an instance takes part in a fleet. See docs/guide/fleet.md. */
export interface DistributedOptions {
  /** `false` is the same as leaving `distributed` out. Default `true`. */
  readonly enabled?: boolean | undefined;
  /**
   * `BRAINY_ROLE` goes before it. `auto`: a reader on AWS Lambda; else a writer when no live one
   * is registered, and a reader when there is one. No default: without any, `readOnly` or
   * `BRAINY_MODE` must say it.
   */
  readonly role?: "writer" | "reader" | "hybrid" | "auto" | undefined;
  /**
   * Name in the registry, 1 to 64 letters, digits, `_` and `-`; `BRAINY_INSTANCE_ID` goes before
   * it. Default: the role and a random part, another one at every start.
   */
  readonly instanceId?: string | undefined;
  /**
   * Where the shared settings are: `_brainy/config.json`, and nothing else, since all processes of
   * a database have to look in one place.
   */
  readonly configPath?: string | undefined;
  /** Between two heartbeats, ms; 120,000 when idle. Default 30,000. Costs one PUT and one LIST. */
  readonly heartbeatInterval?: number | undefined;
  /** How long an instance may stand still before it counts as stale, ms. Default 60,000. */
  readonly instanceTimeout?: number | undefined;
  /** The same as `limits.maxClockSkew`. Default 5,000. */
  readonly maxClockSkew?: number | undefined;
  /** How fresh reads are that do not say it themselves. Default `eventual`. */
  readonly consistencyLevel?: "eventual" | "bounded" | "strong" | undefined;
  /**
   * How instances tell each other that something is new, so that nobody waits for the next look at
   * the store. Nothing depends on it but latency. Default `none`: each looks for itself.
   * `websocket`: over a relay. `s3-polling`: through the store, which costs requests. `pubsub`:
   * over the bus given as `coordinator`.
   */
  readonly coordinationMethod?: "none" | "s3-polling" | "websocket" | "pubsub" | undefined;
  /**
   * With `websocket` where the relay is: its address, `ws://…` or `wss://…`, or `RelayOptions`.
   * With `s3-polling` nothing, or how often. With `pubsub` a bus of your own, which you close
   * yourself.
   */
  readonly coordinator?: string | RelayOptions | StorePollingOptions | EventBus | undefined;
  /**
   * Places records in partitions: a class of your own that extends `HashPartitioner`. Its name and
   * its number of partitions are fixed when the database is created; all who use `ifAbsent` or
   * `ifVersion` need it. Default: the hash of the id, 100 partitions.
   */
  readonly partitioner?: HashPartitioner | undefined;
  /**
   * What becomes of concurrent changes of one record. `last-write-wins` (default): the newest put
   * or delete, and the patches after it. `vector-clock`: both stay, as siblings, until somebody
   * who has read both writes. `crdt`: field by field, so that changes of different fields meet.
   * Fixed when the database is created; what is not given is taken from the store.
   */
  readonly conflictResolution?: ConflictResolution | undefined;
  /**
   * `vector-clock` only: what readers of this process see of siblings. Default: the newest.
   * Needs `conflictResolution: "vector-clock"` beside it.
   */
  readonly resolver?: Resolver | undefined;
}

/** Hints through the store. */
export interface StorePollingOptions {
  /**
   * Between two looks for hints of others, and two objects with own ones, ms. Default 1,000. Costs
   * a LIST each while this instance is in use, and a PUT while it writes.
   */
  readonly interval?: number | undefined;
}

/** A relay of hints. Give `url`, or `listen` to host one. */
export interface RelayOptions {
  /** `ws://…` or `wss://…` */
  readonly url?: string | undefined;
  /** What the relay wants to hear: 1 to 512 letters, digits and `-._~+/=`. */
  readonly token?: string | undefined;
  /**
   * Hosts the relay while no other process of this machine has taken the port. Default host
   * `127.0.0.1`; any other needs a token.
   */
  readonly listen?: { readonly port: number; readonly host?: string | undefined } | undefined;
}

/** A partition as `discoverPartitions` finds it. */
export interface PartitionInfo {
  /** `vectors/p007`. */
  readonly partition: string;
  /** Records of it that readers see. */
  readonly records: number;
  /** Who decides its conditional operations; absent while nobody does. */
  readonly owner?: PartitionOwner | undefined;
  /** The instance that is to own it; absent outside of a fleet. */
  readonly assignedTo?: string | undefined;
}

/** What the lease of a partition says. */
export interface PartitionOwner {
  readonly instanceId: string;
  readonly endpoint?: string | undefined;
  /** How often the lease has changed. */
  readonly epoch: number;
  /** As of the last look at the fleet; `unknown` where the run is not registered. */
  readonly status: "active" | "stale" | "unknown";
}

/**
 * From concurrent siblings, oldest first and at least two, the record that readers see: one of
 * them, or another, which is checked as `add` checks one, and has no vector unless it is given one.
 * It must be a function of its argument alone: it is called again in every process, whenever the
 * siblings change, and nothing that it returns is stored.
 */
export type Resolver = (siblings: readonly BrainyRecord[]) => RecordInput | BrainyRecord;

/** What is told, and to whom. */
export interface LoggingOptions {
  /**
   * Logs what happens in the background too. Default `false`: warnings, and changes of the settings
   * that a fleet shares.
   */
  readonly verbose?: boolean | undefined;
  /** Default: the console. */
  readonly logger?: Logger | undefined;
}

/** What `console` has, and most loggers. */
export interface Logger {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/** Second or third argument of `add`. */
export interface AddOptions {
  /** Default: a ulid. An existing record with this id is replaced. */
  readonly id?: string | undefined;
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  /** Text to keep; it is what gets embedded when there is no vector. */
  readonly text?: string | undefined;
  /** Used instead of embedding. */
  readonly vector?: VectorInput | undefined;
  /** When the record stops to exist: a Date, an ISO string or milliseconds since 1970. */
  readonly expiresAt?: Date | string | number | undefined;
  /**
   * Adds only if there is no record with this id, else rejects with `BRAINY_CONFLICT`. Of any
   * number of processes that try, one succeeds. Costs a look at the store, and a lease of the
   * record's partition at the first time. Default `false`.
   */
  readonly ifAbsent?: boolean | undefined;
}

/** Options of `update`, and of `delete` of one id. */
export interface VersionConditionOptions {
  /**
   * The `version` that was read: if the record has another one by now, or is gone, the call
   * rejects with `BRAINY_CONFLICT` and changes nothing. Default: no condition.
   */
  readonly ifVersion?: string | undefined;
}

/** One record of `addMany` and `import`: what `export` yields is one. */
export interface RecordInput<Metadata = JsonObject> {
  readonly id?: string | undefined;
  readonly vector?: VectorInput | undefined;
  readonly data?: unknown;
  readonly text?: string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  readonly expiresAt?: Date | string | number | undefined;
}

/**
 * What `addMany` takes: a vector, a text, a `RecordInput`, or any other object, which is then data
 * and metadata at once. An object is a `RecordInput` when it has `vector`, `text`, `data` or
 * `metadata` and no key that a `RecordInput` lacks.
 */
export type AddItem<Metadata = JsonObject> =
  | VectorInput
  | string
  | RecordInput<Metadata>
  | JsonObject;

/** Options of `addMany` and `import`. */
export interface AddManyOptions {
  /** Called after each acknowledged slot. */
  readonly onProgress?: ((progress: AddProgress) => void) | undefined;
  /** Stops taking items; what was acknowledged stays. */
  readonly signal?: AbortSignal | undefined;
}

/** How far an `addMany` has come. */
export interface AddProgress {
  readonly added: number;
  readonly failed: number;
}

/** How an `addMany` ended. */
export interface AddManyResult {
  /** Acknowledged: durable and searchable. */
  readonly added: number;
  /** Items refused, by position in the input. The others were added all the same. */
  readonly failed: readonly FailedItem[];
}

/** An item that was refused, and why. */
export interface FailedItem {
  readonly index: number;
  readonly id?: string | undefined;
  readonly error: Error;
}

/** A record as readers get it. */
export interface BrainyRecord<Metadata = JsonObject> {
  readonly id: string;
  readonly vector?: Float32Array | undefined;
  readonly metadata: Metadata;
  readonly data?: unknown;
  readonly text?: string | undefined;
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  /** ISO 8601. */
  readonly expiresAt?: string | undefined;
  /** Grows with every change of the record; opaque, sorts as text. */
  readonly version: string;
  /**
   * With `conflictResolution: "vector-clock"`, from `get` and `getMany`: the concurrent records that
   * this one was chosen from, oldest first, up to 16. Absent unless there are at least two.
   */
  readonly siblings?: readonly BrainyRecord<Metadata>[] | undefined;
}

/** A record found. Best first. */
export interface Hit<Metadata = JsonObject> extends BrainyRecord<Metadata> {
  /** Grows with similarity: cosine 1 - distance, euclidean 1 / (1 + distance), dot the product. */
  readonly score: number;
  /** Cosine 1 - cos, euclidean the distance, dot the negative product. */
  readonly distance: number;
}

/** Parts of a record that cost something to read. */
export type RecordPart = "metadata" | "data" | "text" | "vector";

/** Options of everything that reads. */
export interface ReadOptions {
  /**
   * `eventual` answers from what is here; `bounded` first catches up when that is older
   * than `maxStalenessMs`; `strong` always does, and sees everything acknowledged anywhere before.
   * Default: `distributed.consistencyLevel`, or `eventual`.
   */
  readonly consistency?: "eventual" | "bounded" | "strong" | undefined;
  /** For `bounded`. Default 5,000 ms. */
  readonly maxStalenessMs?: number | undefined;
  /** Called once, before the read resolves, with how fresh its answer is. */
  readonly onFreshness?: ((freshness: ReadFreshness) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How fresh the answer to a read is. */
export interface ReadFreshness {
  readonly consistency: "eventual" | "bounded" | "strong";
  /**
   * The answer holds everything that was acknowledged anywhere so many milliseconds before the
   * read began, and all own writes. Infinity while the store has not been read yet.
   */
  readonly stalenessMs: number;
  /** Number of the manifest that it was read from; 0 before there was one. */
  readonly manifest: number;
}

/** Options of `get` and `getMany`. */
export interface GetOptions extends ReadOptions {
  /** Default: everything. */
  readonly include?: readonly (RecordPart | "siblings")[] | undefined;
}

/** Options of `search`. */
export interface SearchOptions<Metadata = JsonObject> extends ReadOptions {
  /** Number of hits, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  readonly filter?: Filter<Metadata> | undefined;
  /** Leaves out hits below it. Fewer than `k` may come back then. */
  readonly minScore?: number | undefined;
  /** Default `['metadata', 'data', 'text']`. */
  readonly include?: readonly RecordPart[] | undefined;
  /** Only `'vector'` for now. */
  readonly mode?: "vector" | undefined;
}

/** A vector, a text that is embedded, or the id of a record whose neighbours are wanted. */
export type Query = VectorInput | string | { readonly id: string };

/** Options of `list`. */
export interface ListOptions<Metadata = JsonObject> extends ReadOptions {
  /** Default: everything. */
  readonly include?: readonly RecordPart[] | undefined;
  readonly filter?: Filter<Metadata> | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
  /** Records in a page, 1 to 10,000. Default 100. */
  readonly limit?: number | undefined;
}

/** One page of `list`. */
export interface ListPage<Metadata = JsonObject> {
  /** In order of their ids. */
  readonly records: readonly BrainyRecord<Metadata>[];
  /** Absent on the last page. */
  readonly cursor?: string | undefined;
}

/** Options of `export` and `exportAll`. */
export interface ExportOptions<Metadata = JsonObject> extends ReadOptions {
  readonly filter?: Filter<Metadata> | undefined;
}

/** What `update` changes; everything else stays. */
export interface RecordChanges<Metadata = JsonObject> {
  /** Keys to set; a key that is `undefined` is removed. */
  readonly metadata?: Partial<Metadata> | undefined;
  /** Embedded again, unless `vector` is given too. */
  readonly text?: string | undefined;
  readonly data?: unknown;
  readonly vector?: VectorInput | undefined;
  /** `undefined` as an own key removes it. */
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  readonly expiresAt?: Date | string | number | undefined;
}

/** Events of `brain.on`. */
export interface BrainyEvent {
  readonly type: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly payload: Readonly<Record<string, unknown>>;
}
