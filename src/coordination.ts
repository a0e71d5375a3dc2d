import type { Clock } from "./base/clock.ts";
import { Coalesced } from "./cluster/coalesced.ts";
import type { EventBus } from "./cluster/event-bus.ts";
import type { Hint } from "./cluster/hint.ts";
import { Hints } from "./cluster/hints.ts";
import type { Role } from "./cluster/role.ts";
import { CompactionService, askToCompact } from "./compact-elsewhere.ts";
import type { Database } from "./engine/database.ts";
import type { Manifest } from "./format/manifest.ts";
import { LANE_PATTERN, type LaneId } from "./format/version.ts";

/** Hints make no instance look at its store more often than this. */
const LOOK_SPACING_MS = 1_000;
/** Nor at its fleet, where instances may come and go all the time. */
const FLEET_SPACING_MS = 5_000;
/** Lanes that hints may name between two reads; those beyond wait for the next look. */
const LANES_MAX = 1_000;

/** What coordination works on, and whom it tells. */
export interface CoordinationOptions {
  readonly clock: Clock;
  /** An event of another instance, for people who watch. */
  readonly onEvent: (type: string, payload: Readonly<Record<string, unknown>>) => void;
}

/** What there is once a session is open. */
export interface CoordinationHost {
  readonly bus: EventBus;
  readonly database: Database;
  readonly instanceId: string;
  readonly role: Role;
  /** Looks at who is there. */
  readonly lookAtFleet: () => Promise<void>;
}

/**
 * What a session tells the others, and what it does when they tell it something: what it would
 * have done anyway, only sooner. Spec: docs/specs/hints.md.
 */
export class Coordination {
  readonly hints: Hints;
  readonly #options: CoordinationOptions;
  readonly #stopping = new AbortController();
  readonly #wanted = new Map<LaneId, number>();
  readonly #ahead: Coalesced;
  readonly #looking: Coalesced;
  readonly #fleet: Coalesced;
  readonly #compactions: CompactionService;
  /** Lanes that hints were wrong about: read again after the next look. */
  readonly #doubtful = new Set<LaneId>();
  readonly #partitions = new Set<string>();
  #host: CoordinationHost | undefined;
  #hasBegun = false;

  constructor(options: CoordinationOptions) {
    this.#options = options;
    this.hints = new Hints(options.clock);
    const coalesced = (spacingMs: number, run: () => Promise<void>): Coalesced =>
      new Coalesced({ clock: options.clock, signal: this.#stopping.signal, spacingMs, run });
    this.#ahead = coalesced(0, () => this.#readAhead());
    this.#looking = coalesced(LOOK_SPACING_MS, () => this.#look());
    this.#fleet = coalesced(FLEET_SPACING_MS, async () => this.#host?.lookAtFleet());
    this.#compactions = new CompactionService({
      clock: options.clock,
      hints: this.hints,
      signal: this.#stopping.signal,
      database: () => this.#host?.database,
    });
  }

  /** There is something to tell about, and somebody to tell. */
  attach(host: CoordinationHost): void {
    this.#host = host;
    this.hints.use(host.bus);
    this.begin();
    this.hints.publish("instance_joined", { role: host.role });
  }

  /** Begins to tell and to listen, once the database is known: an empty store has no name yet. */
  begin(): void {
    const host = this.#host;
    if (host === undefined || this.#hasBegun || host.database.config === undefined) return;
    this.#hasBegun = true;
    const { incarnation, config } = host.database;
    const { hints } = this;
    hints.subscribe("log", (hint) => this.#onLog(hint));
    hints.subscribe("index_updated", (hint) => {
      this.#report(hint);
      if (this.#isFollowing) this.#looking.request();
    });
    hints.subscribe("partition_created", (hint) => this.#report(hint));
    hints.subscribe("compact", (hint) => this.#compactions.hear(hint));
    // What the registry sees then is its event.
    hints.subscribe("instance_joined", () => this.#fleet.request());
    hints.subscribe("instance_left", () => this.#fleet.request());
    const { instanceId } = host;
    hints.start({ databaseId: config.settings.databaseId, instanceId, incarnation });
  }

  /** What was said while nobody listened is seen by a look. */
  connected(): void {
    if (this.#isFollowing) this.#looking.request();
  }

  /** Slots of an own lane are durable. */
  committed(lane: LaneId, slot: number): void {
    this.hints.publish("log", { lane, slot }, lane);
  }

  /**
   * Asks the holder of maintenance, if it is another run that lives and hears. `false`: nobody was
   * asked, or nobody did it, so the caller has to.
   */
  async askToCompact(
    isAlive: (holder: string) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (this.#host === undefined || !this.hints.isListening || !this.#isFollowing) return false;
    const { database } = this.#host;
    await database.flush();
    await database.catchUp();
    const holder = database.view?.manifest.holder ?? "";
    if (database.isHolder || holder === "" || !isAlive(holder)) return false;
    const { clock } = this.#options;
    const { incarnation } = database;
    return askToCompact({ database, clock, hints: this.hints, holder, incarnation, signal });
  }

  /** Reads go to another manifest. Who committed it tells of what it has that none had before. */
  adopted({ segments }: Manifest, isOwn: boolean): void {
    const created = new Map<string, number>();
    for (const { key, rows } of segments) {
      const partition = key.split("/").at(-2) ?? "";
      if (this.#partitions.has(partition)) continue;
      created.set(partition, (created.get(partition) ?? 0) + rows);
    }
    for (const [partition, vectorCount] of created) {
      this.#partitions.add(partition);
      if (!isOwn) continue;
      this.#options.onEvent("partition_created", { partition, vectorCount });
      this.hints.publish("partition_created", { partition, vectorCount }, partition);
    }
  }

  /** Nothing that others say is acted on any more. Resolves when what was begun is over. */
  async quiet(): Promise<void> {
    this.#stopping.abort();
    const all = [this.#ahead, this.#looking, this.#fleet, this.#compactions];
    for (const work of all) await work.settled();
  }

  /** Takes its leave. Never rejects. */
  async close(): Promise<void> {
    await this.quiet();
    this.hints.publish("instance_left", { reason: "closed" });
    this.hints.close();
  }

  /** Without an index there is nothing to keep fresh. */
  get #isFollowing(): boolean {
    return this.#host?.database.view !== undefined;
  }

  #onLog(hint: Hint): void {
    const { lane, slot } = hint.payload;
    const isLane = typeof lane === "string" && LANE_PATTERN.test(lane);
    if (!isLane || !Number.isSafeInteger(slot) || (slot as number) < 0) return;
    this.#report(hint);
    if (!this.#isFollowing) return;
    const before = this.#wanted.get(lane as LaneId);
    const isFull = this.#wanted.size >= LANES_MAX || this.#doubtful.size >= LANES_MAX;
    if (this.#doubtful.has(lane as LaneId) || (before === undefined && isFull)) {
      this.#looking.request();
      return;
    }
    this.#wanted.set(lane as LaneId, Math.max(before ?? 0, slot as number));
    this.#ahead.request();
  }

  async #readAhead(): Promise<void> {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const [lane, slot] of wanted) {
      const isHere = await this.#host!.database.readAhead(lane, slot).catch(() => false);
      if (isHere) continue;
      this.#doubtful.add(lane);
      this.#looking.request();
    }
  }

  async #look(): Promise<void> {
    const doubtful = [...this.#doubtful];
    await this.#host!.database.catchUp();
    for (const lane of doubtful) this.#doubtful.delete(lane);
  }

  #report({ type, instanceId, payload }: Hint): void {
    this.#options.onEvent(type, { ...payload, from: instanceId });
  }
}
