import type { ObjectStore, PutResult } from "../../src/storage/object-store.ts";

/** One request as a store sees it: `"put _brainy/config.json"`, `"list _brainy/wal/"`, … */
export type Request = `${"get" | "put" | "head" | "list" | "delete"} ${string}`;

/** What a test does around requests. Each may throw, wait, or use the store underneath. */
export interface Script {
  /** Before the store sees a request. */
  readonly before?: ((request: Request) => Promise<void> | void) | undefined;
  /** After the store has answered, before the caller hears of it. */
  readonly after?: ((request: Request) => Promise<void> | void) | undefined;
}

/** A store whose requests a test sees, delays, loses, or lets others come between. */
export interface ScriptedStore extends ObjectStore {
  readonly requests: Request[];
  script: Script;
}

export function scripted(inner: ObjectStore, script: Script = {}): ScriptedStore {
  const requests: Request[] = [];
  async function call<T>(request: Request, run: () => Promise<T>): Promise<T> {
    requests.push(request);
    await store.script.before?.(request);
    const answer = await run();
    await store.script.after?.(request);
    return answer;
  }
  const store: ScriptedStore = {
    name: `scripted(${inner.name})`,
    capabilities: inner.capabilities,
    requests,
    script,
    get: (key, more) => call(`get ${key}`, () => inner.get(key, more)),
    getIfChanged: (key, etag, more) =>
      call(`get ${key}`, () => inner.getIfChanged(key, etag, more)),
    put: (key, bytes, more): Promise<PutResult> =>
      call(`put ${key}`, () => inner.put(key, bytes, more)),
    putStream: (key, chunks, more) => call(`put ${key}`, () => inner.putStream(key, chunks, more)),
    deleteMany: (keys, more) =>
      call(`delete ${keys.join(" ")}`, () => inner.deleteMany(keys, more)),
    head: (key, more) => call(`head ${key}`, () => inner.head(key, more)),
    async *list(more) {
      const request: Request = `list ${more?.prefix ?? ""}`;
      requests.push(request);
      await store.script.before?.(request);
      for await (const page of inner.list(more)) yield page;
      await store.script.after?.(request);
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return store;
}
