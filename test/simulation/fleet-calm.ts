import { CHANGEABLE_NAMES, type ChangeableName } from "../../src/format/changeable-settings.ts";
import { decodeAssignment } from "../../src/format/assignment.ts";
import { isSealedConfig } from "../../src/format/config.ts";
import { hashId, partitionOfHash } from "../../src/format/hash-id.ts";
import { ASSIGNMENT_KEY, HEARTBEAT_PREFIX, parseHeartbeatKey } from "../../src/format/keys.ts";
import { findRecord } from "../../src/engine/records.ts";
import { knownOf } from "./actor.ts";
import type { Fleet, Member, MemberOptions } from "./fleet.ts";
import { CONDITIONAL_IDS, IDS, everything } from "./observe.ts";
import type { Operator } from "./operator.ts";
import { HOUR, MINUTE } from "./plan.ts";

/**
 * Until everybody knows who is there: two of the longest times that a heartbeat may stand still,
 * two of the longest between two looks of an idle instance, and one more look to write it down.
 */
const KNOWN_WITHIN_MS = 20 * MINUTE;
/** Until idle instances have seen what is new: a minute, and the requests. */
const SEEN_WITHIN_MS = 75_000;

/**
 * What a fleet owes its operator once its store and its processes are calm, in bounded time. Whoever
 * is here stays until the end, and is closed then.
 */
export class CalmFleet {
  readonly #fleet: Fleet;
  readonly #operator: Operator;
  #refused: { readonly member: Member; readonly field: unknown }[] = [];

  constructor(fleet: Fleet, operator: Operator) {
    this.#fleet = fleet;
    this.#operator = operator;
  }

  async settle(): Promise<void> {
    const { config, world } = this.#fleet;
    world.scheduler.note("the fleet is calm");
    if ((config.newest?.verdict ?? "right") !== "right") this.#operator.change();
    const { database } = await this.#join("calm", { role: "hybrid", instanceId: "calm" });
    const { drafts, tokens } = world.drafts((id) => knownOf(database, id));
    const versions = await database.write({ drafts, bytes: 100 * drafts.length });
    for (const [i, version] of versions.entries()) {
      world.history.acknowledged(version, tokens[i], world.scheduler.nowMs);
    }
    await this.#join("watch", { role: "reader" });
    for (const member of this.#fleet.here) this.#listen(member);
    await this.#wait(KNOWN_WITHIN_MS);
    this.#checkNodes();
    this.#checkShown();
    await this.#checkViews();
    this.#checkAssignment();
    await this.#checkOwners();
    await this.#checkSettings();
    await this.#checkAuto();
    await this.#leave();
    await this.#checkCollected();
  }

  /** A run of a machine whose clock is right. */
  async #join(name: string, options: MemberOptions): Promise<Member> {
    const { world } = this.#fleet;
    return this.#fleet.join(world.newProcess(name, true), options);
  }

  #listen(member: Member): void {
    member.session.events.on("config_refused", ({ payload }) => {
      this.#refused.push({ member, field: payload["field"] });
    });
  }

  #wait(ms: number): Promise<void> {
    const { scheduler } = this.#fleet.world;
    return new Promise((resolve) => {
      scheduler.after(ms, resolve);
    });
  }

  get #here(): readonly Member[] {
    return this.#fleet.here;
  }

  get #ids(): ReadonlySet<string> {
    return new Set(this.#here.map(({ id }) => id));
  }

  /** By the looks that each has made by itself. */
  #checkNodes(): void {
    for (const { process, session } of this.#here) {
      const { healthy } = session.nodes!;
      if (healthy !== this.#ids.size) {
        const names = this.#here.map((member) => member.process.name).join(" ");
        throw new Error(`${process.name} believes that ${healthy} are alive, not ${names}`);
      }
    }
  }

  /** What the document shows to people. */
  #checkShown(): void {
    const shown = this.#fleet.config.newest!.config!.instances as Readonly<
      Record<string, { readonly status: string }>
    >;
    this.#checkStatuses("the document", shown);
  }

  async #checkViews(): Promise<void> {
    for (const { id, session } of this.#here) {
      const { instances } = await session.distributedConfig();
      this.#checkStatuses(id, instances);
    }
  }

  #checkStatuses(who: string, shown: Readonly<Record<string, { readonly status: string }>>): void {
    for (const id of new Set([...Object.keys(shown), ...this.#ids])) {
      const wanted = this.#ids.has(id) ? "active" : "stale";
      const status = shown[id]?.status;
      if (status === wanted) continue;
      throw new Error(`${who} shows ${id} as ${status ?? "nobody"}, and it is ${wanted}`);
    }
  }

  /** Each partition is one live writer's, and everybody agrees whose. */
  #checkAssignment(): void {
    const held = this.#fleet.world.bucket.objects.get(ASSIGNMENT_KEY);
    if (held === undefined) throw new Error("nobody has assigned partitions");
    const { partitions, partitionCount } = decodeAssignment(held.bytes, ASSIGNMENT_KEY);
    const writers = new Set(this.#here.filter(({ isWriter }) => isWriter).map(({ id }) => id));
    const assigned = [...partitions.keys()].toSorted().join(" ");
    if (assigned !== [...writers].toSorted().join(" ")) {
      throw new Error(`assigned to ${assigned}, and there are ${[...writers].join(" ")}`);
    }
    const all = [...partitions.values()].flat().toSorted((a, b) => a - b);
    if (all.length !== partitionCount || all.some((partition, i) => partition !== i)) {
      throw new Error(`assigned are ${all.join(" ")} of ${partitionCount} partitions`);
    }
    for (const { id, session, isWriter } of this.#here) {
      const own = (isWriter ? partitions.get(id) : undefined) ?? [];
      if (!isWriter || session.ownPartitions?.join() === own.join()) continue;
      throw new Error(`${id} owns ${session.ownPartitions?.join()}, assigned are ${own.join()}`);
    }
  }

  /** Whoever is to own a partition is served in it, whoever had it before. */
  async #checkOwners(): Promise<void> {
    const { world } = this.#fleet;
    const held = world.bucket.objects.get(ASSIGNMENT_KEY)!;
    const { partitions, partitionCount } = decodeAssignment(held.bytes, ASSIGNMENT_KEY);
    for (const id of CONDITIONAL_IDS) {
      const partition = partitionOfHash(hashId(id), partitionCount);
      const isOwner = (one: Member): boolean =>
        one.isWriter && partitions.get(one.id)?.includes(partition) === true;
      const owner = this.#here.find(isOwner);
      // One whose clock has jumped may not write.
      if (owner === undefined || Math.abs(owner.process.skewMs) > world.plan.skewMs) continue;
      await owner.use(() => this.#decide(owner, id));
    }
  }

  async #decide({ database, process }: Member, id: string): Promise<void> {
    const { history, scheduler } = this.#fleet.world;
    const present = await database.readIds({ level: "strong" }, [id], (view) =>
      Promise.resolve(findRecord(view, id, process.clock.nowMs())?.record.version),
    );
    const known = knownOf(database, id);
    const { draft, token } = this.#fleet.world.decision(id, { present, known });
    const condition =
      present === undefined
        ? ({ kind: "absent" } as const)
        : ({ kind: "version", version: present } as const);
    const batch = { drafts: [draft], bytes: 100 };
    const asked = history.calls.begin(id, { from: present, token });
    const version = await database.writeConditional({ id, condition, batch });
    history.calls.acknowledged(asked, version);
    scheduler.note(`${process.name} = ${draft.kind} ${id} if ${present} ${version}`);
    history.acknowledged(version, token, scheduler.nowMs);
    history.decided(version, present);
    history.checkDecisions([id]);
  }

  /** A change reaches all of them, a slip none, and both are told of. */
  async #checkSettings(): Promise<void> {
    const { history } = this.#fleet.world;
    const required = history.expectation();
    const versionBefore = this.#version;
    this.#operator.change();
    await this.#wait(SEEN_WITHIN_MS);
    this.#checkLive();
    if (this.#version <= versionBefore) throw new Error("nobody has raised the version");
    this.#refused = [];
    const field = this.#operator.slip();
    const slip = this.#fleet.config.newest;
    await this.#wait(SEEN_WITHIN_MS);
    for (const member of this.#here) {
      const told = this.#refused.filter((one) => one.member === member).map((one) => one.field);
      if (told.join() === field) continue;
      throw new Error(`${member.id} has told of ${told.join()}, and ${field} is wrong`);
    }
    if (this.#fleet.config.newest !== slip) throw new Error("a slip was written over");
    this.#operator.change();
    await this.#wait(SEEN_WITHIN_MS);
    this.#checkLive();
    await this.#checkSeen(required);
  }

  get #version(): number {
    return this.#fleet.config.newest!.config!.version;
  }

  /** In force is what the document says, where nothing goes before it. */
  #checkLive(): void {
    const { config } = this.#fleet.config.newest!;
    if (!isSealedConfig(config!)) throw new Error("nobody has made the upload ours");
    const { settings } = config!;
    for (const { id, session } of this.#here) {
      const { given } = session.options;
      const isOpen = (name: ChangeableName): boolean =>
        given[name] === undefined && settings[name] !== undefined;
      for (const name of CHANGEABLE_NAMES.filter(isOpen)) {
        const value = session.live.values[name];
        if (value === settings[name]) continue;
        throw new Error(`${id} works with ${name} ${String(value)}, not ${settings[name]}`);
      }
    }
  }

  /** What was acknowledged long ago is seen by reads that ask for nothing. */
  async #checkSeen(required: ReadonlySet<string>): Promise<void> {
    const { history } = this.#fleet.world;
    for (const { id, database, process } of this.#here) {
      if (database.view === undefined) continue;
      const { storedCount } = history;
      const seen = await database.readIds({ level: "eventual" }, IDS, (view) =>
        everything(view, process),
      );
      history.check(`an idle ${id}`, seen, { required, storedCount });
    }
  }

  /** One that is to find its role becomes a reader where a writer is alive. */
  async #checkAuto(): Promise<void> {
    const hasWriter = this.#here.some(({ session }) => session.role === "writer");
    const member = await this.#join("auto", { role: "auto" });
    const { role } = member.session;
    if (hasWriter && role !== "reader") throw new Error(`auto came to ${role} beside a writer`);
  }

  /** All leave, readers first, and nothing says that they are here. */
  async #leave(): Promise<void> {
    const { world, config } = this.#fleet;
    const order = this.#here.toSorted((a, b) => Number(a.isWriter) - Number(b.isWriter));
    for (const member of order) {
      const { incarnation } = member.database;
      await member.close();
      if (this.#heartbeats().some((one) => one.incarnation === incarnation)) {
        throw new Error(`${member.id} has left, and its heartbeat has not`);
      }
    }
    const { instances } = config.newest!.config!;
    const active = Object.entries(instances as Record<string, { readonly status: string }>)
      .filter(([, { status }]) => status === "active")
      .map(([id]) => id);
    if (active.length > 0) throw new Error(`${active.join(" ")} left, and are shown as active`);
    world.scheduler.note("the fleet has left");
  }

  /** A day later whoever opens takes away what the dead have left behind. */
  async #checkCollected(): Promise<void> {
    await this.#wait(25 * HOUR);
    const member = await this.#join("collector", { role: "hybrid", instanceId: "collector" });
    await this.#wait(MINUTE);
    const left = this.#heartbeats().filter(
      ({ incarnation }) => incarnation !== member.database.incarnation,
    );
    if (left.length > 0)
      throw new Error(`heartbeats of ${left.map((o) => o.instanceId).join(" ")}`);
    await member.close();
  }

  #heartbeats(): readonly { readonly instanceId: string; readonly incarnation: string }[] {
    const keys = [...this.#fleet.world.bucket.objects.keys()];
    return keys
      .filter((key) => key.startsWith(HEARTBEAT_PREFIX))
      .map((key) => parseHeartbeatKey(key)!);
  }
}
