import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRandom } from "../base/random.ts";
import { isBrainyError } from "../base/errors.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";

/** Copies a store as buckets are replicated: every object some time later, in any order. */
class Replica {
  readonly store: MemoryStore;
  readonly #source: MemoryStore;
  readonly #clock: FakeClock;
  readonly #below: (limit: number) => number;
  /** When what the source shows is to be true here, by key. */
  readonly #due = new Map<
    string,
    { readonly atMs: number; readonly bytes: Uint8Array | undefined }[]
  >();
  readonly #seen = new Map<string, string>();

  constructor(source: MemoryStore, clock: FakeClock, below: (limit: number) => number) {
    this.store = new MemoryStore({ clock });
    this.#source = source;
    this.#clock = clock;
    this.#below = below;
  }

  /** Sees what has changed there, and does what is due here. */
  async step(lagMsMax: number): Promise<void> {
    const now = new Map<string, string>();
    for await (const { objects } of this.#source.list()) {
      for (const { key, etag } of objects) now.set(key, etag);
    }
    for (const key of new Set([...now.keys(), ...this.#seen.keys()])) {
      const etag = now.get(key);
      if (etag === this.#seen.get(key)) continue;
      const bytes = etag === undefined ? undefined : (await this.#source.get(key))?.bytes;
      if (etag === undefined) this.#seen.delete(key);
      else this.#seen.set(key, etag);
      const atMs = this.#clock.nowMs() + this.#below(lagMsMax);
      this.#due.set(key, [...(this.#due.get(key) ?? []), { atMs, bytes }]);
    }
    for (const [key, changes] of this.#due) {
      while (changes[0] !== undefined && changes[0].atMs <= this.#clock.nowMs()) {
        const { bytes } = changes.shift()!;
        if (bytes === undefined) await this.store.deleteMany([key]);
        else await this.store.put(key, bytes);
      }
    }
  }
}

function openOver(
  store: MemoryStore,
  clock: FakeClock,
  seed: number,
  more: Partial<DatabaseOptions>,
): Promise<Database> {
  const random = seededRandom(seed);
  return Database.open({
    store,
    clock,
    random,
    executor: async () => inlineExecutor({ store, clock, random }),
    readOnly: false,
    wanted: {},
    compaction: { ...DEFAULT_COMPACTION, flushSlots: 5, mergeFanIn: 2 },
    indexing: { async: true, batchIndexUpdates: true },
    limits: DEFAULT_LIMITS,
    ...more,
  });
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`[R14] a reader of a copy that arrives in any order shows whole states, and in the end all of it (seed ${seed})`, async () => {
    const clock = new FakeClock();
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    const source = new MemoryStore({ clock });
    const writers = await Promise.all([
      openOver(source, clock, seed + 100, {}),
      openOver(source, clock, seed + 200, {}),
    ]);
    const replica = new Replica(source, clock, below);
    let reader: Database | undefined;
    let waits = 0;
    let shown = 0;
    for (let i = 0; i < 150; i++) {
      const writer = writers[below(2)]!;
      const content = JSON.stringify({ text: `t${i}` });
      const drafts = [{ kind: "put" as const, id: `r${i}`, content, metadata: "{}" }];
      await writer.write({ drafts, bytes: 50 });
      await writer.settled();
      clock.advance(below(20_000));
      await replica.step(60_000);
      try {
        reader ??= await openOver(replica.store, clock, 1_000 + i, { readOnly: true });
        await reader.catchUp();
      } catch (error) {
        // What has not arrived is waited for; nothing else may go wrong.
        if (!isBrainyError(error)) throw error;
        expect(["BRAINY_CORRUPT", "BRAINY_UNAVAILABLE", "BRAINY_NOT_FOUND"]).toContain(error.code);
        waits++;
      }
      if (reader === undefined) continue;
      // Nothing is deleted, so nothing that was shown may go away.
      const { records } = reader.stats();
      expect(records).toBeGreaterThanOrEqual(shown);
      shown = records;
    }
    expect(waits).toBeGreaterThan(0);
    clock.advance(60_000);
    await replica.step(1);
    clock.advance(60_000);
    await replica.step(1);
    await reader!.catchUp();
    expect(reader!.stats().records).toBe(150);
  });
}
