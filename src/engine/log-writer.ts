import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, corrupt } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import { slotKey } from "../format/keys.ts";
import type { Manifest } from "../format/manifest.ts";
import { DraftColumns } from "../format/draft-columns.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { VersionRun } from "../format/operations-block.ts";
import { decodeSlot, encodeDrafts, encodeSlot } from "../format/slot.ts";
import type { LaneId, Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createOnce, type CreateOutcome } from "./create-once.ts";
import { deferred, type Deferred } from "./deferred.ts";
import type { HybridClock } from "./hybrid-clock.ts";

/** Rows `[start, end)` of a slot that is durable and visible: what became of one batch. */
export interface CommittedRows {
  readonly columns: OperationColumns;
  readonly start: number;
  readonly end: number;
}

/** Where a writer appends, and the bounds of its slots. */
export interface LogWriterOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly hybridClock: HybridClock;
  readonly databaseId: string;
  readonly incarnation: string;
  readonly newUlid: () => string;
  /** Bounds of one slot; one batch alone may exceed neither. */
  readonly slotOperationsMax: number;
  readonly slotBytesMax: number;
  /**
   * What becomes of batches that are proven absent when their lane ends. `append-again` (default):
   * they go into a new lane, with new versions. `give-back`: they are rejected with `LANE_ENDED`,
   * for callers who must decide again; a lane is opened by `openLane` only.
   */
  readonly whenLaneEnds?: "append-again" | "give-back" | undefined;
  readonly host: LogHost;
}

/** Nothing of the batch was written, nor ever will be: its lane has ended. Compare by identity. */
export const LANE_ENDED = new BrainyError("BRAINY_CONFLICT", "the lane has ended: decide again");

/** What the log needs from the database around it. */
export interface LogHost {
  /** Reads the log and the newest manifest, so that the clock is above all they hold. */
  catchUp(): Promise<void>;
  /** The greatest version that the segments of the manifest in use hold. */
  maxVersion(): Version;
  /** By a full LIST, after the call. */
  newestManifest(): Promise<Manifest | undefined>;
  /**
   * Slot `number` of `lane` is durable: make its operations visible. They are acknowledged when
   * that is done; the slot after it is on its way meanwhile.
   */
  committed(lane: LaneId, number: number, columns: OperationColumns): Promise<void> | undefined;
  /** Batches as they go into a slot, with these versions; absent: as they were drafted. */
  readonly stamp?:
    | ((batches: readonly DraftColumns[], run: VersionRun) => readonly DraftColumns[])
    | undefined;
  /** Stamped, and not in the log for certain: nobody has read these. */
  readonly dropped?: ((columns: OperationColumns) => void) | undefined;
  /** Why nothing may be written any more: the store has gone back behind what is known of it. */
  readonly ended?: (() => BrainyError | undefined) | undefined;
}

interface Waiting {
  readonly drafts: DraftColumns;
  readonly done: Deferred<CommittedRows>;
}

interface Prepared {
  readonly lane: LaneId;
  readonly number: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Views of `bytes`. */
  readonly columns: OperationColumns;
  readonly waiting: readonly Waiting[];
}

interface OpenLane {
  readonly id: LaneId;
  readonly openVersion: Version;
  next: number;
  lastVersion: Version;
  /** The last PUT was answered by success itself, at this time of the store. */
  direct: { readonly storeMs: number } | undefined;
}

/** Open records that came too low before a writer gives up: one, unless manifests pour in. */
const OPEN_ATTEMPTS_MAX = 8;
/** Seals live 24 h; two answers closer than half of that cannot have a collected seal between. */
const DIRECT_ANSWERS_APART_MS_MAX = 12 * 3_600_000;

/**
 * Appends operations to a lane that only this process run writes.
 *
 *   append ─► queue ─► slot n: stamp, encode ─► PUT if absent ─► decided ─► acknowledged
 *                                                    │
 *                              a seal is there ──────┴──► new lane, same operations, new versions
 *
 * Group commit: while slot n is on its way the next one fills. Slot n+1 is never attempted before
 * slot n is decided. Spec: docs/specs/log.md.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #queue: Waiting[] = [];
  #lane: OpenLane | undefined;
  #prepared: Prepared | undefined;
  #running: Promise<void> | undefined;
  /** What was appended last. Batches are decided in the order in which they came. */
  #newest: Promise<unknown> | undefined;
  #opening: Promise<LaneId> | undefined;
  /** The slot that is being made visible. At most one: the next one's turn comes after it. */
  #showing: Promise<void> | undefined;
  #closed = false;
  /** Set once nothing this writer says can be trusted any more. */
  #endedBy: BrainyError | undefined;
  slotsWritten = 0;
  bytesWritten = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** The lane in use; `undefined` before the first write. */
  get lane(): LaneId | undefined {
    return this.#lane?.id;
  }

  get queuedBatches(): number {
    return this.#queue.length;
  }

  /** The lane in use, opened if there is none. For writers that give back. */
  async openLane(): Promise<LaneId> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closed) throw new BrainyError("BRAINY_CLOSED", "the log is closed");
    if (this.#lane !== undefined) return this.#lane.id;
    this.#opening ??= this.#openNext().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openNext(): Promise<LaneId> {
    await this.#checkClock();
    this.#lane = await this.#createLane();
    return this.#lane.id;
  }

  /**
   * Resolves once the batch is durable and visible; one batch is in one slot. The drafts must not
   * change before that.
   */
  append(drafts: DraftColumns): Promise<CommittedRows> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#closed) return Promise.reject(new BrainyError("BRAINY_CLOSED", "the log is closed"));
    if (this.#givesBack && this.#lane === undefined) return Promise.reject(LANE_ENDED);
    const done = deferred<CommittedRows>();
    this.#queue.push({ drafts, done });
    this.#newest = done.promise;
    this.#running ??= this.#run();
    return done.promise;
  }

  /** Resolves when everything appended so far is decided; what is appended meanwhile may wait. */
  async flush(): Promise<void> {
    await this.#newest?.catch(() => undefined);
  }

  /** Flushes, then seals the own lane, which needs no waiting. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    while (this.#running !== undefined) await this.#running;
    const lane = this.#lane;
    this.#lane = undefined;
    if (lane === undefined || this.#ended !== undefined) return;
    const bytes = this.#encodeMark("seal", lane, lane.lastVersion);
    await this.#create(slotKey(lane.id, lane.next), bytes);
  }

  async #run(): Promise<void> {
    // Let everything that is being added in this turn of the event loop into the first slot.
    await Promise.resolve();
    try {
      for (;;) {
        if (this.#queue.length > 0 || this.#prepared !== undefined) await this.#writeSlot();
        else if (this.#showing !== undefined) await this.#showing;
        else break;
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #writeSlot(): Promise<void> {
    let prepared: Prepared | undefined;
    try {
      this.#assertTrusted();
      await this.#checkClock();
      const lane = (this.#lane ??= await this.#createLane());
      prepared = this.#take(lane);
      const creation = this.#create(slotKey(lane.id, prepared.number), prepared.bytes);
      this.#prepareNext(lane);
      const outcome = await creation;
      this.#assertTrusted();
      if (outcome.kind === "lost") this.#checkLost(lane, prepared.number, outcome.found);
      if (!(await this.#isInLog(lane, prepared, outcome))) {
        this.#putBack(prepared);
        return;
      }
      lane.next = prepared.number + 1;
      lane.lastVersion = prepared.columns.version(prepared.columns.count - 1);
      this.slotsWritten++;
      this.bytesWritten += prepared.bytes.byteLength;
      await this.#showing;
      this.#show(prepared);
    } catch (error) {
      this.#fail(prepared, error);
    }
  }

  /** Acknowledged once it is visible. What cannot be shown is told so, durable as it is. */
  #show(prepared: Prepared): void {
    const { lane, number, columns, waiting } = prepared;
    const shown = this.#options.host.committed(lane, number, columns);
    if (shown === undefined) return this.#acknowledge(prepared);
    this.#showing = shown.then(
      () => {
        this.#showing = undefined;
        this.#acknowledge(prepared);
      },
      (error: unknown) => {
        this.#showing = undefined;
        for (const { done } of waiting) done.reject(error);
      },
    );
  }

  get #ended(): BrainyError | undefined {
    this.#endedBy ??= this.#options.host.ended?.();
    return this.#endedBy;
  }

  #assertTrusted(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** Refuses to stamp while the wall clock and the store's disagree, after asking once more. */
  async #checkClock(): Promise<void> {
    const { hybridClock, host } = this.#options;
    if (hybridClock.isAnchored && !hybridClock.isSkewed()) return;
    // A suspended machine's monotonic clock stood still: only a fresh answer tells.
    await host.catchUp();
    if (hybridClock.isSkewed()) throw hybridClock.skewError();
  }

  async #create(key: string, bytes: Uint8Array): Promise<CreateOutcome> {
    const { store, clock, random, hybridClock } = this.#options;
    const outcome = await createOnce({ store, clock, random, key, bytes });
    if (outcome.kind === "won") hybridClock.observeStore(outcome.storeMs);
    return outcome;
  }

  /**
   * The order matters: first the open record, then everything that exists is read into the clock,
   * only then is anything stamped. Without it the floor could pass a version still to come.
   */
  async #createLane(): Promise<OpenLane> {
    const { hybridClock, newUlid, host } = this.#options;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      const id = newUlid() as LaneId;
      const openVersion = hybridClock.next(id);
      const lane: OpenLane = {
        id,
        openVersion,
        next: 1,
        lastVersion: openVersion,
        direct: undefined,
      };
      const bytes = this.#encodeMark("open", { ...lane, next: 0 }, openVersion);
      const outcome = await this.#create(slotKey(id, 0), bytes);
      if (outcome.kind === "lost") throw corrupt(slotKey(id, 0), "is not what was just written");
      await host.catchUp();
      // Requests take time, in which a clock may jump; from here to the stamps nothing waits.
      if (hybridClock.isSkewed()) throw hybridClock.skewError();
      // The floor may pass everything up to here before a manifest lists the lane, and "the floor
      // is at or above its open record" has to mean that the lane was retired. The clock has now
      // seen that version, so the next open record is above it.
      if (host.maxVersion() >= openVersion) continue;
      if (outcome.direct) lane.direct = { storeMs: outcome.storeMs };
      return lane;
    }
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `no lane could be opened: others committed first ${OPEN_ATTEMPTS_MAX} times`,
    );
  }

  /** An open record or a seal. */
  #encodeMark(
    kind: "open" | "seal",
    lane: Pick<OpenLane, "id" | "next">,
    version: Version,
  ): Uint8Array<ArrayBuffer> {
    return encodeSlot({ ...this.#head(lane.next), kind, lane: lane.id, version, operations: [] });
  }

  #head(number: number) {
    const { databaseId, incarnation, random } = this.#options;
    return { databaseId, incarnation, number, nonce: randomHex(random, 8) };
  }

  #take(lane: OpenLane): Prepared {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared === undefined) return this.#prepare(lane, lane.next);
    assert(prepared.lane === lane.id && prepared.number === lane.next, "a slot out of turn");
    return prepared;
  }

  /** While a slot is on its way the next one is stamped and encoded, when it is already full. */
  #prepareNext(lane: OpenLane): void {
    const { hybridClock, slotOperationsMax } = this.#options;
    let count = 0;
    for (const { drafts } of this.#queue) count += drafts.count;
    if (count < slotOperationsMax / 2 || hybridClock.isSkewed()) return;
    try {
      this.#prepared = this.#prepare(lane, lane.next + 1);
    } catch {
      // Its batches have been told, and the slot that is on its way has no part in it.
    }
  }

  #prepare(lane: OpenLane, number: number): Prepared {
    const { slotOperationsMax, slotBytesMax, hybridClock, host } = this.#options;
    const waiting: Waiting[] = [];
    let count = 0;
    let bytes = 0;
    while (this.#queue.length > 0) {
      const { drafts } = this.#queue[0]!;
      const fits =
        count + drafts.count <= slotOperationsMax && bytes + drafts.bytes <= slotBytesMax;
      if (waiting.length > 0 && !fits) break;
      waiting.push(this.#queue.shift()!);
      count += drafts.count;
      bytes += drafts.bytes;
    }
    try {
      const run = hybridClock.reserve(lane.id, count);
      const batches = waiting.map(({ drafts }) => drafts);
      const drafts = together(host.stamp?.(batches, run) ?? batches);
      const slot = encodeDrafts(this.#head(number), drafts, run);
      return { lane: lane.id, number, ...slot, waiting };
    } catch (error) {
      for (const { done } of waiting) done.reject(error);
      throw error;
    }
  }

  /**
   * Whether a slot is certain to be read, `false`: certain not to be. That it is durable is not
   * enough, nor is a seal in its place proof of the contrary: what was there may have been covered
   * and collected before the seal of somebody who slept came to the name.
   */
  async #isInLog(
    lane: OpenLane,
    { number, bytes }: Prepared,
    outcome: CreateOutcome,
  ): Promise<boolean> {
    const isWon = outcome.kind === "won";
    const before = lane.direct;
    lane.direct = isWon && outcome.direct ? { storeMs: outcome.storeMs } : undefined;
    const isPlain =
      lane.direct !== undefined &&
      before !== undefined &&
      Math.abs(lane.direct.storeMs - before.storeMs) < DIRECT_ANSWERS_APART_MS_MAX;
    if (isPlain) return true;
    const manifest = await this.#options.host.newestManifest();
    if (manifest === undefined) return isWon;
    const entry = manifest.lanes.find((listed) => listed.lane === lane.id);
    // A seal is put after all that is there, so what it stands behind was there before it.
    if (entry?.seal !== undefined) return number < entry.seal.slot;
    if (entry !== undefined) return isWon || number <= entry.cursor;
    if (manifest.floor < lane.openVersion) return isWon;
    // Retired, which lanes are without their slots. If this one was sent once and is there, it
    // was never covered. If it is not there, or another attempt may have been, it may have been:
    // appending it again could undo what others did to the same records since.
    const key = slotKey(lane.id, number);
    if (isWon ? outcome.attempts === 1 && (await this.#holds(key, bytes)) : !outcome.isUnanswered)
      return false;
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `${key}: the lane was retired while its outcome was unknown`,
    );
  }

  async #holds(key: string, bytes: Uint8Array): Promise<boolean> {
    const found = await this.#options.store.get(key);
    return found !== undefined && equalBytes(found.bytes, bytes);
  }

  /** Somebody else's bytes at the own next slot can only be a seal. */
  #checkLost(lane: OpenLane, number: number, found: Uint8Array): void {
    const key = slotKey(lane.id, number);
    const slot = decodeSlot(found, key);
    if (slot.databaseId !== this.#options.databaseId) {
      throw new BrainyError("BRAINY_FENCED", `${key} belongs to database ${slot.databaseId}`);
    }
    if (slot.kind !== "seal") {
      throw new BrainyError("BRAINY_FENCED", `${key} was written by another process: reopen`);
    }
  }

  /** Proven absent: the same operations go into a new lane, with new versions, or back. */
  #putBack(prepared: Prepared): void {
    const next = this.#prepared;
    this.#prepared = undefined;
    this.#lane = undefined;
    this.#forget(prepared, next);
    this.#queue.unshift(...prepared.waiting, ...(next?.waiting ?? []));
    if (this.#givesBack) this.#giveBack();
  }

  #forget(...slots: readonly (Prepared | undefined)[]): void {
    for (const slot of slots) if (slot !== undefined) this.#options.host.dropped?.(slot.columns);
  }

  get #givesBack(): boolean {
    return this.#options.whenLaneEnds === "give-back";
  }

  /** What waits was decided on the strength of a lane that is no more. */
  #giveBack(): void {
    for (const { done } of this.#queue.splice(0)) done.reject(LANE_ENDED);
  }

  #acknowledge({ waiting, columns }: Prepared): void {
    let start = 0;
    for (const { drafts, done } of waiting) {
      const end = start + drafts.count;
      done.resolve({ columns, start, end });
      start = end;
    }
  }

  /**
   * The outcome of a slot on its way is unknown: nothing may follow it in this lane, ever, so
   * the lane is left to be sealed by maintenance. What waits behind goes to a new lane.
   */
  #fail(prepared: Prepared | undefined, error: unknown): void {
    const next = this.#prepared;
    this.#prepared = undefined;
    this.#forget(prepared, next);
    if (next !== undefined) this.#queue.unshift(...next.waiting);
    if (prepared !== undefined) {
      this.#lane = undefined;
      for (const { done } of prepared.waiting) done.reject(error);
      if (this.#givesBack) this.#giveBack();
    }
    const isFinal = error instanceof BrainyError && error.action === "reopen";
    if (isFinal) this.#endedBy = error;
    if (isFinal || prepared === undefined) {
      for (const { done } of this.#queue.splice(0)) done.reject(error);
    }
  }
}

/** What fills a slot alone is taken as it is. */
function together(batches: readonly DraftColumns[]): DraftColumns {
  if (batches.length === 1) return batches[0]!;
  const all = new DraftColumns();
  for (const drafts of batches) all.append(drafts);
  return all;
}
