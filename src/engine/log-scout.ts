import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { slotKey } from "../format/keys.ts";
import { emptyManifest, type Manifest } from "../format/manifest.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import { decodeSlotColumns } from "../format/slot.ts";
import { versionLane, type LaneId, type Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Following } from "./following.ts";
import { getDecoded } from "./get-decoded.ts";
import type { HybridClock } from "./hybrid-clock.ts";
import { isJunk } from "./lane-ledger.ts";
import { listLog, type LogListing } from "./log-listing.ts";
import { historyLost, lostSlot } from "./lost-history.ts";
import { readNewestManifest } from "./manifest-store.ts";

/** How often a catch-up begins again because what it listed was collected meanwhile. */
const ATTEMPTS_MAX = 16;
/** How often in a row the newest manifest has to be older than the one in use. */
const LOOKS_BACK_MAX = 3;
/** Slots read at once: one of each lane that has moved. */
const READS_AT_ONCE = 16;

/** What a slot adds to the tail; of slots that were not read the operations are not known. */
interface SlotWeight {
  readonly bytes: number;
  readonly operations: number;
  /** By the store's clock, or that of the versions in it. */
  readonly writtenMs: number;
}

/** What a scout reads from. */
export interface LogScoutOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly hybridClock: HybridClock;
  readonly databaseId: string;
}

/** The last slot of a lane. */
interface Head {
  readonly lane: LaneId;
  readonly number: number;
  readonly bytes: number;
  readonly writtenMs: number;
}

/**
 * Follows the log for an instance that only writes: how much of it waits for compaction, and
 * which versions its clock has to be above. Holds no record: of each lane it reads the last slot
 * alone, and of segments nothing. Spec: docs/specs/reading.md.
 */
export class LogScout implements Following {
  readonly #options: LogScoutOptions;
  #manifest: Manifest;
  /** Slots beyond the manifest in use. */
  readonly #slots = new Map<LaneId, Map<number, SlotWeight>>();
  /** Operations applied since the slot before was complete. */
  #applied = { bytes: 0, operations: 0, writtenMs: Number.POSITIVE_INFINITY };
  #caughtUp: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly junkCount = 0;
  ended: BrainyError | undefined;
  /** The greatest version of each lane that was read or written here. */
  readonly #versions = new Map<LaneId, Version>();

  constructor(options: LogScoutOptions) {
    this.#options = options;
    this.#manifest = emptyManifest(options.databaseId);
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Of segments, deleted and replaced ones included; what the log holds is not known. */
  get recordCount(): number {
    return this.#manifest.segments.reduce((sum, { rows }) => sum + rows, 0);
  }

  get uncoveredSlots(): number {
    return this.#weights.length;
  }

  /** Of this process's own slots; others' are known by their bytes only. */
  get tailOperations(): number {
    return this.#weights.reduce((sum, { operations }) => sum + operations, 0);
  }

  get tailBytes(): number {
    return this.#weights.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  tailSinceMs(): number | undefined {
    const written = this.#weights.map(({ writtenMs }) => writtenMs);
    return written.length === 0 ? undefined : Math.min(...written);
  }

  get stalenessMs(): number {
    if (this.#caughtUp === undefined) return Number.POSITIVE_INFINITY;
    const { clock } = this.#options;
    const monotonicMs = clock.monotonicMs() - this.#caughtUp.monotonicMs;
    return Math.max(monotonicMs, clock.nowMs() - this.#caughtUp.wallMs);
  }

  get progress(): string {
    return `${this.#manifest.number}:${this.uncoveredSlots}`;
  }

  /** One LIST of the log, then the newest manifest, then the last slot of each lane that moved. */
  catchUp(): Promise<void> {
    const done = this.#running.then(() => this.#catchUp());
    this.#running = done.catch((error: unknown) => {
      if (isBrainyError(error, "BRAINY_FENCED")) this.ended = error;
    });
    return done;
  }

  async adopt(manifest: Manifest): Promise<void> {
    const { databaseId, hybridClock } = this.#options;
    if (manifest.number <= this.#manifest.number) return;
    if (manifest.databaseId !== databaseId) {
      const what = `manifest ${manifest.number} belongs to database ${manifest.databaseId}`;
      throw new BrainyError("BRAINY_FENCED", what);
    }
    hybridClock.observe(manifest.maxVersion);
    for (const { lastVersion } of manifest.lanes) hybridClock.observe(lastVersion);
    const before = new Set(this.#manifest.lanes.map(({ lane }) => lane));
    this.#manifest = manifest;
    const cursors = this.#cursors;
    for (const [lane, slots] of this.#slots) {
      const cursor = cursors.get(lane);
      // A lane that was listed and is no more has been retired.
      if (cursor === undefined && before.has(lane)) this.#slots.delete(lane);
      for (const number of slots.keys()) if (number <= (cursor ?? -1)) slots.delete(number);
    }
  }

  show(columns: OperationColumns): undefined {
    this.#applied.bytes += columns.byteLength;
    this.#applied.operations += columns.count;
    this.#applied.writtenMs = Math.min(this.#applied.writtenMs, columns.millis(0));
    const version = columns.version(columns.count - 1);
    this.#versions.set(versionLane(version), version);
  }

  advance(lane: LaneId, number: number): void {
    this.#slotsOf(lane).set(number, this.#applied);
    this.#applied = { bytes: 0, operations: 0, writtenMs: Number.POSITIVE_INFINITY };
  }

  async #catchUp(): Promise<void> {
    const { store, clock, hybridClock } = this.#options;
    let looksBack = 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const started = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
      const before = this.#manifest.number;
      const known = { positions: this.#positions, versions: this.#versions };
      const log = await listLog(store);
      hybridClock.observeStore(log.storeMs);
      const newest = await readNewestManifest(store);
      if ((newest?.number ?? 0) < before) {
        if (++looksBack < LOOKS_BACK_MAX) continue;
        throw historyLost(`manifest ${before} is gone, and the newest is ${newest?.number ?? 0}`);
      }
      if (newest !== undefined) await this.adopt(newest);
      const lost = lostSlot(known, this.#manifest, log);
      if (lost !== undefined) throw historyLost(`${lost} is gone, and no manifest covers it`);
      if (!(await this.#readHeads(log))) continue;
      this.#caughtUp = started;
      return;
    }
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `${store.name}: no consistent state in ${ATTEMPTS_MAX} attempts; ` +
        "if this persists a slot is missing: run verify",
    );
  }

  /** `false`: a last slot is not there, so the listing was too old. */
  async #readHeads(log: LogListing): Promise<boolean> {
    const cursors = this.#cursors;
    const heads: Head[] = [];
    for (const [lane, listed] of log.lanes) {
      if (!cursors.has(lane) && isJunk(listed)) continue;
      const slots = this.#slotsOf(lane);
      const head = listed.at(-1)!.number;
      const cursor = cursors.get(lane) ?? -1;
      for (const { number, bytes, modifiedMs: writtenMs } of listed) {
        if (number <= cursor || slots.has(number)) continue;
        if (number === head) heads.push({ lane, number, bytes, writtenMs });
        else slots.set(number, { bytes, operations: 0, writtenMs });
      }
    }
    for (let start = 0; start < heads.length; start += READS_AT_ONCE) {
      const batch = heads.slice(start, start + READS_AT_ONCE);
      const found = await Promise.all(batch.map((one) => this.#observe(one)));
      if (found.includes(false)) return false;
    }
    return true;
  }

  /** A head counts as known once the clock is above it, and not before. */
  async #observe({ lane, number, bytes, writtenMs }: Head): Promise<boolean> {
    const { store, hybridClock, databaseId } = this.#options;
    const key = slotKey(lane, number);
    const slot = await getDecoded(store, key, (found) => decodeSlotColumns(found.bytes, key));
    if (slot === undefined) return false;
    if (slot.databaseId !== databaseId) {
      throw new BrainyError("BRAINY_FENCED", `${key} belongs to database ${slot.databaseId}`);
    }
    hybridClock.observe(slot.version);
    this.#versions.set(lane, slot.version);
    this.#slotsOf(lane).set(number, { bytes, operations: slot.columns.count, writtenMs });
    return true;
  }

  get #weights(): readonly SlotWeight[] {
    return [...this.#slots.values()].flatMap((slots) => [...slots.values()]);
  }

  /** Of each lane the last slot that is known, where all after the cursor are. */
  get #positions(): ReadonlyMap<LaneId, number> {
    const positions = new Map<LaneId, number>();
    for (const [lane, slots] of this.#slots) {
      if (slots.size > 0) positions.set(lane, Math.max(...slots.keys()));
    }
    return positions;
  }

  get #cursors(): ReadonlyMap<LaneId, number> {
    return new Map(this.#manifest.lanes.map(({ lane, cursor }) => [lane, cursor]));
  }

  #slotsOf(lane: LaneId): Map<number, SlotWeight> {
    let slots = this.#slots.get(lane);
    if (slots === undefined) this.#slots.set(lane, (slots = new Map<number, SlotWeight>()));
    return slots;
  }
}
