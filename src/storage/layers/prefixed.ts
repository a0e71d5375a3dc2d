import { invalid } from "../../base/errors.ts";
import { checkKey, checkKeyPrefix } from "../keys.ts";
import type { ObjectInfo, ObjectStore } from "../object-store.ts";

/**
 * The part of a store below `prefix`, as a store of its own. Keys are given and listed without the
 * prefix, and together with it they must still be keys of the inner store.
 */
export function prefixed(inner: ObjectStore, prefix: string): ObjectStore {
  if (!prefix.endsWith("/")) throw invalid(`prefix ${JSON.stringify(prefix)} does not end in /`);
  checkKey(prefix.slice(0, -1));
  // Checked before the prefix is put in front, where an empty key would look like a folder.
  const outer = (key: string): string => {
    checkKey(key);
    return prefix + key;
  };
  const own = <T extends ObjectInfo>(info: T): T => ({
    ...info,
    key: info.key.slice(prefix.length),
  });
  return {
    name: `${inner.name}/${prefix}`,
    capabilities: inner.capabilities,
    get: async (key, options) => inner.get(outer(key), options),
    getIfChanged: async (key, etag, options) => inner.getIfChanged(outer(key), etag, options),
    put: async (key, bytes, options) => inner.put(outer(key), bytes, options),
    putStream: async (key, chunks, options) => inner.putStream(outer(key), chunks, options),
    deleteMany: async (keys, options) => inner.deleteMany(keys.map(outer), options),
    async head(key, options) {
      const found = await inner.head(outer(key), options);
      return found === undefined ? undefined : own(found);
    },
    async *list(options = {}) {
      const { prefix: below = "", startAfter } = options;
      checkKeyPrefix(below);
      const pages = inner.list({
        ...options,
        prefix: prefix + below,
        startAfter: startAfter === undefined ? undefined : prefix + startAfter,
      });
      for await (const page of pages) {
        yield {
          ...page,
          objects: page.objects.map(own),
          prefixes: page.prefixes.map((rolledUp) => rolledUp.slice(prefix.length)),
        };
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(inner[Symbol.asyncDispose]()),
  };
}
