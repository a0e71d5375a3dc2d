import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import { partitionName } from "../format/hash-id.ts";
import type { Lease, LeaseOwner } from "../format/lease.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { backoffMs } from "./create-once.ts";
import { endLane, laneState, type LaneState } from "./lane-end.ts";
import { laneToEnd, stepToLease } from "./lease-decision.ts";
import { readLease, swapLease, type StoredLease } from "./lease-store.ts";

/** Swaps that are lost in a row before a call gives up. */
const ATTEMPTS_MAX = 16;
/**
 * How long a lane has to stand still before its partitions are taken from a run of which nothing
 * else is known; whoever finds it moving waits once for as long. So two processes that want the
 * same partitions take turns of this length, not of one operation.
 */
export const COURTESY_MS = 200;

/** What is known of the run that a lease names. `yielding`: it lives, and this one is to own. */
export type Regard = "live" | "yielding" | "dead" | "unknown";

/** What leases need from what is around them. */
export interface LeaseHost {
  readonly incarnation: string;
  readonly instanceId: () => string;
  readonly endpoint: string | undefined;
  /** The lane of conditional operations in use. */
  lane(): LaneId | undefined;
  /** The same, opened if there is none. */
  openLane(): Promise<LaneId>;
  /** Asked only where the lane of that run has not ended. */
  regard(owner: LeaseOwner, partition: number): Promise<Regard>;
  log(event: LeaseEvent): void;
}

/** What happened to a partition here. */
export type LeaseEvent =
  | {
      readonly type: "partition_acquired";
      readonly partition: string;
      /** 1: the partition's first lease in the life of the database. */
      readonly epoch: number;
      /** Instance that had it before, if it was another one. */
      readonly from?: string | undefined;
    }
  | { readonly type: "partition_released"; readonly partition: string; readonly epoch: number };

/** A partition that this run decides about, as long as `lane` is in use. */
export interface HeldLease {
  readonly partition: number;
  readonly lane: LaneId;
  readonly epoch: number;
  readonly nonce: string;
}

/** Where leases are. */
export interface PartitionLeasesOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly databaseId: string;
  readonly newUlid: () => string;
  readonly host: LeaseHost;
}

/**
 * The partitions of which this run decides conditional operations. A lease is held from a swap
 * that is known to have won until its lane ends or it is given back; nothing else, and no passing
 * of time, makes or ends it. Spec: docs/specs/conditional-operations.md.
 */
export class PartitionLeases {
  readonly #options: PartitionLeasesOptions;
  readonly #held = new Map<number, HeldLease>();
  readonly #changing = new Map<number, Promise<unknown>>();

  constructor(options: PartitionLeasesOptions) {
    this.#options = options;
  }

  /** Partitions held now. */
  get held(): readonly number[] {
    return [...this.#held.values()].filter((lease) => this.isHeld(lease)).map((l) => l.partition);
  }

  isHeld(lease: HeldLease): boolean {
    return this.#held.get(lease.partition) === lease && lease.lane === this.#options.host.lane();
  }

  /**
   * The lease of a partition, taken if need be. Rejects with `BRAINY_NOT_OWNER` while a live run
   * has it. The caller has nothing of this partition under way in a lane that is not held.
   */
  async hold(partition: number): Promise<HeldLease> {
    for (;;) {
      const known = this.#held.get(partition);
      if (known !== undefined && this.isHeld(known)) return known;
      const changing = this.#changing.get(partition);
      if (changing === undefined) return this.#change(partition, () => this.#acquire(partition));
      await changing.catch(() => undefined);
    }
  }

  /** Gives a partition back. Only for callers that have nothing of it under way. */
  async release(partition: number): Promise<void> {
    const lease = this.#held.get(partition);
    if (lease === undefined || this.#changing.has(partition)) return;
    // From here on it is not held, whatever becomes of the swap.
    this.#held.delete(partition);
    await this.#change(partition, () => this.#giveBack(lease));
  }

  #change<T>(partition: number, run: () => Promise<T>): Promise<T> {
    const changing = run().finally(() => this.#changing.delete(partition));
    this.#changing.set(partition, changing);
    return changing;
  }

  async #acquire(partition: number): Promise<HeldLease> {
    const { store, clock, random, databaseId, newUlid, host } = this.#options;
    let mayWait = true;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (attempt > 0) await clock.sleep(backoffMs(Math.min(attempt, 5), random));
      const found = await readLease({ store, databaseId, partition });
      const step = stepToLease(found?.lease, { holder: host.incarnation, lane: host.lane() });
      const state =
        step.kind === "ask" ? await this.#ask(step.owner, partition, mayWait) : undefined;
      if (state === "waited") {
        mayWait = false;
        continue;
      }
      const lane = await host.openLane();
      const ending = laneToEnd(stepToLease(found?.lease, { holder: host.incarnation, lane }));
      if (ending !== undefined) {
        await endLane({ store, clock, random, databaseId, newUlid, lane: ending }, state);
      }
      const held = await this.#swap(partition, lane, found);
      if (held !== undefined && host.lane() === lane) return held;
    }
    throw new BrainyError(
      "BRAINY_UNAVAILABLE",
      `${partitionName(partition)}: others took it ${ATTEMPTS_MAX} times in a row. ` +
        "Nothing was written",
    );
  }

  async #swap(
    partition: number,
    lane: LaneId,
    found: StoredLease | undefined,
  ): Promise<HeldLease | undefined> {
    const { store, clock, random, databaseId, host } = this.#options;
    const before = found?.lease;
    const lease: Lease = {
      databaseId,
      partition,
      epoch: (before?.epoch ?? 0) + 1,
      owner: {
        holder: host.incarnation,
        instanceId: host.instanceId(),
        endpoint: host.endpoint,
        lane,
      },
      nonce: randomHex(random, 8),
    };
    const outcome = await swapLease({ store, clock, random, lease, etag: found?.etag });
    if (outcome === "lost") return undefined;
    const { epoch, nonce } = lease;
    const held: HeldLease = { partition, lane, epoch, nonce };
    this.#held.set(partition, held);
    const name = partitionName(partition);
    const from = before?.owner?.holder === host.incarnation ? undefined : before?.owner?.instanceId;
    host.log({ type: "partition_acquired", partition: name, epoch, ...(from && { from }) });
    return held;
  }

  /** How the owner's lane is, if it may be taken; else rejects, or waits, after which to look again. */
  async #ask(
    owner: LeaseOwner,
    partition: number,
    mayWait: boolean,
  ): Promise<LaneState | "waited"> {
    const { host, clock } = this.#options;
    const state = await laneState({ ...this.#options, lane: owner.lane });
    if (state.kind === "ended") return state;
    const regard = await host.regard(owner, partition);
    if (regard === "live") throw notOwner(owner, partition);
    if (regard !== "unknown" || !mayWait || state.stillMs >= COURTESY_MS) return state;
    await clock.sleep(Math.min(COURTESY_MS, COURTESY_MS - state.stillMs));
    return "waited";
  }

  async #giveBack({ partition, epoch, nonce }: HeldLease): Promise<void> {
    const { store, clock, random, databaseId, host } = this.#options;
    const found = await readLease({ store, databaseId, partition });
    if (found === undefined || found.lease.nonce !== nonce) return;
    const lease: Lease = {
      databaseId,
      partition,
      epoch: epoch + 1,
      owner: undefined,
      nonce: randomHex(random, 8),
    };
    const outcome = await swapLease({ store, clock, random, lease, etag: found.etag });
    if (outcome === "lost") return;
    host.log({
      type: "partition_released",
      partition: partitionName(partition),
      epoch: lease.epoch,
    });
  }
}

function notOwner({ instanceId, endpoint }: LeaseOwner, partition: number): BrainyError {
  const name = partitionName(partition);
  const at = endpoint === undefined ? "" : ` at ${endpoint}`;
  return new BrainyError(
    "BRAINY_NOT_OWNER",
    `${name} belongs to instance ${instanceId}${at}, which is live: send the call there. ` +
      "Nothing was written",
    { owner: { partition: name, instanceId, endpoint } },
  );
}
