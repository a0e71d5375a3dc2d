import type { Brand } from "../base/brand.ts";

/** Opaque version of one object. Compare for equality only; adapters disagree on its form. */
export type Etag = Brand<string, "Etag">;

/** What an adapter can really do. The conformance suite holds it to every `true` *and* `false`. */
export interface Capabilities {
  /** `PutCondition` is atomic against other processes. If false, any condition is refused. */
  readonly conditionalPut: boolean;
  /** Bytes survive the death of this process and of its machine. */
  readonly durable: boolean;
  /** Largest object one `put` accepts. `putStream` has no such limit. */
  readonly putBytesMax: number;
}

/** At most one condition, by type. `ifAbsent` creates; `ifMatch` replaces one known version. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: Etag };

/** Options of `put`. */
export interface PutOptions {
  readonly condition?: PutCondition | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a put that resolved says. */
export interface PutResult {
  readonly etag: Etag;
  /** The store's own clock when it took the object, in milliseconds since 1970. */
  readonly storeMs: number;
}

/** Options of `get`. */
export interface GetOptions {
  /**
   * Half-open byte range `[start, end)`; `end` may lie beyond the object, `start` may not: it is
   * `BRAINY_INVALID_ARGUMENT`. A range that is empty, or starts at the very end, gives no bytes.
   */
  readonly range?: readonly [start: number, end: number] | undefined;
  /** The last `suffix` bytes, or the whole object when it is shorter. Excludes `range`. */
  readonly suffix?: number | undefined;
  /** Past any cache in between, which then forgets the object. Stores without one ignore it. */
  readonly fresh?: boolean | undefined;
  /**
   * Memory of exactly as many bytes as are asked for, where a store may put them instead of into
   * memory of its own; `bytes` is it then. Only a hint, and whatever happens it may be written to
   * until the call has ended. Not with a `signal`.
   */
  readonly target?: Uint8Array<ArrayBuffer> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `get` returns. */
export interface StoredObject {
  /** Belongs to the caller; the store never changes it. Backed by its own memory, or the target. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: Etag;
  /** Size of the whole object, also when `bytes` is a range of it. */
  readonly bytesTotal: number;
  readonly storeMs: number;
}

/** What a listing says of one object. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytesTotal: number;
  readonly etag: Etag;
  /** When the object was last written, by the store's clock. */
  readonly modifiedMs: number;
}

/** What `head` returns. */
export interface HeadResult extends ObjectInfo {
  readonly storeMs: number;
}

/** Options of `list`. */
export interface ListOptions {
  /** Only keys that start with this. */
  readonly prefix?: string | undefined;
  /** Keys with this string after the prefix are rolled up into one entry of `prefixes`. */
  readonly delimiter?: string | undefined;
  /** Only keys that sort strictly after this one. A hint: never rely on it for correctness. */
  readonly startAfter?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The answer to one request of a listing. */
export interface ListPage {
  readonly objects: readonly ObjectInfo[];
  /** Common prefixes, each ending in the delimiter. Empty without one. */
  readonly prefixes: readonly string[];
  readonly storeMs: number;
}

/**
 * A flat map from key to immutable bytes: the only durable state in the system.
 *
 * Contract, on top of the types:
 * - Read-after-write and list-after-write are strongly consistent.
 * - A `put` that resolved is durable, when `capabilities.durable` says so. A reader sees all of
 *   its bytes or none.
 * - An aborted or failed `put` may still have happened, unless it rejected with
 *   `BRAINY_CONFLICT`, `BRAINY_INVALID_ARGUMENT`, `BRAINY_LIMIT` or `BRAINY_DENIED`. Callers treat
 *   the outcome as unknown and re-read; adapters must not hide it behind a retry of a
 *   conditional put. After `BRAINY_FENCED` re-reading proves nothing: the caller stops.
 * - Keys are one or more segments joined by `/`, of `[A-Za-z0-9._-]`, none empty, none starting or
 *   ending with `.`, none a device name of Windows; at most 240 characters each and 512 in all.
 *   Anything else is `BRAINY_INVALID_ARGUMENT`.
 */
export interface ObjectStore extends AsyncDisposable {
  /** For logs and errors: `memory`, `file:/data`, … */
  readonly name: string;
  readonly capabilities: Capabilities;

  /** Resolves to `undefined` for a missing key: absence is an answer, not an error. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>;

  /** The object when its etag is no longer `etag`, else `unchanged`: a poll that moves no bytes. */
  getIfChanged(
    key: string,
    etag: Etag,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<StoredObject | "unchanged" | undefined>;

  /** Rejects with `BRAINY_CONFLICT` when the condition does not hold. `bytes` are not kept. */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult>;

  /**
   * Writes an object of unknown size, for keys that nobody else writes. Nothing is visible until
   * it resolves; when `chunks` throws, nothing is left behind and the error is passed on.
   */
  putStream(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<PutResult>;

  /** Idempotent: deleting a missing key succeeds. */
  deleteMany(
    keys: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<void>;

  head(
    key: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<HeadResult | undefined>;

  /** Pages of objects in no promised order; callers that need one sort. One page, one request. */
  list(options?: ListOptions): AsyncIterable<ListPage>;

  /** How another thread of this process opens the same store; absent when it cannot. */
  readonly descriptor?: StoreDescriptor | undefined;
}

/** Plain data from which `openStore` builds the same store again in a worker thread. */
export type StoreDescriptor =
  | { readonly type: "file"; readonly root: string; readonly shared: boolean }
  /** Options of the adapter, as far as they are plain data. */
  | { readonly type: "s3"; readonly options: Readonly<Record<string, unknown>> };
