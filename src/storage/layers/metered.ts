import type { ObjectStore, StoredObject } from "../object-store.ts";

/** The kinds of request that stores charge for. */
export type RequestKind = "get" | "head" | "put" | "list" | "delete";

/** What went through one kind of request since the layer was made. */
export interface RequestCounter {
  /** Requests begun: a page of a list is one, and so are up to 1,000 deleted keys. */
  requests: number;
  /** Requests that rejected; lost conditions are among them. */
  errors: number;
  bytesIn: number;
  bytesOut: number;
}

/** One counter for each kind. */
export type RequestCounters = Record<RequestKind, RequestCounter>;

/** Keys of one delete request, as on S3. */
const DELETE_KEYS_MAX = 1000;

/**
 * Counts requests and bytes. `bytesIn` is what the store was given, `bytesOut` what it gave. The
 * counters are live; who wants a difference copies them. A streamed put counts as one request here
 * although a store may split it.
 */
export function metered(inner: ObjectStore): { store: ObjectStore; counters: RequestCounters } {
  const counters = newRequestCounters();
  const count = async <T>(kind: RequestKind, call: () => Promise<T>, requests = 1): Promise<T> => {
    counters[kind].requests += requests;
    try {
      return await call();
    } catch (error) {
      counters[kind].errors++;
      throw error;
    }
  };
  const counted = <T extends StoredObject | "unchanged" | undefined>(found: T): T => {
    if (typeof found === "object") counters.get.bytesOut += found.bytes.byteLength;
    return found;
  };
  const counting = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      counters.put.bytesIn += chunk.byteLength;
      yield chunk;
    }
  };
  const store: ObjectStore = {
    name: inner.name,
    capabilities: inner.capabilities,
    descriptor: inner.descriptor,
    get: async (key, options) => counted(await count("get", () => inner.get(key, options))),
    getIfChanged: async (key, etag, options) =>
      counted(await count("get", () => inner.getIfChanged(key, etag, options))),
    put(key, bytes, options) {
      counters.put.bytesIn += bytes.byteLength;
      return count("put", () => inner.put(key, bytes, options));
    },
    putStream: (key, chunks, options) =>
      count("put", () => inner.putStream(key, counting(chunks), options)),
    deleteMany: (keys, options) => {
      const requests = Math.ceil(keys.length / DELETE_KEYS_MAX);
      return count("delete", () => inner.deleteMany(keys, options), requests);
    },
    head: (key, options) => count("head", () => inner.head(key, options)),
    async *list(options) {
      const pages = inner.list(options)[Symbol.asyncIterator]();
      try {
        let isFirst = true;
        for (;;) {
          const page = await pages.next().catch((error: unknown) => {
            counters.list.requests++;
            counters.list.errors++;
            throw error;
          });
          // The end is no request of its own, unless nothing came before it.
          if (page.done !== true || isFirst) counters.list.requests++;
          if (page.done === true) return;
          isFirst = false;
          yield page.value;
        }
      } finally {
        await pages.return?.();
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(inner[Symbol.asyncDispose]()),
  };
  return { store, counters };
}

/** Counters that have seen nothing. */
export function newRequestCounters(): RequestCounters {
  const zero = (): RequestCounter => ({ requests: 0, errors: 0, bytesIn: 0, bytesOut: 0 });
  return { get: zero(), head: zero(), put: zero(), list: zero(), delete: zero() };
}
