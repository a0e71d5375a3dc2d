import { seededRandom } from "../../src/base/random.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { Ownership } from "../../src/engine/conditional-writer.ts";
import { DEFAULT_LIMITS } from "../../src/engine/database-limits.ts";
import type { DatabaseEvent } from "../../src/engine/database-options.ts";
import { Database } from "../../src/engine/database.ts";
import { inlineExecutor } from "../../src/engine/executor-inline.ts";
import { listLog } from "../../src/engine/log-listing.ts";
import { slotKey } from "../../src/format/keys.ts";
import { decodeSlot } from "../../src/format/slot.ts";
import type { Operation } from "../../src/format/operation.ts";
import type { Version } from "../../src/format/version.ts";
import { MemoryStore } from "../../src/storage/adapters/memory.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { findRecord } from "../../src/engine/records.ts";
import { ManualClock } from "./manual-clock.ts";

/** Process runs that write under conditions to one store, each through layers of its own. */
export class ConditionalFleet {
  readonly clock: Clock;
  readonly store: MemoryStore;
  #seed: number;

  constructor(options: { readonly seed?: number; readonly clock?: Clock } = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.store = new MemoryStore({ clock: this.clock });
    this.#seed = 1_000 * (options.seed ?? 1);
  }

  async run(
    store: ObjectStore = this.store,
    ownership?: Partial<Ownership>,
    writeOnly = false,
  ): Promise<ConditionalRun> {
    const { clock } = this;
    const random = seededRandom(++this.#seed);
    const events: DatabaseEvent[] = [];
    const name = `run-${this.#seed}`;
    const database = await Database.open({
      store,
      clock,
      random,
      executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
      readOnly: false,
      writeOnly,
      wanted: { dimensions: 2 },
      compaction: false,
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
      onEvent: (event) => events.push(event),
      ownership: { instanceId: () => name, regard: async () => "dead", ...ownership },
    });
    return new ConditionalRun(database, events, clock);
  }

  /** Every operation on a record that any slot holds, in version order. */
  async operations(id: string): Promise<Operation[]> {
    const operations: Operation[] = [];
    const { lanes } = await listLog(this.store);
    for (const [lane, slots] of lanes) {
      for (const { number } of slots) {
        const key = slotKey(lane, number);
        const slot = decodeSlot((await this.store.get(key))!.bytes, key);
        operations.push(...slot.operations.filter((operation) => operation.id === id));
      }
    }
    return operations.toSorted((a, b) => (a.version < b.version ? -1 : 1));
  }
}

/** One run. */
export class ConditionalRun {
  readonly database: Database;
  readonly events: readonly DatabaseEvent[];
  readonly #clock: Clock;

  constructor(database: Database, events: readonly DatabaseEvent[], clock: Clock) {
    this.database = database;
    this.events = events;
    this.#clock = clock;
  }

  /** `add` with `ifAbsent`. */
  add(id: string, value: unknown): Promise<Version> {
    const metadata = JSON.stringify({ value });
    return this.database.writeConditional({
      id,
      condition: { kind: "absent" },
      batch: { drafts: [{ kind: "put", id, content: "", metadata }], bytes: 99 },
    });
  }

  /** `update` with `ifVersion`. */
  update(id: string, version: Version, value: unknown): Promise<Version> {
    const metadata = JSON.stringify({ value });
    return this.database.writeConditional({
      id,
      condition: { kind: "version", version },
      batch: { drafts: [{ kind: "patch", id, metadata, seen: [version] }], bytes: 99 },
    });
  }

  /** `delete` with `ifVersion`. */
  delete(id: string, version: Version): Promise<Version> {
    return this.database.writeConditional({
      id,
      condition: { kind: "version", version },
      batch: { drafts: [{ kind: "delete", id }], bytes: 99 },
    });
  }

  /** What a strong read shows. */
  see(id: string): Promise<{ readonly version: Version; readonly value: unknown } | undefined> {
    return this.database.read({ level: "strong" }, async (view) => {
      const found = findRecord(view, id, this.#clock.nowMs())?.record;
      if (found === undefined) return undefined;
      return { version: found.version, value: JSON.parse(found.metadata).value as unknown };
    });
  }
}
