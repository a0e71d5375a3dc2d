import { concatBytes } from "../../base/bytes.ts";
import { systemClock, type Clock } from "../../base/clock.ts";
import { BrainyError } from "../../base/errors.ts";
import { checkByteRange, resolveByteRange } from "../byte-range.ts";
import { checkKey, checkKeyPrefix } from "../keys.ts";
import type {
  Etag,
  GetOptions,
  HeadResult,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
  StoredObject,
} from "../object-store.ts";

/** Options of `MemoryStore`. */
export interface MemoryStoreOptions {
  /** Where `storeMs` and `modifiedMs` come from; the process's clock by default. */
  readonly clock?: Clock | undefined;
  /** Entries of one page of `list`, 1,000 by default as on S3. */
  readonly pageSize?: number | undefined;
}

interface Held {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: Etag;
  readonly modifiedMs: number;
}

type Abortable = { readonly signal?: AbortSignal | undefined };

/**
 * The reference adapter: the smallest code that keeps the contract; others are checked against it.
 * Its objects live as long as it does, disposed or not: there is nothing outside the heap to give
 * back, and two users in one process may share it.
 */
export class MemoryStore implements ObjectStore {
  readonly name: string = "memory";
  readonly capabilities = { conditionalPut: true, durable: false, putBytesMax: 2 ** 31 } as const;
  readonly #objects = new Map<string, Held>();
  readonly #clock: Clock;
  readonly #pageSize: number;
  #version = 0;

  constructor({ clock = systemClock, pageSize = 1000 }: MemoryStoreOptions = {}) {
    this.#clock = clock;
    this.#pageSize = pageSize;
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key);
    checkByteRange(key, options);
    options.signal?.throwIfAborted();
    const held = this.#objects.get(key);
    if (held === undefined) return undefined;
    const bytesTotal = held.bytes.byteLength;
    const [start, end] = resolveByteRange(key, options, bytesTotal);
    const bytes = held.bytes.slice(start, end);
    return { bytes, etag: held.etag, bytesTotal, storeMs: this.#clock.nowMs() };
  }

  async getIfChanged(
    key: string,
    etag: Etag,
    options: Abortable = {},
  ): Promise<StoredObject | "unchanged" | undefined> {
    checkKey(key);
    options.signal?.throwIfAborted();
    return this.#objects.get(key)?.etag === etag ? "unchanged" : this.get(key, options);
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    const { condition, signal } = options;
    checkKey(key);
    signal?.throwIfAborted();
    const current = this.#objects.get(key)?.etag;
    if (condition !== undefined) {
      const expected = "ifMatch" in condition ? condition.ifMatch : undefined;
      if (current !== expected) {
        const [want, have] = [expected ?? "absence", current ?? "nothing"];
        throw new BrainyError("BRAINY_CONFLICT", `put ${key}: expected ${want}, found ${have}`);
      }
    }
    const etag = `m${++this.#version}` as Etag;
    const storeMs = this.#clock.nowMs();
    // `new` and not `slice`: a view on shared memory must not stay one.
    this.#objects.set(key, { bytes: new Uint8Array(bytes), etag, modifiedMs: storeMs });
    return { etag, storeMs };
  }

  async putStream(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options: Abortable = {},
  ): Promise<PutResult> {
    checkKey(key);
    options.signal?.throwIfAborted();
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) {
      options.signal?.throwIfAborted();
      parts.push(chunk.slice());
    }
    return this.put(key, concatBytes(parts), options);
  }

  async deleteMany(keys: readonly string[], { signal }: Abortable = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    signal?.throwIfAborted();
    for (const key of keys) this.#objects.delete(key);
  }

  async head(key: string, { signal }: Abortable = {}): Promise<HeadResult | undefined> {
    checkKey(key);
    signal?.throwIfAborted();
    const held = this.#objects.get(key);
    if (held === undefined) return undefined;
    return { ...describe(key, held), storeMs: this.#clock.nowMs() };
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListPage> {
    const { prefix = "", delimiter, startAfter, signal } = options;
    checkKeyPrefix(prefix);
    signal?.throwIfAborted();
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .filter((key) => startAfter === undefined || key > startAfter)
      .toSorted();
    let objects: ObjectInfo[] = [];
    let prefixes: string[] = [];
    const seen = new Set<string>();
    for (const key of keys) {
      const held = this.#objects.get(key);
      // Deleted while an earlier page was being looked at.
      if (held === undefined) continue;
      const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      const rolledUp = cut === -1 ? undefined : key.slice(0, cut + (delimiter?.length ?? 0));
      if (rolledUp !== undefined && seen.has(rolledUp)) continue;
      if (objects.length + prefixes.length === this.#pageSize) {
        yield { objects, prefixes, storeMs: this.#clock.nowMs() };
        signal?.throwIfAborted();
        [objects, prefixes] = [[], []];
      }
      if (rolledUp === undefined) objects.push(describe(key, held));
      else {
        seen.add(rolledUp);
        prefixes.push(rolledUp);
      }
    }
    yield { objects, prefixes, storeMs: this.#clock.nowMs() };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function describe(key: string, { bytes, etag, modifiedMs }: Held): ObjectInfo {
  return { key, bytesTotal: bytes.byteLength, etag, modifiedMs };
}
