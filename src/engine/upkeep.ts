import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { ConfigDocument } from "../format/config.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Executor } from "./compaction.ts";
import { DEFAULT_COMPACTION, type CompactionOptions } from "./compaction-plan.ts";
import type { DatabaseLimits, IndexingOptions } from "./database-limits.ts";
import { waitingSinceMs } from "./erasure.ts";
import type { Following } from "./following.ts";
import type { HybridClock } from "./hybrid-clock.ts";
import { LookSchedule, type Look } from "./look-schedule.ts";
import { Maintenance, type MaintenanceEvent, type RunOptions } from "./maintenance.ts";

/** Slots that wait before every writer helps with maintenance, `close()` included. */
const SLOTS_CROWDED = 1_000;
/** Slots that exist before writes are refused. */
const SLOTS_MAX = 10_000;
/** How long a write waits for room that another process has to make, and how often it looks. */
const ROOM_WAIT_MS = 30_000;
const ROOM_LOOK_MS = 500;

/** What is kept up, and by whom. */
export interface UpkeepOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly executor: Executor;
  readonly incarnation: string;
  /** `false`: only when it is asked to. */
  readonly compaction: Omit<CompactionOptions, "partitionCount"> | false;
  /** Asked each time before it is done by itself. Default: it may. */
  readonly mayMaintain?: (() => boolean) | undefined;
  readonly indexing: IndexingOptions;
  readonly limits: DatabaseLimits;
  readonly following: Following;
  readonly settings: ConfigDocument["settings"];
  readonly dimensions: () => number | undefined;
  readonly isAlive: ((incarnation: string) => boolean) | undefined;
  readonly onEvent: (event: MaintenanceEvent) => void;
  readonly hybridClock: HybridClock;
  readonly readOnly: boolean;
  /** Rejects when the store must not be written to. */
  readonly beforeFirstWrite?: (() => Promise<void>) | undefined;
  readonly hasWritten: () => boolean;
}

/** When one process maintains its database by itself, and how long its writes wait for that. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #maintenance: Maintenance;
  readonly #looks: LookSchedule;
  #running: Promise<void> | undefined;
  #isEnding = false;
  /** Why the last run in the background failed; `undefined` when it did not. */
  error: unknown;

  constructor(options: UpkeepOptions) {
    const { store, clock, random, incarnation, executor, following, settings } = options;
    const { databaseId, partitionCount, conflictResolution } = settings;
    const compaction = options.compaction === false ? DEFAULT_COMPACTION : options.compaction;
    this.#options = options;
    this.#looks = new LookSchedule(options.clock, compaction);
    this.#maintenance = new Maintenance({
      store,
      clock,
      random,
      incarnation,
      databaseId,
      executor,
      compaction: { ...compaction, partitionCount, conflictResolution },
      host: {
        adopt: (manifest) => following.adopt(manifest),
        partitionCount,
        dimensions: options.dimensions,
        log: options.onEvent,
        tailOperations: () => following.tailOperations,
        isAlive: (holder) => options.isAlive?.(holder) ?? false,
      },
    });
  }

  /** The run in the background, if there is one; never rejects. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** A run that was asked for, after the one in the background. */
  async run(options: RunOptions): Promise<void> {
    await this.#running;
    await this.#maintenance.run(options);
  }

  /** Starts a run in the background once enough has gathered. */
  whenDue(): void {
    const { indexing, following } = this.#options;
    const compaction = this.#compaction;
    if (compaction === false || this.#running !== undefined || this.#isEnding) return;
    const { tailBytes, tailOperations, uncoveredSlots } = following;
    const isDue =
      !indexing.batchIndexUpdates ||
      tailBytes >= compaction.flushBytes ||
      tailOperations >= compaction.flushOperations ||
      uncoveredSlots >= compaction.flushSlots;
    if (isDue) void this.#start();
    else this.lookWhenDue();
  }

  /** Sees to what is due for its age alone: docs/specs/erasure.md. */
  lookWhenDue(): void {
    const { readOnly, following, hybridClock } = this.#options;
    if (this.#compaction === false || readOnly || this.#running !== undefined || this.#isEnding)
      return;
    const look = this.#looks.next({
      storeNowMs: hybridClock.storeNowMs(),
      waitingSinceMs: () => waitingSinceMs(following.manifest, following.tailSinceMs()),
    });
    if (look !== undefined) void this.#start(look);
  }

  /**
   * Backpressure: the tail is in memory, so it may not outgrow whoever compacts without end. Waits
   * for a run of this process, and for another process where that is the one that maintains.
   */
  async makeRoom(): Promise<void> {
    const { limits, following, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    while (following.tailBytes > limits.tailBytesMax) {
      if (this.#compaction !== false) await this.#start();
      if (following.tailBytes <= limits.tailBytesMax) break;
      if (clock.monotonicMs() - startedMs >= ROOM_WAIT_MS) throw this.#fullError();
      await clock.sleep(ROOM_LOOK_MS);
      await following.catchUp();
    }
    if (following.uncoveredSlots > SLOTS_MAX) await this.#refuseCrowd();
  }

  /** The last run of a process that closes: it leaves no crowd behind. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
    const { following, hasWritten } = this.#options;
    const isCrowded = following.uncoveredSlots > SLOTS_CROWDED;
    if (this.#compaction === false || !hasWritten() || !isCrowded) return;
    await this.#maintenance.run({ force: "flush", crowd: following.uncoveredSlots });
  }

  /** `false` while it is only done when asked for. */
  get #compaction(): UpkeepOptions["compaction"] {
    const { compaction, mayMaintain } = this.#options;
    return mayMaintain?.() === false ? false : compaction;
  }

  /** An error is kept for health, and tried again when the tail has grown. */
  #start(look?: Look): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    const { indexing, following, hasWritten, beforeFirstWrite } = this.#options;
    const isUnwritten = !hasWritten();
    const ready = isUnwritten ? Promise.resolve(beforeFirstWrite?.()) : Promise.resolve();
    const running = ready
      .then(() =>
        this.#maintenance.run({
          takeOver: look?.takeOver,
          crowd: following.uncoveredSlots > SLOTS_CROWDED ? following.uncoveredSlots : undefined,
          force: indexing.batchIndexUpdates ? undefined : "flush",
          look: look !== undefined,
        }),
      )
      .then(
        () => {
          this.error = undefined;
        },
        (error: unknown) => {
          // Who only reads need not be allowed to maintain.
          if (!isUnwritten) this.error = error;
        },
      )
      .finally(() => {
        this.#running = undefined;
      });
    this.#running = running;
    return running;
  }

  #fullError(): BrainyError {
    const { following, limits } = this.#options;
    const { holder } = following.manifest;
    const who =
      this.#compaction === false
        ? "call compact(), or let a process with compaction enabled run"
        : `${holder === "" ? "nobody" : holder} maintains and does not keep up; is it alive?`;
    return new BrainyError(
      "BRAINY_LIMIT",
      `${following.tailBytes} bytes wait to be compacted, at most ${limits.tailBytesMax} may ` +
        `(limits.tailBytesMax): ${who}`,
      { cause: this.error },
    );
  }

  async #refuseCrowd(): Promise<void> {
    const { following } = this.#options;
    await following.catchUp();
    if (following.uncoveredSlots <= SLOTS_MAX) return;
    throw new BrainyError(
      "BRAINY_LIMIT",
      `${following.uncoveredSlots} slots are waiting to be compacted, at most ${SLOTS_MAX} may: ` +
        "call compact(), or let a process with compaction enabled run",
    );
  }
}
