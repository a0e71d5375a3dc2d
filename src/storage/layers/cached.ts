import { checkByteRange } from "../byte-range.ts";
import { checkKey } from "../keys.ts";
import type { ObjectStore } from "../object-store.ts";
import type { BlockCache } from "./block-cache.ts";
import { BlockReader } from "./block-reader.ts";

/** Options of `cached`. */
export interface CachedOptions {
  /** Belongs to the layer from now on, and is closed with it. */
  readonly cache: BlockCache;
  /** Whether what this key names never changes. Everything else goes to the store each time. */
  readonly isImmutable: (key: string) => boolean;
}

/** A store behind a cache of blocks. */
export interface CachedStore extends ObjectStore {
  readonly cache: BlockCache;
  /** Asks the store for those blocks of a range of an immutable object that are not kept yet. */
  prefetch(
    key: string,
    range: readonly [start: number, end: number],
    signal?: AbortSignal,
  ): Promise<void>;
  /** Removes every block of an object from the cache, also those on their way into it. */
  forget(key: string): Promise<void>;
}

/**
 * Answers reads of immutable objects from a cache of blocks, and asks the store for whole blocks
 * that are missing: neighbours with one request, and each block once however many want it. Spec:
 * docs/specs/cache.md.
 */
export function cached(inner: ObjectStore, { cache, isImmutable }: CachedOptions): CachedStore {
  const reader = new BlockReader(inner, cache);
  /** What is written by way of this layer is not answered from before. */
  const changing = async <T>(keys: readonly string[], change: () => Promise<T>): Promise<T> => {
    try {
      return await change();
    } finally {
      await Promise.all(keys.filter(isImmutable).map((key) => reader.forget(key)));
    }
  };
  return {
    name: inner.name,
    capabilities: inner.capabilities,
    descriptor: inner.descriptor,
    cache,
    async get(key, options = {}) {
      checkKey(key);
      checkByteRange(key, options);
      const { range, suffix, fresh } = options;
      const isEmpty = range !== undefined && range[0] === range[1];
      if (suffix !== undefined || isEmpty || !isImmutable(key)) return inner.get(key, options);
      if (fresh !== true) return reader.get(key, options);
      await reader.forget(key);
      return inner.get(key, options);
    },
    async prefetch(key, range, signal) {
      if (isImmutable(key)) await reader.prefetch(key, range, signal);
    },
    forget: (key) => reader.forget(key),
    getIfChanged: (key, etag, options) => inner.getIfChanged(key, etag, options),
    put: (key, bytes, options) => changing([key], () => inner.put(key, bytes, options)),
    putStream: (key, chunks, options) =>
      changing([key], () => inner.putStream(key, chunks, options)),
    deleteMany: (keys, options) => changing(keys, () => inner.deleteMany(keys, options)),
    head: (key, options) => inner.head(key, options),
    list: (options) => inner.list(options),
    async [Symbol.asyncDispose]() {
      await cache[Symbol.asyncDispose]();
      await inner[Symbol.asyncDispose]();
    },
  };
}
