import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import type { Checkpoint } from "../format/checkpoint.ts";
import type { Manifest, SegmentEntry } from "../format/manifest.ts";
import { versionLane, type LaneId, type Version } from "../format/version.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { bitmapBytes, setBit } from "./bitmap.ts";
import { MANIFESTS_KEPT } from "./collection.ts";
import { loadDeletions } from "./deletion-store.ts";

import type { Following } from "./following.ts";
import type { HybridClock } from "./hybrid-clock.ts";
import { isJunk } from "./lane-ledger.ts";
import { LoadedSegment } from "./loaded-segment.ts";
import { listLog, type LogListing } from "./log-listing.ts";
import { isLeftBehind, readSlots } from "./log-reader.ts";
import { historyLost, lostSlot } from "./lost-history.ts";
import {
  findNewestManifest,
  isUndisturbed,
  listedManifests,
  readManifest,
  type ListedManifest,
} from "./manifest-store.ts";
import type { RecordFold } from "./record-fold.ts";
import type { Resolve } from "./sibling-choice.ts";
import { View } from "./view.ts";

/** How often a catch-up begins again because what it listed was collected meanwhile. */
const ATTEMPTS_MAX = 16;
/** How often in a row the newest manifest has to be older than the one in use. */
const LOOKS_BACK_MAX = 3;
/** Operations made visible between two breaths: about a quarter of a millisecond. */
const OPERATIONS_PER_BREATH = 250;
/** How long after a complete catch-up slots may be read without another LIST. */
const AHEAD_MS_MAX = 10 * 60_000;
/** Slots that one hint has read at once, however far ahead it says the lane is. */
const AHEAD_SLOTS_MAX = 16;

/** What a follower reads from, and whom it tells. */
export interface FollowerOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly hybridClock: HybridClock;
  readonly databaseId: string;
  readonly dimensions: () => number | undefined;
  /** Default: the last write wins. */
  readonly fold?: RecordFold | undefined;
  /** What readers see of siblings; default: the newest. */
  readonly resolve?: Resolve | undefined;
  /** Called after another manifest became the one that reads use. */
  readonly onAdopted: (manifest: Manifest) => void;
}

/**
 * Keeps a view of the database up to date with the store.
 *
 *   catch up:  LIST log ─► HEAD of this manifest and of the next ─same─► read the new slots, apply
 *                              │ else
 *                              └─► LIST manifests ─► a newer one? adopt, begin again
 *
 * The log is looked at first and the manifest after it: slots that had been collected before the
 * LIST leave no gap to notice, so only a manifest check made *after* proves that nothing is
 * missing. Spec: docs/specs/reading.md.
 */
export class Follower implements Following {
  readonly #options: FollowerOptions;
  #view: View;
  /** The view in the making while a manifest is adopted: operations are applied to both. */
  #pending: View | undefined;
  #isPinned = false;
  /** The highest manifest that a LIST has shown. */
  #listed: ListedManifest | undefined;
  #adoption: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Monotonic and wall time at the start of the last complete catch-up. */
  #caughtUp: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  junkCount = 0;
  ended: BrainyError | undefined;
  /** The greatest version of each lane that was applied here. */
  readonly #versions = new Map<LaneId, Version>();

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#view = View.empty(options);
  }

  get view(): View {
    return this.#view;
  }

  get manifest(): Manifest {
    return this.#view.manifest;
  }

  get recordCount(): number {
    return this.#view.recordCount;
  }

  get tailOperations(): number {
    return this.#view.tailOperations;
  }

  get tailBytes(): number {
    return this.#view.tailBytes;
  }

  tailSinceMs(): number | undefined {
    return this.#view.tailSinceMs;
  }

  get progress(): string {
    let slots = 0;
    for (const number of this.#view.positions.values()) slots += number + 1;
    return `${this.#view.manifest.number}:${slots}`;
  }

  get uncoveredSlots(): number {
    const { manifest, positions } = this.#view;
    const cursors = new Map(manifest.lanes.map(({ lane, cursor }) => [lane, cursor]));
    let count = 0;
    for (const [lane, position] of positions) count += position - (cursors.get(lane) ?? -1);
    return count;
  }

  get stalenessMs(): number {
    if (this.#caughtUp === undefined) return Number.POSITIVE_INFINITY;
    const { clock } = this.#options;
    const monotonicMs = clock.monotonicMs() - this.#caughtUp.monotonicMs;
    return Math.max(monotonicMs, clock.nowMs() - this.#caughtUp.wallMs);
  }

  /**
   * Resolves once everything acknowledged before the call is here. Calls share: one catch-up may
   * be running, and all that arrive meanwhile wait for the one after it.
   */
  catchUp(): Promise<void> {
    if (this.#isPinned) return Promise.resolve();
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.catch(() => {}).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#catchUp()
      .catch((error: unknown) => {
        if (isBrainyError(error, "BRAINY_FENCED")) this.ended = error;
        throw error;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /**
   * Reads the slots of a known lane that follow those that are here, up to `number`, without a
   * LIST. Completes nothing and resets no age. `false`: only a catch-up can tell.
   *
   * Within minutes of a catch-up the next slot of a lane that it knew is what a LIST would show: a
   * seal by others lives for a day, so nothing can take its place. Spec: reading.md, R11.
   */
  async readAhead(lane: LaneId, number: number): Promise<boolean> {
    if (this.#isPinned) return true;
    await this.#running?.catch(() => undefined);
    for (;;) {
      const position = this.#view.positions.get(lane);
      if (position === undefined || this.stalenessMs > AHEAD_MS_MAX) return false;
      if (position >= number) return true;
      const to = Math.min(number, position + AHEAD_SLOTS_MAX) + 1;
      if (!(await this.#readLane(lane, position + 1, to))) return false;
      // Retired meanwhile, by a manifest that this process adopted: nothing is to come.
      if ((this.#view.positions.get(lane) ?? -1) <= position) return false;
    }
  }

  /** Shows the state that a checkpoint names, and never anything newer. */
  async pin({ name, manifest, tail }: Checkpoint): Promise<void> {
    this.#isPinned = true;
    await this.adopt(manifest);
    for (const { lane, from, to } of tail) {
      if (await this.#readLane(lane, from, to)) continue;
      throw new BrainyError("BRAINY_CORRUPT", `checkpoint ${name}: a slot of ${lane} is missing`);
    }
  }

  /** Makes rows `[start, end)` of a slot visible. Idempotent, in any order. */
  apply(columns: OperationColumns, start = 0, end: number = columns.count): void {
    if (start >= end) return;
    this.#view.applyColumns(columns, start, end);
    this.#pending?.applyColumns(columns, start, end);
    const version = columns.version(end - 1);
    this.#options.hybridClock.observe(version);
    this.#versions.set(versionLane(version), version);
  }

  show(columns: OperationColumns): Promise<void> | undefined {
    if (columns.count > OPERATIONS_PER_BREATH) return this.#showInParts(columns);
    this.apply(columns);
    return undefined;
  }

  async #showInParts(columns: OperationColumns): Promise<void> {
    for (let start = 0; start < columns.count; start += OPERATIONS_PER_BREATH) {
      if (start > 0) await this.#options.clock.breathe();
      this.apply(columns, start, Math.min(columns.count, start + OPERATIONS_PER_BREATH));
    }
  }

  advance(lane: LaneId, number: number): void {
    for (const view of [this.#view, this.#pending]) {
      if (view !== undefined && number > (view.positions.get(lane) ?? -1)) {
        view.positions.set(lane, number);
      }
    }
  }

  /** In one step, once its segments are open. */
  adopt(manifest: Manifest): Promise<void> {
    const adoption = this.#adoption.then(() => this.#adopt(manifest));
    this.#adoption = adoption.catch(() => {});
    return adoption;
  }

  async #catchUp(): Promise<void> {
    const { store, clock, hybridClock } = this.#options;
    let looksBack = 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const started = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
      const before = this.#view.manifest.number;
      const known = { positions: new Map(this.#view.positions), versions: this.#versions };
      const log = await listLog(store);
      hybridClock.observeStore(log.storeMs);
      const number = await this.#newestNumber();
      if (number < before) {
        // A listing that takes minutes may miss a manifest and the ten that replaced it; three do not.
        if (++looksBack < LOOKS_BACK_MAX) continue;
        throw historyLost(`manifest ${before} is gone, and the newest is ${number}`);
      }
      // What was collected before the listing is covered by every manifest that exists after it, so
      // the listing serves the newer one as well.
      if (number > this.#view.manifest.number) await this.#tryAdopt(number);
      if (this.#view.manifest.number < number) continue;
      const lost = lostSlot(known, this.#view.manifest, log);
      if (lost !== undefined) throw historyLost(`${lost} is gone, and no manifest covers it`);
      if (!(await this.#readLog(log, [...known.positions.keys()]))) continue;
      this.#caughtUp = started;
      return;
    }
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `${store.name}: no consistent state in ${ATTEMPTS_MAX} attempts; ` +
        "if this persists a slot is missing: run verify",
    );
  }

  /**
   * Of the manifest to read from: the highest by a full LIST, never by probing, since a number
   * below it may have been collected and created again. The one in use is as good while it exists.
   */
  async #newestNumber(): Promise<number> {
    const { store } = this.#options;
    const { number } = this.#view.manifest;
    const listed = this.#listed;
    if (listed?.number === number && (await isUndisturbed(store, listed))) return number;
    const manifests = await listedManifests(store);
    const newest = manifests.at(-1);
    this.#listed = newest;
    const other = manifests.find((one) => one.number === number && listed?.number === number);
    const isRecent = (newest?.number ?? 0) - number < MANIFESTS_KEPT;
    // Older numbers may have been collected, and created again by a process that slept.
    if (other !== undefined && isRecent && other.etag !== listed!.etag) await this.#compare(number);
    return newest?.number ?? 0;
  }

  /** Throws when the manifest in use is not the one that the store has under its number. */
  async #compare(number: number): Promise<void> {
    const { manifest } = this.#view;
    const stored = await readManifest(this.#options.store, number);
    if (stored === undefined || manifest.number !== number) return;
    if (stored.nonce !== manifest.nonce) throw historyLost(`manifest ${number} is another one`);
  }

  async #tryAdopt(number: number): Promise<void> {
    const manifest = await readManifest(this.#options.store, number);
    if (manifest === undefined) return;
    try {
      await this.adopt(manifest);
    } catch (error) {
      // A segment may be collected while it is opened, once a newer manifest replaced it.
      const newest = await findNewestManifest(this.#options.store);
      if (!isBrainyError(error, "BRAINY_NOT_FOUND")) throw error;
      if (newest?.number !== number) return;
      const what =
        `${error.message}, but manifest ${number} names it: run verify, unless this is ` +
        "a replica that is still arriving";
      throw new BrainyError("BRAINY_CORRUPT", what, { cause: error });
    }
  }

  /**
   * `false`: a slot is not there, so the listing was too old: begin again. `known` are lanes that
   * were known before the listing was begun.
   */
  async #readLog(log: LogListing, known: readonly LaneId[]): Promise<boolean> {
    const { manifest, positions } = this.#view;
    const listed = new Set<LaneId>(manifest.lanes.map(({ lane }) => lane));
    // Unknown to the manifest and without a beginning: a retired lane, and what it left behind.
    const isRetired = (lane: LaneId): boolean =>
      !listed.has(lane) && isJunk(log.lanes.get(lane) ?? []);
    for (const lane of known) if (isRetired(lane)) positions.delete(lane);
    for (const [lane, slots] of log.lanes) {
      if (isRetired(lane)) continue;
      const from = (positions.get(lane) ?? -1) + 1;
      const waiting = slots.filter(({ number }) => number >= from);
      const gap = waiting.findIndex(({ number }, i) => number !== from + i);
      const count = gap < 0 ? waiting.length : gap;
      if (count > 0 && !(await this.#readLane(lane, from, from + count))) return false;
      if (gap < 0) continue;
      const { floor } = this.#view.manifest;
      const { number } = waiting[gap]!;
      if (!(await isLeftBehind({ ...this.#options, lane, number, floor }))) return false;
    }
    return true;
  }

  async #readLane(lane: LaneId, from: number, to: number): Promise<boolean> {
    const slots = readSlots({ ...this.#options, lane, from, to });
    for (;;) {
      const { value, done } = await slots.next();
      if (done === true) return value;
      const { manifest } = this.#view;
      const cursor = manifest.lanes.find((entry) => entry.lane === lane)?.cursor ?? -1;
      this.#options.hybridClock.observe(value.version);
      this.#versions.set(lane, value.version);
      // Adopted meanwhile: segments stand for the slot.
      if (value.number <= cursor) continue;
      const { columns } = value;
      const first = columns.firstAbove(manifest.floor);
      this.junkCount += first;
      this.apply(columns, first);
      this.advance(lane, value.number);
    }
  }

  async #adopt(manifest: Manifest): Promise<void> {
    const { clock, databaseId, hybridClock, dimensions, fold, resolve, onAdopted } = this.#options;
    if (manifest.number <= this.#view.manifest.number) return;
    if (manifest.databaseId !== databaseId) {
      throw new BrainyError(
        "BRAINY_FENCED",
        `manifest ${manifest.number} belongs to database ${manifest.databaseId}`,
      );
    }
    hybridClock.observe(manifest.maxVersion);
    for (const { lastVersion } of manifest.lanes) hybridClock.observe(lastVersion);
    const known = this.#view.loadedSegments;
    const segments = [];
    for (const entry of manifest.segments) {
      const loaded = known.get(entry.id) ?? (await this.#load(entry));
      segments.push({ loaded, deleted: await this.#loadDeletions(entry) });
    }
    const pending = new View({ manifest, segments, dimensions, fold, resolve });
    this.#pending = pending;
    try {
      await this.#view.carryInto(pending, () => clock.breathe());
      const before = new Set(this.#view.manifest.lanes.map(({ lane }) => lane));
      const after = new Set(manifest.lanes.map(({ lane }) => lane));
      for (const [lane, number] of this.#view.positions) {
        // A lane that was listed and is no more has been retired: nothing of it is to come.
        if (before.has(lane) && !after.has(lane)) continue;
        if (number > (pending.positions.get(lane) ?? -1)) pending.positions.set(lane, number);
      }
      this.#view = pending;
    } finally {
      this.#pending = undefined;
    }
    onAdopted(manifest);
  }

  #load(entry: SegmentEntry): Promise<LoadedSegment> {
    return LoadedSegment.load({ ...this.#options, entry });
  }

  async #loadDeletions(entry: SegmentEntry): Promise<Uint8Array | undefined> {
    if (entry.deletions === undefined) return undefined;
    const rows = await loadDeletions(this.#options.store, entry);
    const bitmap = new Uint8Array(bitmapBytes(entry.rows));
    for (const row of rows) setBit(bitmap, row);
    return bitmap;
  }
}
