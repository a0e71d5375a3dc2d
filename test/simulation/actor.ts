import { isBrainyError } from "../../src/base/errors.ts";
import { findRecord } from "../../src/engine/records.ts";
import type { Database } from "../../src/engine/database.ts";
import { foldFor } from "../../src/engine/record-fold.ts";
import type { Version } from "../../src/format/version.ts";
import type { Seen } from "./history.ts";
import { CONDITIONAL_IDS, everything, textOf } from "./observe.ts";
import { HOUR, MINUTE } from "./plan.ts";
import { Reader } from "./reader.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { World } from "./world.ts";

/** What one process run works with. */
export interface Workplace {
  readonly database: Database;
  readonly readOnly: boolean;
  readonly maintains: boolean;
  /** How long it looks at the store no more once it has read. */
  readonly pinnedMs?: number | undefined;
  /** Goes on after the last step, until somebody else ends it. */
  readonly stays: boolean;
  /** Runs one act of a user. */
  during(run: () => Promise<void>): Promise<void>;
  /** Something that only processes of this kind do; without it they do what all do. */
  readonly act?: (() => Promise<void>) | undefined;
  close(): Promise<void>;
  /** Leaves without a word. */
  abandon(): void;
}

/** How an actor's runs come to what they work with. */
export interface Trade {
  /** Decides what a run is to be, and returns what makes it so. */
  begin(process: VirtualProcess): () => Promise<Workplace>;
  /** Errors that a call may end with, besides those of the weather. */
  tolerates(error: unknown): boolean;
}

/** How long a process may stand still. */
const STALLS_MS = [20_000, 20 * MINUTE, 5 * HOUR, 26 * HOUR, 48 * HOUR] as const;

/** One place where process runs follow each other, each with a database of its own. */
export class Actor {
  readonly #world: World;
  readonly #name: string;
  readonly #trade: Trade;
  isDone = false;
  #run = 0;
  #life: Life | undefined;

  constructor(world: World, name: string, trade: Trade = new Embedded(world)) {
    this.#world = world;
    this.#name = name;
    this.#trade = trade;
  }

  /** Its process ends here; another one follows. */
  kill(): void {
    this.#life?.kill();
  }

  start(): void {
    const { scheduler, stepsLeft } = this.#world;
    if (stepsLeft <= 0) {
      this.isDone = true;
      return;
    }
    const run = ++this.#run;
    const process = this.#world.newProcess(this.#name);
    const follow = (delayMs: number): void => {
      if (run !== this.#run) return;
      this.#run++;
      scheduler.after(delayMs, () => this.start());
    };
    const onDeath = (): void => follow(scheduler.below(10_000));
    const life = new Life({ world: this.#world, trade: this.#trade, process, onDeath });
    this.#life = life;
    life.live().then(
      () => follow(scheduler.below(5_000)),
      (error: unknown) => {
        // A life that ended early was a step, so that no weather goes on for ever.
        this.#world.stepsLeft--;
        if (this.#world.isExpected(error) || this.#trade.tolerates(error))
          follow(scheduler.below(20_000));
        else this.#world.fail(error);
      },
    );
  }
}

/** A database in a process of its own, which knows of no others. */
export class Embedded implements Trade {
  readonly #world: World;
  readonly #others: Pick<Trade, "tolerates"> | undefined;

  /** `others`: what processes of another kind may do to a call. */
  constructor(world: World, others?: Pick<Trade, "tolerates">) {
    this.#world = world;
    this.#others = others;
  }

  begin(process: VirtualProcess): () => Promise<Workplace> {
    const { scheduler } = this.#world;
    const pinnedMs = scheduler.pick([10 * MINUTE, 5 * HOUR, 50 * HOUR]);
    const isPinned = this.#world.faults.occurs("pinned-reader", this.#world.plan.pinnedRate);
    const readOnly = scheduler.chance(0.15) || isPinned;
    // Who holds no index has read nothing, and may not write where that counts.
    const mayBeBlind = this.#world.resolution === "last-write-wins";
    const writeOnly = !readOnly && scheduler.chance(0.2) && mayBeBlind;
    const maintains = !readOnly && scheduler.chance(0.7);
    const only = readOnly ? ", only to read" : writeOnly ? ", only to write" : "";
    scheduler.note(`${process.name} starts${only}`);
    return async () => {
      const database = await this.#world.open(process, { readOnly, writeOnly, maintains });
      return {
        database,
        readOnly,
        maintains,
        pinnedMs: isPinned ? pinnedMs : undefined,
        stays: false,
        during: (run) => run(),
        close: () => database.close(),
        abandon: () => {},
      };
    };
  }

  tolerates(error: unknown): boolean {
    return this.#others?.tolerates(error) === true;
  }
}

/** One process run. */
class Life {
  readonly #world: World;
  readonly #process: VirtualProcess;
  readonly #trade: Trade;
  readonly #onDeath: () => void;
  #work!: Workplace;
  readonly #reader: Reader;
  #hasJumped = false;
  #writesOpen = 0;

  constructor(options: {
    readonly world: World;
    readonly trade: Trade;
    readonly process: VirtualProcess;
    readonly onDeath: () => void;
  }) {
    this.#world = options.world;
    this.#trade = options.trade;
    this.#process = options.process;
    this.#onDeath = options.onDeath;
    this.#reader = new Reader(options.world, options.process);
  }

  kill(): void {
    if (!this.#process.isAlive) return;
    this.#process.kill();
    this.#onDeath();
  }

  async live(): Promise<void> {
    const { scheduler, plan } = this.#world;
    const open = this.#trade.begin(this.#process);
    this.#scheduleTrouble();
    this.#work = await open();
    await this.#lookAway();
    while (this.#world.stepsLeft-- > 0) {
      await this.#work.during(() => this.#act());
      this.#checkBackground();
      this.#world.copies?.mayReturn();
      await this.#think();
      if (scheduler.chance(0.04)) break;
    }
    if (this.#work.stays && this.#world.stepsLeft <= 0) return;
    if (plan.deathRate > 0 && scheduler.chance(0.3)) return this.#work.abandon();
    await this.#until(() => this.#writesOpen === 0);
    await this.#work.close();
  }

  get #database(): Database {
    return this.#work.database;
  }

  #isExpected(error: unknown): boolean {
    return this.#world.isExpected(error) || this.#trade.tolerates(error);
  }

  /** Death and stalls come in the middle of anything. */
  #scheduleTrouble(): void {
    const { scheduler, faults, plan } = this.#world;
    const soon = (): number => scheduler.below(scheduler.pick([200, 5_000, 10 * MINUTE, 3 * HOUR]));
    const deathMs = soon();
    if (faults.occurs("death", plan.deathRate)) {
      scheduler.after(deathMs, () => {
        if (!this.#world.isCalm) this.kill();
      });
    }
    for (let i = 0; i < 3; i++) {
      const [stallMs, forMs] = [soon(), scheduler.pick(STALLS_MS)];
      if (!faults.occurs("stall", plan.stallRate)) continue;
      scheduler.after(stallMs, () => {
        if (!this.#world.isCalm) this.#process.stall(forMs);
      });
    }
    const [jumpMs, byMs] = [soon(), scheduler.pick([-HOUR, -20_000, 20_000, HOUR])];
    if (faults.occurs("clock-jump", plan.jumpRate)) {
      scheduler.after(jumpMs, () => {
        if (this.#world.isCalm) return;
        scheduler.note(`${this.#process.name}: its clock jumps`);
        this.#process.skewMs += byMs;
        // A suspension may hide a jump until the store has answered again.
        if (!this.#process.suspends) this.#hasJumped = true;
      });
    }
  }

  /** Reads, and much later again: from what it has, and then from what there is. */
  async #lookAway(): Promise<void> {
    const { pinnedMs } = this.#work;
    if (pinnedMs === undefined) return;
    await this.#act(() => this.#read({ level: "strong" }));
    await this.#process.wait(pinnedMs);
    await this.#act(() => this.#read({ level: "eventual" }));
    await this.#act(() => this.#read({ level: "strong" }));
  }

  async #think(): Promise<void> {
    const { scheduler, plan } = this.#world;
    const isIdle = scheduler.chance(plan.idleRate);
    const limit = isIdle ? scheduler.pick([20 * MINUTE, 5 * HOUR, 30 * HOUR]) : 2_000;
    await this.#process.wait(scheduler.below(limit));
  }

  async #act(run: () => Promise<void> = () => this.#actAtRandom()): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!this.#isExpected(error)) throw error;
      const { message } = error as Error;
      this.#world.scheduler.note(`${this.#process.name} ! ${message.slice(0, 120)}`);
    }
  }

  async #actAtRandom(): Promise<void> {
    const { scheduler } = this.#world;
    const { readOnly, maintains, act } = this.#work;
    const dice = scheduler.below(100);
    if (act !== undefined && scheduler.chance(0.1)) await act();
    else if (dice < 28 || readOnly) await this.#read();
    else if (dice < 44) await this.#decide();
    else if (dice < 50) this.#decideInBackground();
    else if (dice < 72) await this.#write();
    else if (dice < 84) this.#writeInBackground();
    else if (dice < 93)
      await (maintains || scheduler.chance(0.3) ? this.#compact() : this.#write());
    else if (dice < 96) await this.#checkpoint();
    else await this.#readCheckpoint();
  }

  async #compact(): Promise<void> {
    const { scheduler } = this.#world;
    this.#world.operations++;
    try {
      await this.#database.compact({ force: scheduler.chance(0.5) ? "flush" : "compact" });
    } catch (error) {
      // A stalled process finds segments collected that it was about to open.
      if (!isBrainyError(error, "BRAINY_NOT_FOUND")) throw error;
      scheduler.note(`${this.#process.name} ! ${error.message}`);
    }
  }

  #writeInBackground(): void {
    this.#write().catch((error: unknown) => {
      if (!this.#isExpected(error)) this.#world.fail(error);
    });
  }

  async #write(): Promise<void> {
    const { history, scheduler } = this.#world;
    const { drafts, tokens } = this.#world.drafts((id) => knownOf(this.#database, id));
    const mayWrite = !this.#hasJumped;
    const isAbove = this.#stampsAbove();
    this.#writesOpen++;
    this.#world.operations += drafts.length;
    try {
      const versions = await this.#database.write({ drafts, bytes: 100 * drafts.length });
      const what = drafts.map(
        ({ kind, id }, i) => `${kind} ${id} ${tokens[i] ?? ""} ${versions[i]}`,
      );
      scheduler.note(`${this.#process.name} = ${what.join(", ")}`);
      if (!mayWrite) throw new Error(`${this.#process.name} wrote with a clock that had jumped`);
      for (const [i, version] of versions.entries()) {
        isAbove(version);
        if (!history.isStored(version))
          throw new Error(`${version} is acknowledged but not stored`);
        history.acknowledged(version, tokens[i], scheduler.nowMs);
        this.#reader.learn(version);
      }
    } finally {
      this.#writesOpen--;
    }
  }

  /** Late, more than once, of lanes that are gone, and of slots that were never written. */
  async #hear(): Promise<void> {
    const { hints, scheduler } = this.#world;
    for (let count = scheduler.below(4); count > 0 && hints.length > 0; count--) {
      const isNew = scheduler.chance(0.7);
      const { lane, slot } = isNew
        ? (hints.at(-1 - scheduler.below(3)) ?? hints[0]!)
        : scheduler.pick(hints);
      const isHere = await this.#database.readAhead(lane, slot + scheduler.pick([0, 0, 0, 1, 40]));
      scheduler.note(`${this.#process.name} hears of ${lane}/${slot}: ${isHere}`);
    }
  }

  #decideInBackground(): void {
    this.#decide().catch((error: unknown) => {
      if (!this.#isExpected(error)) this.#world.fail(error);
    });
  }

  /** Throws when a write that begins now is stamped below what this process has seen, or written. */
  #stampsAbove(): (version: string) => void {
    const newest = this.#reader.newest;
    return (version) => {
      if (version > newest) return;
      throw new Error(`${this.#process.name} had seen ${newest} and stamped ${version}`);
    };
  }

  /** A write under a condition, on what this process sees, which may be old. */
  async #decide(): Promise<void> {
    const { history, scheduler } = this.#world;
    const mayWrite = !this.#hasJumped;
    const isAbove = this.#stampsAbove();
    this.#writesOpen++;
    this.#world.operations++;
    try {
      const id = scheduler.pick(CONDITIONAL_IDS);
      const level = scheduler.pick(["strong", "eventual"] as const);
      const present = await this.#database.readIds({ level }, [id], (view) =>
        Promise.resolve(findRecord(view, id, this.#process.clock.nowMs())?.record.version),
      );
      const known = knownOf(this.#database, id);
      const { draft, token } = this.#world.decision(id, { present, known });
      const condition =
        present === undefined
          ? ({ kind: "absent" } as const)
          : ({ kind: "version", version: present } as const);
      const batch = { drafts: [draft], bytes: 100 };
      const asked = history.calls.begin(id, { from: present, token });
      const version = await this.#database
        .writeConditional({ id, condition, batch })
        .catch((error: unknown) => {
          const refusal = refusalOf(error);
          if (refusal !== undefined) history.calls.refused(asked, refusal.present);
          throw error;
        });
      history.calls.acknowledged(asked, version);
      scheduler.note(`${this.#process.name} = ${draft.kind} ${id} if ${present} ${version}`);
      if (!mayWrite) throw new Error(`${this.#process.name} wrote with a clock that had jumped`);
      isAbove(version);
      if (!history.isStored(version)) throw new Error(`${version} is acknowledged but not stored`);
      history.acknowledged(version, token, scheduler.nowMs);
      history.decided(version, present);
      this.#reader.learn(version);
      history.checkDecisions([id]);
    } finally {
      this.#writesOpen--;
    }
  }

  async #read(freshness = this.#reader.chooseFreshness()): Promise<void> {
    this.#world.operations++;
    if (freshness.level !== "strong") await this.#hear();
    await this.#reader.read(this.#database, freshness);
  }

  async #checkpoint(): Promise<void> {
    const { history, scheduler, checkpoints } = this.#world;
    const name = `c${checkpoints.size + 1}-${this.#process.name.replace(".", "-")}`;
    const required = history.expectation();
    this.#world.operations++;
    const expiresInMs = scheduler.chance(0.3) ? 6 * HOUR : undefined;
    const { expiresAtMs } = await this.#database.checkpoint(name, expiresInMs);
    scheduler.note(`${this.#process.name} = checkpoint ${name}`);
    const { storedCount } = history;
    checkpoints.set(name, { required, storedCount, expiresAtMs, text: undefined });
  }

  async #readCheckpoint(): Promise<void> {
    const { scheduler, checkpoints } = this.#world;
    const names = [...checkpoints.keys()];
    if (names.length > 0) await checkCheckpoint(this.#world, this.#process, scheduler.pick(names));
  }

  #checkBackground(): void {
    const { maintenanceError } = this.#database.stats();
    const isKnown =
      maintenanceError === undefined ||
      this.#world.isExpected(maintenanceError) ||
      isBrainyError(maintenanceError, "BRAINY_NOT_FOUND");
    if (!isKnown) throw new Error("maintenance failed", { cause: maintenanceError });
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) await this.#process.wait(1_000);
  }
}

/** What is there instead, if an error says that a condition did not hold. */
function refusalOf(error: unknown): { readonly present: string | undefined } | undefined {
  if (!isBrainyError(error, "BRAINY_CONFLICT")) return undefined;
  const { message } = error;
  if (message.startsWith("there is no record")) return { present: undefined };
  const [, present] = /^(?:there is a )?record .* version ([^ ,:]+)/.exec(message) ?? [];
  return present === undefined ? undefined : { present };
}

/** Versions that the next write of somebody who has read this record here has seen. */
export function knownOf({ view, config }: Database, id: string): readonly Version[] {
  const state = view?.stateOf(id);
  return state === undefined ? [] : foldFor(config?.settings.conflictResolution).known(state);
}

/** A checkpoint shows what was acknowledged before it, and the same for as long as it lives. */
export async function checkCheckpoint(
  world: World,
  process: VirtualProcess,
  name: string,
): Promise<void> {
  const pinned = world.checkpoints.get(name)!;
  const { expiresAtMs } = pinned;
  world.operations++;
  const isPinned = (): boolean => expiresAtMs === undefined || world.scheduler.nowMs < expiresAtMs;
  if (!isPinned()) return;
  let seen: Map<string, Seen>;
  try {
    const database = await world.open(process, { readOnly: true, checkpoint: name });
    seen = await database.read({ level: "eventual" }, (view) => everything(view, process));
    await database.close();
  } catch (error) {
    if (!world.isExpected(error) && !isPinned()) return;
    throw error;
  }
  world.history.check(`checkpoint ${name}`, seen, pinned);
  const text = textOf(seen);
  if (pinned.text !== undefined && pinned.text !== text) {
    throw new Error(`checkpoint ${name} was\n${pinned.text}\nand is\n${text}`);
  }
  pinned.text = text;
}
