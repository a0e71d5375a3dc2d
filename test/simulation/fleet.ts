import { isBrainyError } from "../../src/base/errors.ts";
import type { Database } from "../../src/engine/database.ts";
import { DEFAULT_COMPACTION } from "../../src/engine/compaction-plan.ts";
import { CONFIG_KEY } from "../../src/format/keys.ts";
import { resolveOptions } from "../../src/options.ts";
import { Session } from "../../src/session.ts";
import type { DistributedOptions } from "../../src/types.ts";
// What a session loads when it needs it: nothing in a simulation may wait for a file.
import "../../src/cluster/config-watcher.ts";
import "../../src/cluster/partition-owners.ts";
import "../../src/cluster/registry.ts";
import "../../src/cluster/store-event-bus.ts";
import "../../src/engine/executor-inline.ts";
import "../../src/open-event-bus.ts";
import "../../src/partitions.ts";
import "../../src/storage/probe.ts";
import type { Trade, Workplace } from "./actor.ts";
import { ConfigHistory } from "./config-history.ts";
import { HeartbeatWatch } from "./heartbeat-watch.ts";
import { HintNetwork, type HintWeather } from "./hint-network.ts";
import { MINUTE } from "./plan.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import { VirtualStore } from "./virtual-store.ts";
import type { World } from "./world.ts";

/** What a seed decides about its fleet. */
export interface FleetPlan {
  /** What hints go over. */
  readonly bus: "none" | "pubsub" | "s3-polling";
  readonly hints: HintWeather;
  /** How often a person uploads shared settings. */
  readonly edits: number;
}

const ROLES = ["writer", "writer", "hybrid", "hybrid", "reader", "auto"] as const;

/** How one run takes part. */
export interface MemberOptions {
  readonly role: "writer" | "reader" | "hybrid" | "auto";
  /** `undefined`: made up by the run itself. */
  readonly instanceId?: string | undefined;
  readonly writeOnly?: boolean;
  readonly maintains?: boolean;
}

/** A fleet's plan; each choice has extremes. */
export function fleetPlanOf({ scheduler }: World): FleetPlan {
  return {
    bus: scheduler.pick(["none", "pubsub", "pubsub", "s3-polling"]),
    hints: {
      lossRate: scheduler.pick([0, 0.3, 1]),
      repeatRate: scheduler.pick([0, 0.3]),
      delayMs: scheduler.pick([5, 500, 3 * MINUTE]),
      garbageRate: scheduler.pick([0, 0, 0.2]),
    },
    edits: scheduler.pick([0, 2, 6]),
  };
}

/** One process run that is part of the fleet. */
export class Member {
  readonly session: Session;
  readonly process: VirtualProcess;
  database!: Database;
  hasLeft = false;

  constructor(session: Session, process: VirtualProcess) {
    this.session = session;
    this.process = process;
  }

  /** Whether others are to see it as alive. */
  get isHere(): boolean {
    return this.process.isAlive && !this.hasLeft;
  }

  get id(): string {
    return this.session.instanceId;
  }

  get isWriter(): boolean {
    return this.session.role !== "reader";
  }

  /** One operation of a user: an instance that nobody uses looks around more seldom. */
  use<T>(run: () => Promise<T>): Promise<T> {
    return this.session.monitor.measure("read", run);
  }

  async close(): Promise<void> {
    try {
      await this.session.close();
    } finally {
      // It tells of what it could not write, and is closed all the same.
      this.hasLeft = true;
    }
  }
}

/** The runs of one simulation that know of each other, and what is known of what they share. */
export class Fleet {
  readonly world: World;
  readonly plan: FleetPlan;
  readonly config = new ConfigHistory();
  readonly members: Member[] = [];
  readonly network: HintNetwork;

  constructor(world: World, plan: FleetPlan) {
    this.world = world;
    this.plan = plan;
    this.network = new HintNetwork(world, plan.hints);
    const { bucket, scheduler } = world;
    const { onStored } = bucket;
    bucket.onStored = (key, bytes) => {
      onStored(key, bytes);
      try {
        this.config.stored(key, bytes, scheduler.nowMs);
      } catch (error) {
        world.fail(error);
      }
    };
  }

  /** All that are alive and did not leave. */
  get here(): readonly Member[] {
    return this.members.filter(({ isHere }) => isHere);
  }

  /** Opens a run of the fleet; one that fails to open leaves nothing behind. */
  async join(process: VirtualProcess, options: MemberOptions): Promise<Member> {
    const { scheduler } = this.world;
    const startedMs = scheduler.nowMs;
    const member = new Member(
      this.#session(process, options, () => member),
      process,
    );
    this.members.push(member);
    try {
      member.database = await member.session.open();
      return member;
    } catch (error) {
      await member.close().catch(() => undefined);
      if (isBrainyError(error, "BRAINY_CORRUPT") && this.config.wasWrong(startedMs)) {
        scheduler.note(`${process.name} is refused: ${error.message.slice(0, 100)}`);
        throw new Refused(error.message);
      }
      throw error;
    }
  }

  /** What a session may say to a user because of what others do. */
  tolerates(error: unknown): boolean {
    if (error instanceof Refused || isBrainyError(error, "BRAINY_NOT_OWNER")) return true;
    const isOfConfig = isBrainyError(error, "BRAINY_CORRUPT") && error.message.includes(CONFIG_KEY);
    return isOfConfig && this.config.uploads > 0;
  }

  #session(process: VirtualProcess, options: MemberOptions, member: () => Member): Session {
    const { world, plan } = this;
    const { role, instanceId, writeOnly = false, maintains = true } = options;
    const { clock, random, scheduler } = process;
    const run = () => ({
      name: process.name,
      incarnation: member().session.database?.incarnation,
      isHolder: member().session.database?.isHolder === true,
    });
    const inner = new VirtualStore(world.bucket, process);
    const store = new HeartbeatWatch(inner, run, (error) => world.fail(error));
    const coordination: Partial<DistributedOptions> =
      plan.bus === "pubsub"
        ? { coordinationMethod: "pubsub", coordinator: this.network.connect(process) }
        : { coordinationMethod: plan.bus };
    const resolved = resolveOptions(
      {
        storage: { type: "store", store },
        metric: "euclidean",
        ...(!world.plan.isOpen && { dimensions: 4 }),
        ...(!maintains && { compaction: false }),
        writeOnly,
        logging: {
          logger: {
            info: () => {},
            warn: (message) => scheduler.note(`${process.name} warns: ${message}`),
          },
        },
        clock,
        random,
        distributed: {
          role,
          ...(instanceId !== undefined && { instanceId }),
          conflictResolution: world.resolution,
          ...coordination,
        },
      },
      {},
    );
    const { flushSlots, memoryBytesMax } = world.plan;
    const session = new Session({
      ...resolved,
      limits: { ...resolved.limits, slotOperationsMax: 3 },
      compaction: {
        ...DEFAULT_COMPACTION,
        memoryBytesMax,
        flushSlots,
        flushOperations: 4 * flushSlots,
        mergeFanIn: 2 + (flushSlots % 2),
        deletedGoneWithinMs: 8 * MINUTE,
      },
    });
    session.events.on("*", ({ type, payload }) => {
      if (type === "committed") world.manifests++;
      if (type !== "index_updated" && type !== "log") {
        scheduler.note(`${process.name} * ${type} ${JSON.stringify(payload)}`);
      }
    });
    return session;
  }
}

/** A run that did not open because of a document that is to be refused. */
class Refused extends Error {
  override readonly name = "Refused";
}

/** The work of a member: that of any process, and looking at its fleet. */
export class FleetTrade implements Trade {
  readonly #fleet: Fleet;
  readonly #instanceId: string | undefined;

  /** `instanceId` stays that of all runs; without one each makes up its own. */
  constructor(fleet: Fleet, instanceId: string | undefined) {
    this.#fleet = fleet;
    this.#instanceId = instanceId;
  }

  begin(process: VirtualProcess): () => Promise<Workplace> {
    const { scheduler } = process;
    const role = scheduler.pick(ROLES);
    const writeOnly = role === "writer" && scheduler.chance(0.3);
    const maintains = scheduler.chance(0.7);
    const id = this.#instanceId ?? "an id of its own";
    scheduler.note(
      `${process.name} joins as ${role}${writeOnly ? " without an index" : ""}, ${id}`,
    );
    const options = { role, instanceId: this.#instanceId, writeOnly, maintains } as const;
    return async () => this.#place(await this.#fleet.join(process, options), maintains);
  }

  tolerates(error: unknown): boolean {
    return this.#fleet.tolerates(error);
  }

  #place(member: Member, maintains: boolean): Workplace {
    return {
      database: member.database,
      readOnly: !member.isWriter,
      maintains: maintains && member.isWriter,
      stays: true,
      during: (run) => member.use(run),
      act: () => this.#lookAtFleet(member),
      close: () => member.close(),
      abandon: () => member.process.kill(),
    };
  }

  async #lookAtFleet(member: Member): Promise<void> {
    const { session, process } = member;
    const { scheduler } = process;
    const dice = scheduler.below(3);
    if (dice === 0 && member.isWriter) return session.compact({});
    if (dice === 1 && member.database.view !== undefined) {
      const partitions = await session.discoverPartitions({ level: "eventual" });
      scheduler.note(`${process.name} finds ${partitions.length} partitions`);
      return;
    }
    const { instances } = await session.distributedConfig();
    const shown = Object.entries(instances).map(([id, { status }]) => `${id} ${status}`);
    scheduler.note(`${process.name} sees ${shown.join(", ")}`);
    const own = instances[member.id];
    if (own?.status !== "active") throw new Error(`${process.name} does not see itself`);
  }
}
