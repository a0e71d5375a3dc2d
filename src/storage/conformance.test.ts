import { expect, test } from "vitest";
import { BrainyError } from "../base/errors.ts";
import { MemoryStore } from "./adapters/memory.ts";
import { objectStoreConformance, type ConformanceOptions } from "./conformance.ts";
import type {
  Etag,
  GetOptions,
  HeadResult,
  ListOptions,
  ListPage,
  ObjectStore,
  PutOptions,
  PutResult,
  StoredObject,
} from "./object-store.ts";

/** Runs the suite as data, and returns the names of the cases that failed. */
async function failures(
  open: () => ObjectStore,
  more: Partial<ConformanceOptions> = {},
): Promise<string[]> {
  const cases: [name: string, run: () => Promise<void>][] = [];
  const add = (name: string, run: () => Promise<void>): unknown => cases.push([name, run]);
  objectStoreConformance({ test: add, open: async () => open(), objectCount: 1_001, ...more });
  const failed: string[] = [];
  for (const [name, run] of cases) await run().catch(() => failed.push(name));
  return failed;
}

// Who tests the tests: each store below breaks one promise, and the suite must notice.

test("[O2] the suite finds a store that ignores conditions", async () => {
  class Careless extends MemoryStore {
    override put(key: string, bytes: Uint8Array, { signal }: PutOptions = {}): Promise<PutResult> {
      return super.put(key, bytes, { signal });
    }
  }
  expect(await failures(() => new Careless())).toEqual([
    "if-absent creates what is missing and refuses what is there",
    "if-match refuses a version that was changed",
    "if-match refuses what is missing",
    "if-match refuses what was deleted, and what was made anew since",
    "a plain put replaces what was changed by if-match",
    "of two creators exactly one wins",
    "of eight creators exactly one wins",
    "of eight replacements of one version exactly one wins",
    "eight loops of compare and swap lose no increment",
  ]);
});

test("the suite finds a store that looks before it creates", async () => {
  class Hasty extends MemoryStore {
    override async put(
      key: string,
      bytes: Uint8Array,
      options: PutOptions = {},
    ): Promise<PutResult> {
      const { condition, signal } = options;
      if (condition === undefined || !("ifAbsent" in condition))
        return super.put(key, bytes, options);
      if ((await this.head(key)) !== undefined) throw new BrainyError("BRAINY_CONFLICT", key);
      return super.put(key, bytes, { signal });
    }
  }
  expect(await failures(() => new Hasty())).toEqual([
    "of two creators exactly one wins",
    "of eight creators exactly one wins",
  ]);
});

test("the suite finds a store that lists only one page", async () => {
  class FirstPage extends MemoryStore {
    override async *list(options?: ListOptions): AsyncGenerator<ListPage> {
      for await (const page of super.list(options)) {
        yield page;
        return;
      }
    }
  }
  expect(await failures(() => new FirstPage())).toEqual([
    "a listing of more than one page has every object once",
  ]);
});

test("the suite finds a store that hands out its own bytes", async () => {
  class Shared extends MemoryStore {
    readonly #given = new Map<Etag, Uint8Array<ArrayBuffer>>();

    override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
      const found = await super.get(key, options);
      if (found === undefined || options?.range !== undefined) return found;
      const bytes = this.#given.get(found.etag) ?? found.bytes;
      if (options?.suffix === undefined) this.#given.set(found.etag, bytes);
      return options?.suffix === undefined ? { ...found, bytes } : found;
    }
  }
  expect(await failures(() => new Shared())).toEqual(["bytes returned belong to the caller"]);
});

test("the suite finds a store that returns a part of a larger buffer", async () => {
  class Pooled extends MemoryStore {
    override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
      const found = await super.get(key, options);
      if (found === undefined) return undefined;
      const pool = new Uint8Array(found.bytes.byteLength + 8);
      pool.set(found.bytes, 8);
      return { ...found, bytes: pool.subarray(8) };
    }
  }
  expect(await failures(() => new Pooled())).toEqual(["bytes returned belong to the caller"]);
});

test("the suite finds a store that keeps the caller's buffer", async () => {
  class Keeping extends MemoryStore {
    readonly #kept = new Map<string, Uint8Array>();

    override async put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
      const result = await super.put(key, bytes, options);
      this.#kept.set(key, bytes);
      return result;
    }

    override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
      const kept = this.#kept.get(key);
      const found = await super.get(key, options);
      if (found === undefined || kept === undefined || options?.range !== undefined) return found;
      return options?.suffix === undefined ? { ...found, bytes: new Uint8Array(kept) } : found;
    }
  }
  expect(await failures(() => new Keeping())).toEqual([
    "bytes given to a put may be changed afterwards",
  ]);
});

test("the suite finds ranges that include their end", async () => {
  class Inclusive extends MemoryStore {
    override get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
      const { range } = options;
      const wider = range === undefined ? undefined : ([range[0], range[1] + 1] as const);
      return super.get(key, { ...options, range: wider });
    }
  }
  expect(await failures(() => new Inclusive())).toEqual([
    "a target takes the bytes or is left alone, and only when it has their length",
    "a range read is half open",
    "impossible ranges are refused",
    "a large object makes the round trip",
  ]);
});

test("the suite finds streams that are visible too early", async () => {
  class Streaming extends MemoryStore {
    override async putStream(
      key: string,
      chunks: AsyncIterable<Uint8Array>,
      options: { signal?: AbortSignal | undefined } = {},
    ): Promise<PutResult> {
      let whole = new Uint8Array();
      let result = await this.put(key, whole, options);
      for await (const chunk of chunks) {
        const longer = new Uint8Array(whole.byteLength + chunk.byteLength);
        longer.set(whole);
        longer.set(chunk, whole.byteLength);
        whole = longer;
        result = await this.put(key, whole, options);
      }
      return result;
    }
  }
  expect(await failures(() => new Streaming())).toEqual([
    "a stream is visible only when it is finished",
    "a stream whose chunks throw leaves nothing and passes the error on",
  ]);
});

test("the suite finds a store that cannot delete what is missing", async () => {
  class Strict extends MemoryStore {
    override async deleteMany(keys: readonly string[], options = {}): Promise<void> {
      for (const key of keys) {
        if ((await this.head(key)) === undefined) throw new BrainyError("BRAINY_NOT_FOUND", key);
        await super.deleteMany([key], options);
      }
    }
  }
  expect(await failures(() => new Strict())).toEqual([
    "what is no key is refused by every method",
    "deleting is idempotent",
  ]);
});

test("the suite finds a store that deletes one request's worth", async () => {
  class Capped extends MemoryStore {
    override deleteMany(keys: readonly string[], options = {}): Promise<void> {
      return super.deleteMany(keys.slice(0, 1000), options);
    }
  }
  expect(await failures(() => new Capped())).toEqual(["deleteMany deletes many"]);
});

test("the suite finds prefixes that are cut at folders", async () => {
  class Folders extends MemoryStore {
    override list(options: ListOptions = {}): AsyncGenerator<ListPage> {
      const prefix = options.prefix?.replace(/[^/]+$/, "");
      return super.list({ ...options, prefix });
    }
  }
  expect(await failures(() => new Folders())).toEqual([
    "what is no key is refused by every method",
    "a prefix is matched letter by letter",
    "a delimiter rolls up what lies below",
  ]);
});

test("the suite finds an etag that follows the size only", async () => {
  class Sized extends MemoryStore {
    #etag(size: number): Etag {
      return `${size}` as Etag;
    }

    override async put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
      const result = await super.put(key, bytes, { signal: options?.signal });
      return { ...result, etag: this.#etag(bytes.byteLength) };
    }

    override async head(key: string): Promise<HeadResult | undefined> {
      const found = await super.head(key);
      return found === undefined ? undefined : { ...found, etag: this.#etag(found.bytesTotal) };
    }
  }
  const failed = await failures(() => new Sized());
  expect(failed).toContain("a put is visible to the next get, head and list");
  expect(failed).toContain("if-match replaces the version it names");
  expect(failed).toContain("if-match refuses a version that was changed");
});

test("the suite finds a stale answer to getIfChanged", async () => {
  class Stale extends MemoryStore {
    override async getIfChanged(key: string, etag: Etag, options = {}) {
      const found = await super.getIfChanged(key, etag, options);
      return typeof found === "object" && found.bytesTotal === 2 ? "unchanged" : found;
    }
  }
  expect(await failures(() => new Stale())).toEqual([
    "getIfChanged tells unchanged, changed and missing apart",
  ]);
});

test("the suite finds a store that does not look at signals", async () => {
  class Deaf extends MemoryStore {
    override get(key: string, { range, suffix }: GetOptions = {}) {
      return super.get(key, { range, suffix });
    }
  }
  expect(await failures(() => new Deaf())).toEqual([
    "an aborted signal stops every method before it begins",
  ]);
});

const { capabilities } = new MemoryStore();
// `never`, because MemoryStore promises its own values by type.
const WITHOUT_CONDITIONS = { ...capabilities, conditionalPut: false } as never;

test("a store without conditions must refuse them, and then passes", async () => {
  class Plain extends MemoryStore {
    override readonly capabilities = WITHOUT_CONDITIONS;
    override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
      if (options.condition !== undefined) throw new BrainyError("BRAINY_UNSUPPORTED", key);
      return super.put(key, bytes, options);
    }
  }
  class Pretending extends MemoryStore {
    override readonly capabilities = WITHOUT_CONDITIONS;
  }
  expect(await failures(() => new Plain())).toEqual([]);
  expect(await failures(() => new Pretending())).toHaveLength(10);
});

test("durable is checked by opening the store again", async () => {
  class Boasting extends MemoryStore {
    override readonly capabilities = { ...capabilities, durable: true } as never;
  }
  const reopen = async (): Promise<ObjectStore> => new MemoryStore();
  expect(await failures(() => new Boasting(), { reopen })).toEqual([
    "a put outlives the store that made it",
  ]);
});

test("a skip that names no case is an error, and one without a reason as well", () => {
  const open = async (): Promise<ObjectStore> => new MemoryStore();
  const register = (skip: Record<string, string>) => (): void =>
    objectStoreConformance({ test: () => {}, open, skip });
  expect(register({ "deleting is idempotnet": "typo" })).toThrow(/names no case/);
  expect(register({ "deleting is idempotent": "" })).toThrow(/no reason/);
  expect(register({ "deleting is idempotent": "it is slow" })).not.toThrow();
});
