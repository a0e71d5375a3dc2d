import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import { createOnce } from "../engine/create-once.ts";
import { getDecoded } from "../engine/get-decoded.ts";
import type { Regard } from "../engine/partition-leases.ts";
import { replaceOnce } from "../engine/replace-once.ts";
import { decodeAssignment, encodeAssignment, type Assignment } from "../format/assignment.ts";
import type { ConfigSettings } from "../format/config.ts";
import { partitionName } from "../format/hash-id.ts";
import { ASSIGNMENT_KEY } from "../format/keys.ts";
import type { LeaseOwner } from "../format/lease.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { assignPartitions, assignedTo, isAssignmentOf } from "./assign.ts";
import type { Registry } from "./registry.ts";

/** How often a change of the assignment is tried before the next look at the fleet tries again. */
const ATTEMPTS_MAX = 4;
/**
 * How often a settled assignment is looked at again: a swap of somebody who had another view may
 * take effect after all have agreed.
 */
const CHECK_AGAIN_MS = 10 * 60_000;
/** A partition that is to go elsewhere goes when nothing was decided in it for so long. */
export const HAND_OVER_AFTER_MS = 10_000;

/** What this instance knows of the others, and what it does for them. */
export interface PartitionOwnersOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Pick<Registry, "look" | "statusOf" | "writers">;
  readonly instanceId: () => string;
  /** Whether this instance may own partitions, and so writes assignments. */
  readonly isWriter: () => boolean;
  /** `undefined` while the store is empty. */
  readonly settings: () => ConfigSettings | undefined;
  readonly onEvent: (event: AssignmentEvent) => void;
  readonly warn: (message: string) => void;
}

/** The partitions that this instance is to own from now on, as far as that has changed. */
export interface AssignmentEvent {
  readonly type: "partitions_assigned";
  readonly version: number;
  readonly partitions: readonly string[];
}

/** What owns partitions here, and gives them back. */
export interface OwningDatabase {
  readonly heldPartitions: readonly number[];
  releasePartition(partition: number, idleMs: number): Promise<void>;
}

/**
 * Shares partitions among the writers of a fleet. Whoever sees writers come or go writes the
 * assignment for those that are there, unless it is there already; nothing is asked or written
 * while nothing changes. A wrong assignment, or two that alternate, cost takeovers and nothing
 * else. Spec: docs/specs/assignment.md.
 */
export class PartitionOwners {
  readonly #options: PartitionOwnersOptions;
  #assignment: Assignment | undefined;
  /** The writers for which the assignment was last seen to be right. */
  #settled = "";
  /** When that was, by the monotonic clock. */
  #settledMs = 0;
  #hasWarned = false;

  constructor(options: PartitionOwnersOptions) {
    this.#options = options;
  }

  /** As it was read or written last; `undefined` before that. */
  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  /** Partitions that this instance is to own. */
  get own(): readonly number[] {
    return this.#assignment?.partitions.get(this.#options.instanceId()) ?? [];
  }

  /**
   * After every look at the fleet. Costs nothing while the writers are the same. What fails is tried
   * again after the next look; it warns once, and never rejects.
   */
  async looked(database: OwningDatabase | undefined): Promise<void> {
    try {
      await this.#share(database);
      this.#hasWarned = false;
    } catch (error) {
      if (this.#hasWarned) return;
      this.#hasWarned = true;
      this.#options.warn(`this instance cannot share partitions with its fleet: ${String(error)}`);
    }
  }

  async #share(database: OwningDatabase | undefined): Promise<void> {
    const { registry, settings, isWriter } = this.#options;
    const now = settings();
    const writers = registry.writers();
    if (now === undefined || writers.length === 0) return;
    const { clock } = this.#options;
    const isOld = clock.monotonicMs() - this.#settledMs >= CHECK_AGAIN_MS;
    if (isWriter() && (isOld || writers.join() !== this.#settled)) {
      await this.#settle(writers, now);
      this.#settled = writers.join();
      this.#settledMs = clock.monotonicMs();
    }
    if (database !== undefined) await this.#handOver(database, writers);
  }

  /** What is known of a run that a lease names. */
  async regard({ holder }: LeaseOwner, partition: number): Promise<Regard> {
    const { registry, instanceId } = this.#options;
    if (registry.statusOf(holder) === undefined) await registry.look();
    const status = registry.statusOf(holder);
    if (status === undefined) return "unknown";
    if (status === "stale") return "dead";
    const assignment = await this.read();
    const isMine = assignment !== undefined && assignedTo(assignment, partition) === instanceId();
    return isMine ? "yielding" : "live";
  }

  /** The assignment as it is now. One GET. */
  async read(): Promise<Assignment | undefined> {
    const found = await this.#read();
    if (found !== undefined) this.#take(found.assignment);
    return found?.assignment;
  }

  async #read(): Promise<{ readonly assignment: Assignment; readonly etag: Etag } | undefined> {
    const found = await getDecoded(this.#options.store, ASSIGNMENT_KEY, ({ bytes, etag }) => ({
      assignment: decodeAssignment(bytes, ASSIGNMENT_KEY),
      etag,
    }));
    if (found === undefined) return undefined;
    const { assignment } = found;
    const databaseId = this.#options.settings()?.databaseId;
    if (assignment.databaseId !== databaseId) {
      const what = `${ASSIGNMENT_KEY} belongs to database ${assignment.databaseId}`;
      throw new BrainyError("BRAINY_FENCED", what);
    }
    return found;
  }

  async #settle(writers: readonly string[], settings: ConfigSettings): Promise<void> {
    const { store, clock, random } = this.#options;
    const { databaseId, partitionCount } = settings;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = await this.#read();
      if (found !== undefined && isAssignmentOf(found.assignment, writers, partitionCount)) {
        this.#take(found.assignment);
        return;
      }
      const assignment: Assignment = {
        databaseId,
        version: (found?.assignment.version ?? 0) + 1,
        partitionCount,
        partitions: assignPartitions(writers, partitionCount),
        nonce: randomHex(random, 8),
      };
      const create = {
        store,
        clock,
        random,
        key: ASSIGNMENT_KEY,
        bytes: encodeAssignment(assignment),
      };
      const outcome =
        found === undefined
          ? (await createOnce(create)).kind
          : await replaceOnce({ ...create, etag: found.etag });
      if (outcome === "lost") continue;
      this.#take(assignment);
      return;
    }
    throw new BrainyError("BRAINY_UNAVAILABLE", `${ASSIGNMENT_KEY} changes faster than it is read`);
  }

  #take(assignment: Assignment): void {
    const before = this.own.join();
    this.#assignment = assignment;
    if (this.own.join() === before) return;
    this.#options.onEvent({
      type: "partitions_assigned",
      version: assignment.version,
      partitions: this.own.map(partitionName),
    });
  }

  /** Gives back what another live writer is to own, once it is idle here. */
  async #handOver(database: OwningDatabase, writers: readonly string[]): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    for (const partition of database.heldPartitions) {
      const to = assignedTo(assignment, partition);
      if (to === undefined || to === this.#options.instanceId() || !writers.includes(to)) continue;
      await database.releasePartition(partition, HAND_OVER_AFTER_MS);
    }
  }
}
