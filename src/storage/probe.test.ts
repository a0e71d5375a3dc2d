import { expect, test } from "vitest";
import { systemClock, type Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "./adapters/memory.ts";
import { faulty } from "./layers/faulty.ts";
import { metered } from "./layers/metered.ts";
import type {
  Etag,
  ListOptions,
  ListPage,
  ObjectStore,
  PutOptions,
  PutResult,
} from "./object-store.ts";
import { PROBE_PREFIX, probeStore } from "./probe.ts";

/** Its waits are over at once. */
const clock: Clock = { ...systemClock, sleep: async (_ms, signal) => signal?.throwIfAborted() };

function probe(store: ObjectStore, seed = 1): Promise<void> {
  return probeStore(store, { clock, random: seededRandom(seed) });
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects } of store.list()) keys.push(...objects.map(({ key }) => key));
  return keys;
}

const lost = (): BrainyError => new BrainyError("BRAINY_UNAVAILABLE", "answer lost");

test("[X8] a store that keeps its promises passes, and nothing is left behind", async () => {
  const { store, counters } = metered(new MemoryStore());
  await probe(store);
  expect(await keysOf(store)).toEqual([]);
  expect(counters.put.requests).toBe(11);
  expect(counters.get.requests).toBe(3);
});

test("two probes at once do not disturb each other", async () => {
  const store = new MemoryStore();
  await Promise.all([probe(store, 1), probe(store, 2)]);
});

/** Stores that each break one promise, and what the refusal must say. */
const BROKEN: Readonly<Record<string, { store: () => ObjectStore; says: RegExp }>> = {
  "ignores conditions": {
    store: () =>
      new (class extends MemoryStore {
        override put(key: string, bytes: Uint8Array): Promise<PutResult> {
          return super.put(key, bytes);
        }
      })(),
    says: /8 of 8 creators of one key won/,
  },
  "looks first and writes later": {
    store: () =>
      new (class extends MemoryStore {
        override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const isThere = (await this.get(key)) !== undefined;
          if (options.condition === undefined || !("ifAbsent" in options.condition)) {
            return super.put(key, bytes, options);
          }
          if (isThere) throw new BrainyError("BRAINY_CONFLICT", "there is one");
          return super.put(key, bytes);
        }
      })(),
    says: /creators of one key won/,
  },
  "keeps creators apart only while they race": {
    store: () =>
      new (class extends MemoryStore {
        #isBusy = false;

        override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const { condition } = options;
          if (condition === undefined || "ifMatch" in condition) {
            return super.put(key, bytes, options);
          }
          if (this.#isBusy) throw new BrainyError("BRAINY_CONFLICT", "another one is at it");
          this.#isBusy = true;
          await systemClock.breathe();
          this.#isBusy = false;
          return super.put(key, bytes);
        }
      })(),
    says: /created twice/,
  },
  "gives every version one etag": {
    store: () =>
      new (class extends MemoryStore {
        override async get(key: string) {
          const found = await super.get(key);
          return found === undefined ? undefined : { ...found, etag: "same" as Etag };
        }

        override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const { condition } = options;
          const isMatch = condition !== undefined && "ifMatch" in condition;
          return { ...(await super.put(key, bytes, isMatch ? {} : options)), etag: "same" as Etag };
        }
      })(),
    says: /one etag/,
  },
  "lets nobody create": {
    store: () =>
      new (class extends MemoryStore {
        override put(): Promise<PutResult> {
          return Promise.reject(new BrainyError("BRAINY_CONFLICT", "no"));
        }
      })(),
    says: /none of 8 creators/,
  },
  "ignores if-match": {
    store: () =>
      new (class extends MemoryStore {
        override put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const { condition } = options;
          return super.put(
            key,
            bytes,
            condition !== undefined && "ifMatch" in condition ? {} : options,
          );
        }
      })(),
    says: /ignores "if match"/,
  },
  "never finds that an etag matches": {
    store: () =>
      new (class extends MemoryStore {
        override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const { condition } = options;
          if (condition === undefined || !("ifMatch" in condition)) {
            return super.put(key, bytes, options);
          }
          throw new BrainyError("BRAINY_CONFLICT", "no match");
        }
      })(),
    says: /refuses the version that is there/,
  },
  "says yes to if-match and does nothing": {
    store: () =>
      new (class extends MemoryStore {
        override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
          const { condition } = options;
          if (condition === undefined || !("ifMatch" in condition)) {
            return super.put(key, bytes, options);
          }
          return { etag: condition.ifMatch, storeMs: 0 };
        }
      })(),
    says: /changed nothing/,
  },
  "lists late": {
    store: () =>
      new (class extends MemoryStore {
        override async *list(_options?: ListOptions): AsyncGenerator<ListPage> {
          yield { objects: [], prefixes: [], storeMs: 0 };
        }
      })(),
    says: /listing does not show/,
  },
  "reads what was there before": {
    store: () =>
      new (class extends MemoryStore {
        override async get() {
          return undefined;
        }
      })(),
    says: /cannot be read/,
  },
  "answers that it cannot": {
    store: () =>
      new (class extends MemoryStore {
        override async put(): Promise<PutResult> {
          throw new BrainyError("BRAINY_UNSUPPORTED", "501 NotImplemented");
        }
      })(),
    says: /501 NotImplemented/,
  },
  "says itself that it has no conditions": {
    store: () => {
      const inner = new MemoryStore();
      return new Proxy(inner, {
        get(target, name) {
          if (name === "capabilities") return { ...inner.capabilities, conditionalPut: false };
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
    },
    says: /no conditional puts/,
  },
};

for (const [name, { store, says }] of Object.entries(BROKEN)) {
  test(`[X8] a store that ${name} is refused, and told why`, async () => {
    const error = await probe(store()).catch((reason: unknown) => reason);
    expect(isBrainyError(error, "BRAINY_UNSUPPORTED"), String(error)).toBe(true);
    expect(String(error)).toMatch(says);
  });
}

test("answers that are lost are looked up, and a probe that learnt nothing begins again", async () => {
  let faults = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const inner = new MemoryStore();
    const store = faulty(inner, { random: seededRandom(seed), errorRate: 0.1 });
    const error = await probe(store, seed).catch((reason: unknown) => reason);
    // Never refused for what the network did.
    if (error !== undefined) expect(isBrainyError(error, "BRAINY_UNAVAILABLE")).toBe(true);
    for (const key of await keysOf(inner)) expect(key.startsWith(PROBE_PREFIX)).toBe(true);
    faults += store.faultCount;
  }
  expect(faults).toBeGreaterThan(100);
});

test("a store that never answers is unavailable, not refused, after a bounded number of tries", async () => {
  let puts = 0;
  const store = new (class extends MemoryStore {
    override put(): Promise<PutResult> {
      puts++;
      return Promise.reject(lost());
    }
  })();
  await expect(probe(store)).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(puts).toBe(32);
});

test("[X8] an old version that was accepted without an answer is no pass", async () => {
  const store = new (class extends MemoryStore {
    override async put(key: string, bytes: Uint8Array, options: PutOptions = {}) {
      const { condition } = options;
      const current = (await this.get(key))?.etag;
      if (condition === undefined || !("ifMatch" in condition) || condition.ifMatch === current) {
        return super.put(key, bytes, options);
      }
      await super.put(key, bytes);
      throw lost();
    }
  })();
  await expect(probe(store)).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
});

test("a winner whose answer was lost is a winner", async () => {
  let puts = 0;
  const store = new (class extends MemoryStore {
    override async put(key: string, bytes: Uint8Array, options?: PutOptions) {
      const result = await super.put(key, bytes, options);
      if (++puts === 1) throw lost();
      return result;
    }
  })();
  await probe(store);
});

test("a put that the network repeats refuses no store", async () => {
  for (const twice of [0, 8, 9, 10, "always"] as const) {
    let puts = 0;
    const inner = new MemoryStore();
    const store = new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "put") return value.bind(target) as unknown;
        return async (...given: Parameters<ObjectStore["put"]>) => {
          const isTwice = twice === "always" || puts++ === twice;
          if (isTwice) await inner.put(...given).catch(() => undefined);
          return inner.put(...given);
        };
      },
    });
    const error = await probe(store).catch((reason: unknown) => reason);
    const isUnavailable = isBrainyError(error, "BRAINY_UNAVAILABLE");
    expect(twice === "always" ? isUnavailable : error === undefined, String(error)).toBe(true);
    expect(await keysOf(inner)).toEqual([]);
  }
});

test("what may be a mishap refuses a store when it comes again", async () => {
  const oddly = (mishap: (puts: number, reads: number) => "conflict" | "flip" | undefined) => {
    let [puts, reads] = [0, 0];
    return new (class extends MemoryStore {
      override async put(key: string, bytes: Uint8Array, options?: PutOptions) {
        if (mishap(++puts, 0) === "conflict") throw new BrainyError("BRAINY_CONFLICT", "busy");
        return super.put(key, bytes, options);
      }

      override async get(key: string) {
        const found = await super.get(key);
        if (found !== undefined && mishap(0, ++reads) === "flip") found.bytes[1]! ^= 64;
        return found;
      }
    })();
  };
  await probe(oddly((puts) => (puts === 10 ? "conflict" : undefined)));
  await probe(oddly((_, reads) => (reads === 1 ? "flip" : undefined)));
  await probe(oddly((_, reads) => (reads === 3 ? "flip" : undefined)));
  // Three keys of which nothing is known, and a damaged answer about the fourth.
  const once = oddly((_, reads) => (reads === 1 ? "flip" : undefined));
  let puts = 0;
  const dull = new Proxy(once, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "put" || ++puts > 24) return value.bind(target) as unknown;
      return () => Promise.reject(lost());
    },
  });
  await expect(probe(dull)).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  const always = probe(oddly((_, reads) => (reads > 0 ? "flip" : undefined)));
  await expect(always).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });
});

test("missing rights are reported as what they are", async () => {
  const store = new (class extends MemoryStore {
    override put(): Promise<PutResult> {
      return Promise.reject(new BrainyError("BRAINY_DENIED", "403 AccessDenied"));
    }
  })();
  await expect(probe(store)).rejects.toMatchObject({ code: "BRAINY_DENIED" });
});
