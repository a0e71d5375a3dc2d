import { BrainyError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import type { DraftColumns } from "../format/draft-columns.ts";
import type { LeaseOwner } from "../format/lease.ts";
import type { Version } from "../format/version.ts";
import { checkCondition, type Condition } from "./condition.ts";
import { LANE_ENDED, LogWriter, type LogWriterOptions } from "./log-writer.ts";
import type { Placement } from "./placement.ts";
import { PartitionLeases, type LeaseEvent, type Regard } from "./partition-leases.ts";

/** How often an operation is decided again because its lane ended. */
const ATTEMPTS_MAX = 16;

/** One operation on one record, under a condition. */
export interface ConditionalWrite {
  readonly id: string;
  readonly condition: Condition;
  /** One, of this id. */
  readonly drafts: DraftColumns;
}

/** How a run shares the deciding of conditional operations with others. */
export interface Ownership {
  /** Name in leases, for people and for `BRAINY_NOT_OWNER`. */
  readonly instanceId: () => string;
  readonly endpoint?: string | undefined;
  /** Default: the hash of the id modulo the number of partitions. All runs must agree. */
  readonly placement?: Placement | undefined;
  /** What is known of a run that a lease names. A wrong answer costs a takeover, no more. */
  readonly regard: (owner: LeaseOwner, partition: number) => Promise<Regard>;
}

/** What conditional operations need from the database around them. */
export interface ConditionalHost {
  /**
   * The version of a record that readers see, by everything acknowledged before the call. The
   * clock is above it, and above all else that was read, when it resolves.
   */
  presentVersion(id: string): Promise<Version | undefined>;
  /** The condition of these drafts holds by what is known here now. */
  decided(drafts: DraftColumns): void;
  readonly partitionOf: Placement;
  /** `undefined`: of other runs nothing is known but their lanes. */
  readonly ownership: Ownership | undefined;
  log(event: LeaseEvent): void;
}

/**
 * Decides conditional operations, one at a time for each record, in a lane that serves nothing
 * else.
 *
 *   hold the lease ─► catch up ─► still held? ─► condition ─► append to the lane of the lease
 *        ▲                            │ no                          │
 *        └────────────────────────────┴──── the lane has ended ─────┘
 *
 * No request comes between the condition and the append, and the lane takes slots only while its
 * leases cannot have been taken: so what is decided is what counts. An operation whose lane ended
 * is decided again, never appended again. Spec: docs/specs/conditional-operations.md.
 */
export class ConditionalWriter {
  readonly #log: LogWriter;
  readonly #host: ConditionalHost;
  readonly #leases: PartitionLeases;
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Operations under way, by partition. */
  readonly #busy = new Map<number, number>();
  /** When the last one ended, by the monotonic clock. */
  readonly #usedMs = new Map<number, number>();
  readonly #clock: Clock;

  constructor(options: Omit<LogWriterOptions, "whenLaneEnds">, host: ConditionalHost) {
    const { store, clock, random, databaseId, incarnation, newUlid } = options;
    this.#log = new LogWriter({ ...options, whenLaneEnds: "give-back" });
    this.#host = host;
    this.#clock = clock;
    this.#leases = new PartitionLeases({
      store,
      clock,
      random,
      databaseId,
      newUlid,
      host: {
        incarnation,
        instanceId: host.ownership?.instanceId ?? (() => incarnation),
        endpoint: host.ownership?.endpoint,
        regard: host.ownership?.regard ?? (() => Promise.resolve("unknown")),
        lane: () => this.#log.lane,
        openLane: () => this.#log.openLane(),
        log: (event) => host.log(event),
      },
    });
  }

  get slotsWritten(): number {
    return this.#log.slotsWritten;
  }

  get bytesWritten(): number {
    return this.#log.bytesWritten;
  }

  /** Partitions whose operations this run decides now. */
  get held(): readonly number[] {
    return this.#leases.held;
  }

  /**
   * Resolves with the version of the operation. Rejects with `BRAINY_CONFLICT` when the condition
   * does not hold, `BRAINY_NOT_OWNER` when another live run decides: nothing was written then.
   * After `BRAINY_UNAVAILABLE` from the store it may have been.
   */
  write(write: ConditionalWrite): Promise<Version> {
    const { id } = write;
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => this.#write(write));
    this.#turns.set(id, turn);
    const isLast = (): boolean => this.#turns.get(id) === turn;
    return turn.finally(() => {
      if (isLast()) this.#turns.delete(id);
    });
  }

  /** Gives a partition back if nothing of it is under way, nor was within `idleMs`. */
  async release(partition: number, idleMs: number): Promise<void> {
    const usedMs = this.#usedMs.get(partition) ?? Number.NEGATIVE_INFINITY;
    const isIdle = this.#clock.monotonicMs() - usedMs >= idleMs;
    if (isIdle && !this.#busy.has(partition)) await this.#leases.release(partition);
  }

  /** Resolves when everything asked for so far is decided. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  /** Flushes and seals its lane, which sets all leases free. Idempotent. */
  async close(): Promise<void> {
    await this.flush();
    await this.#log.close();
  }

  async #write(write: ConditionalWrite): Promise<Version> {
    const partition = this.#host.partitionOf(write.id);
    this.#busy.set(partition, (this.#busy.get(partition) ?? 0) + 1);
    try {
      return await this.#decide(write, partition);
    } finally {
      this.#usedMs.set(partition, this.#clock.monotonicMs());
      const left = this.#busy.get(partition)! - 1;
      if (left > 0) this.#busy.set(partition, left);
      else this.#busy.delete(partition);
    }
  }

  async #decide({ id, condition, drafts }: ConditionalWrite, partition: number): Promise<Version> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const lease = await this.#leases.hold(partition);
      const present = await this.#host.presentVersion(id);
      if (!this.#leases.isHeld(lease)) continue;
      checkCondition(id, condition, present);
      this.#host.decided(drafts);
      try {
        const { columns, start } = await this.#log.append(drafts);
        return columns.version(start);
      } catch (error) {
        if (error !== LANE_ENDED) throw error;
      }
    }
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `record ${JSON.stringify(id)}: others took its partition ${ATTEMPTS_MAX} times in a row. ` +
        "Nothing was written",
    );
  }
}
