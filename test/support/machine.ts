import { ulidFactory } from "../../src/base/ids.ts";
import { Follower } from "../../src/engine/follower.ts";
import { HybridClock } from "../../src/engine/hybrid-clock.ts";
import { LogWriter } from "../../src/engine/log-writer.ts";
import { DraftColumns } from "../../src/format/draft-columns.ts";
import type { Draft } from "../../src/format/operation.ts";
import { readNewestManifest } from "../../src/engine/manifest-store.ts";
import type { Version } from "../../src/format/version.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { FakeClock } from "./fake-clock.ts";
import type { Fleet } from "./fleet.ts";
import { scripted, type ScriptedStore } from "./scripted-store.ts";

export interface MachineOptions {
  /** How wrong its wall clock is. */
  readonly skewMs?: number;
  /** Operations of one slot. */
  readonly slotMax?: number;
  /** Its way to the store, when that is a bad one. */
  readonly store?: ObjectStore;
}

/** One process run on one machine: its clocks, its way to the store, a follower and a writer. */
export class Machine {
  readonly clock: FakeClock;
  readonly store: ScriptedStore;
  readonly hybridClock: HybridClock;
  readonly follower: Follower;
  readonly writer: LogWriter;
  readonly #fleet: Fleet;

  constructor(fleet: Fleet, options: MachineOptions = {}) {
    this.#fleet = fleet;
    this.clock = new FakeClock(fleet.clock, options.skewMs);
    this.store = scripted(options.store ?? fleet.store);
    const { clock, store } = this;
    const { random, databaseId } = fleet;
    this.hybridClock = new HybridClock({ clock, skewMsMax: 5_000 });
    const { hybridClock } = this;
    this.follower = new Follower({
      store,
      clock,
      hybridClock,
      databaseId,
      dimensions: () => 3,
      onAdopted: () => {},
    });
    this.writer = new LogWriter({
      store,
      clock,
      random,
      hybridClock,
      databaseId,
      incarnation: fleet.newUlid(),
      newUlid: ulidFactory(clock, random),
      slotOperationsMax: options.slotMax ?? 4,
      slotBytesMax: 2 ** 20,
      host: {
        catchUp: () => this.follower.catchUp(),
        maxVersion: () => this.follower.view.manifest.maxVersion,
        newestManifest: () => readNewestManifest(store),
        committed: (lane, number, columns) => {
          this.follower.apply(columns);
          this.follower.advance(lane, number);
          fleet.acknowledged.push(...columns.operations());
        },
      },
    });
  }

  /** Resolves with the versions of the drafts, one batch, once they are acknowledged. */
  async add(...drafts: readonly Draft[]): Promise<readonly Version[]> {
    const batch = DraftColumns.of(drafts);
    batch.bytes = 100 * drafts.length;
    const { columns, start } = await this.writer.append(batch);
    return drafts.map((_, i) => columns.version(start + i));
  }

  /** Another machine that has read all there is. */
  async reader(): Promise<Machine> {
    const reader = new Machine(this.#fleet);
    await reader.follower.catchUp();
    return reader;
  }
}
