import { isBrainyError } from "../../src/base/errors.ts";
import { Database, DEFAULT_LIMITS } from "../../src/engine/database.ts";
import { DEFAULT_COMPACTION } from "../../src/engine/compaction-plan.ts";
import { inlineExecutor } from "../../src/engine/executor-inline.ts";
import type { Draft } from "../../src/engine/log-writer.ts";
import { findRecord, readRecords, scanRecords } from "../../src/engine/records.ts";
import { searchSnapshot } from "../../src/engine/search.ts";
import { verifyStore } from "../../src/engine/verify.ts";
import type { View } from "../../src/engine/view.ts";
import { retrying } from "../../src/storage/layers/retrying.ts";
import { describe, History, type Seen } from "./history.ts";
import { Scheduler } from "./scheduler.ts";
import { VirtualProcess } from "./virtual-process.ts";
import { Bucket, VirtualStore, type Defect, type Weather } from "./virtual-store.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const IDS = Array.from({ length: 12 }, (_, i) => `r${i}`);

/** What a seed decides once. */
export interface Plan {
  readonly actors: number;
  readonly steps: number;
  readonly deathRate: number;
  readonly stallRate: number;
  readonly idleRate: number;
  readonly jumpRate: number;
  readonly skewMs: number;
  readonly flushSlots: number;
  readonly memoryBytesMax: number;
  /** Whether settings leave the number of dimensions to the first vector. */
  readonly isOpen: boolean;
  /** Whether reads are repeated, as with a real store. */
  readonly isPatient: boolean;
}

/** What one simulation did. */
export interface SimulationResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly events: number;
  readonly days: number;
  readonly acknowledged: number;
  readonly checks: number;
  readonly skipped: number;
  readonly manifests: number;
}

/** Raised with the seed and the end of the trace in its message. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
}

/**
 * The engine against a virtual store, clock and network: several process runs at once, each of
 * which may stall or die at any await, over one bucket. Throws when a reader sees what it must
 * not, or when the store's structure is wrong in the end.
 */
export async function simulate(options: {
  readonly seed: number;
  readonly defect?: Defect | undefined;
  /** Instead of what the seed would decide. */
  readonly plan?: Partial<Plan> | undefined;
}): Promise<SimulationResult> {
  const world = new World(options);
  try {
    await world.run();
  } catch (error) {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationError(
      `seed ${options.seed}: ${cause}\n\n` +
        `replay: BRAINY_SEED=${options.seed} BRAINY_RUNS=1 npx vitest run test/simulation\n` +
        `${world.describePlan()}\n${world.scheduler.traceTail}`,
      { cause: error },
    );
  }
  return world.result();
}

class World {
  readonly scheduler: Scheduler;
  readonly history = new History();
  readonly bucket: Bucket;
  readonly plan: Plan;
  readonly #seed: number;
  readonly #actors: Actor[] = [];
  readonly checkpoints = new Map<string, Pinned>();
  stepsLeft: number;
  tokens = 0;
  incarnations = 0;
  manifests = 0;
  #failure: unknown;
  #hasFailed = false;

  constructor({ seed, defect, plan }: Parameters<typeof simulate>[0]) {
    this.#seed = seed;
    this.scheduler = new Scheduler(seed);
    this.plan = { ...planOf(this.scheduler), ...plan };
    this.bucket = new Bucket(this.scheduler, weatherOf(this.scheduler, this.plan), defect);
    this.bucket.onStored = (key, bytes) => this.history.stored(key, bytes);
    this.stepsLeft = this.plan.steps;
  }

  describePlan(): string {
    return `plan ${JSON.stringify(this.plan)}\nweather ${JSON.stringify(this.bucket.weather)}`;
  }

  result(): SimulationResult {
    const { traceHash, events, nowMs } = this.scheduler;
    return {
      seed: this.#seed,
      traceHash,
      events,
      days: (nowMs - 1_700_000_000_000) / (24 * HOUR),
      acknowledged: this.history.acknowledgedCount,
      checks: this.history.checks,
      skipped: this.history.skipped,
      manifests: this.manifests,
    };
  }

  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = error;
  }

  async run(): Promise<void> {
    for (let i = 0; i < this.plan.actors; i++) this.#actors.push(new Actor(this, `p${i}`));
    for (const actor of this.#actors) actor.start();
    await this.#until("the actors to stop", () => this.#actors.every(({ isDone }) => isDone));
    // Whatever is still under way arrives now.
    this.bucket.weather.faultRate = 0;
    this.bucket.weather.duplicateRate = 0;
    await this.scheduler.until(() => this.#hasFailed || this.scheduler.isIdle);
    let isSettled = false;
    settle(this).then(
      () => {
        isSettled = true;
      },
      (error: unknown) => this.fail(error),
    );
    await this.#until("the end", () => isSettled);
  }

  async #until(what: string, isDone: () => boolean): Promise<void> {
    const isOver = await this.scheduler.until(() => this.#hasFailed || isDone());
    if (this.#hasFailed) throw this.#failure;
    if (!isOver) throw new Error(`nothing happens any more, waiting for ${what}`);
  }

  newProcess(name: string, isSteady = false): VirtualProcess {
    const { skewMs } = this.plan;
    return new VirtualProcess(`${name}.${++this.incarnations}`, this.scheduler, {
      skewMs: isSteady ? 0 : Math.round((2 * this.scheduler.random.next() - 1) * skewMs),
      suspends: this.scheduler.chance(0.5),
    });
  }

  open(
    process: VirtualProcess,
    role: { readonly readOnly?: boolean; readonly maintains?: boolean; readonly checkpoint?: string },
  ): Promise<Database> {
    const { clock, random } = process;
    const { flushSlots, memoryBytesMax, isOpen, isPatient } = this.plan;
    const bare = new VirtualStore(this.bucket, process);
    const store = isPatient ? retrying(bare, { clock, random }) : bare;
    const compaction = {
      ...DEFAULT_COMPACTION,
      memoryBytesMax,
      flushSlots,
      flushOperations: 4 * flushSlots,
      mergeFanIn: 2 + (flushSlots % 2),
    };
    return Database.open({
      store,
      clock,
      random,
      executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
      readOnly: role.readOnly ?? false,
      wanted: isOpen ? { metric: "euclidean" } : { dimensions: 4, metric: "euclidean" },
      checkpoint: role.checkpoint,
      compaction: role.maintains === true ? compaction : false,
      indexing: { async: true, batchIndexUpdates: true },
      limits: { ...DEFAULT_LIMITS, slotOperationsMax: 3 },
      onEvent: (event) => {
        if (event.type === "committed") this.manifests++;
        const { type, ...more } = event;
        if (type !== "index_updated") {
          this.scheduler.note(`${process.name} * ${type} ${JSON.stringify(more)}`);
        }
      },
    });
  }

  drafts(): { readonly drafts: readonly Draft[]; readonly tokens: readonly (string | undefined)[] } {
    const { scheduler } = this;
    const drafts: Draft[] = [];
    const tokens: (string | undefined)[] = [];
    const count = scheduler.chance(0.7) ? 1 : 1 + scheduler.below(3);
    for (let i = 0; i < count; i++) {
      const id = scheduler.pick(IDS);
      const token = `token-${++this.tokens}`;
      const dice = scheduler.below(10);
      const vector = scheduler.chance(0.85)
        ? Float32Array.from({ length: 4 }, () => scheduler.below(8))
        : undefined;
      const content = JSON.stringify({ text: token });
      const key = `k${scheduler.below(3)}`;
      tokens.push(dice < 3 ? undefined : token);
      if (dice < 3) drafts.push({ kind: "delete", id });
      else if (dice < 5) drafts.push({ kind: "patch", id, metadata: JSON.stringify({ [key]: token }) });
      else if (dice < 6) drafts.push({ kind: "patch", id, content, vector });
      else drafts.push({ kind: "put", id, content, vector, metadata: JSON.stringify({ [key]: token }) });
    }
    return { drafts, tokens };
  }
}

interface Pinned {
  readonly required: ReadonlySet<string>;
  readonly storedCount: number;
  readonly expiresAtMs: number | undefined;
  text: string | undefined;
}

/** One place where process runs follow each other, each with a database of its own. */
class Actor {
  readonly #world: World;
  readonly #name: string;
  isDone = false;
  #run = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
  }

  start(): void {
    const { scheduler, stepsLeft } = this.#world;
    if (stepsLeft <= 0) {
      this.isDone = true;
      return;
    }
    const run = ++this.#run;
    const process = this.#world.newProcess(this.#name);
    const next = (delayMs: number): void => {
      if (run !== this.#run) return;
      this.#run++;
      scheduler.after(delayMs, () => this.start());
    };
    const life = new Life(this.#world, process, () => next(scheduler.below(10_000)));
    life.live().then(
      () => next(scheduler.below(5_000)),
      (error: unknown) => {
        // A life that ended early was a step, so that no weather goes on for ever.
        this.#world.stepsLeft--;
        if (isExpected(error)) next(scheduler.below(20_000));
        else this.#world.fail(error);
      },
    );
  }
}

/** What the store's bad days, and other processes, may do to a call. */
function isExpected(error: unknown): boolean {
  return isBrainyError(error, "BRAINY_UNAVAILABLE") || isBrainyError(error, "BRAINY_CONFLICT");
}

/** One process run. */
class Life {
  readonly #world: World;
  readonly #process: VirtualProcess;
  readonly #onDeath: () => void;
  #database!: Database;
  /** What reads of this process have shown already, or its own writes. */
  #known = new Set<string>();
  #hasJumped = false;
  #writesOpen = 0;

  constructor(world: World, process: VirtualProcess, onDeath: () => void) {
    this.#world = world;
    this.#process = process;
    this.#onDeath = onDeath;
  }

  async live(): Promise<void> {
    const { scheduler, plan } = this.#world;
    const readOnly = scheduler.chance(0.15);
    const maintains = !readOnly && scheduler.chance(0.7);
    scheduler.note(`${this.#process.name} starts${readOnly ? ", only to read" : ""}`);
    this.#scheduleTrouble();
    this.#database = await this.#world.open(this.#process, { readOnly, maintains });
    while (this.#world.stepsLeft-- > 0) {
      await this.#act(readOnly, maintains);
      this.#checkBackground();
      await this.#think();
      if (scheduler.chance(0.04)) break;
    }
    if (plan.deathRate > 0 && scheduler.chance(0.3)) return;
    await this.#until(() => this.#writesOpen === 0);
    await this.#database.close();
  }

  /** Death and stalls come in the middle of anything. */
  #scheduleTrouble(): void {
    const { scheduler, plan } = this.#world;
    const soon = (): number => scheduler.below(scheduler.pick([200, 5_000, 10 * MINUTE, 3 * HOUR]));
    if (scheduler.chance(plan.deathRate)) {
      scheduler.after(soon(), () => {
        if (!this.#process.isAlive) return;
        this.#process.kill();
        this.#onDeath();
      });
    }
    for (let i = 0; i < 3; i++) {
      if (!scheduler.chance(plan.stallRate)) continue;
      scheduler.after(soon(), () => {
        this.#process.stall(scheduler.pick([20_000, 20 * MINUTE, 5 * HOUR, 26 * HOUR, 48 * HOUR]));
      });
    }
    if (scheduler.chance(plan.jumpRate)) {
      scheduler.after(soon(), () => {
        scheduler.note(`${this.#process.name}: its clock jumps`);
        this.#process.skewMs += scheduler.pick([-HOUR, -20_000, 20_000, HOUR]);
        this.#hasJumped = true;
      });
    }
  }

  async #think(): Promise<void> {
    const { scheduler, plan } = this.#world;
    const isIdle = scheduler.chance(plan.idleRate);
    const limit = isIdle ? scheduler.pick([20 * MINUTE, 5 * HOUR, 30 * HOUR]) : 2_000;
    await this.#process.wait(scheduler.below(limit));
  }

  async #act(readOnly: boolean, maintains: boolean): Promise<void> {
    const { scheduler } = this.#world;
    const dice = scheduler.below(100);
    try {
      if (dice < 30 || readOnly) await this.#read(scheduler.chance(0.6) ? "strong" : "eventual");
      else if (dice < 72) await this.#write();
      else if (dice < 84) this.#writeInBackground();
      else if (dice < 93) await (maintains || scheduler.chance(0.3) ? this.#compact() : this.#write());
      else if (dice < 96) await this.#checkpoint();
      else await this.#readCheckpoint();
    } catch (error) {
      if (!isExpected(error)) throw error;
      scheduler.note(`${this.#process.name} ! ${(error as Error).message.slice(0, 120)}`);
    }
  }

  async #compact(): Promise<void> {
    const { scheduler } = this.#world;
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
      if (!isExpected(error)) this.#world.fail(error);
    });
  }

  async #write(): Promise<void> {
    const { history, scheduler } = this.#world;
    const { drafts, tokens } = this.#world.drafts();
    const mayWrite = !this.#hasJumped;
    this.#writesOpen++;
    try {
      const versions = await this.#database.write({ drafts, bytes: 100 * drafts.length });
      const what = drafts.map(({ kind, id }, i) => `${kind} ${id} ${tokens[i] ?? ""} ${versions[i]}`);
      scheduler.note(`${this.#process.name} = ${what.join(", ")}`);
      if (!mayWrite) throw new Error(`${this.#process.name} wrote with a clock that had jumped`);
      for (const [i, version] of versions.entries()) {
        if (!history.isStored(version)) throw new Error(`${version} is acknowledged but not stored`);
        history.acknowledged(version, tokens[i]);
        this.#known.add(version);
      }
    } finally {
      this.#writesOpen--;
    }
  }

  async #read(level: "strong" | "eventual"): Promise<void> {
    const { history, scheduler } = this.#world;
    const required = level === "strong" ? history.expectation() : new Set(this.#known);
    const seen = await this.#database.read({ level }, (view) => everything(view, this.#process));
    const what = `${level} read of ${this.#process.name}`;
    scheduler.note(`${this.#process.name} ? ${level}: ${[...seen.keys()].join(" ")}`);
    history.check(what, seen, { required, storedCount: history.storedCount });
    if (level === "eventual") return;
    for (const version of required) this.#known.add(version);
    history.witness(what, seen);
  }

  async #checkpoint(): Promise<void> {
    const { history, scheduler, checkpoints } = this.#world;
    const name = `c${checkpoints.size + 1}-${this.#process.name.replace(".", "-")}`;
    const required = history.expectation();
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
      isExpected(maintenanceError) ||
      isBrainyError(maintenanceError, "BRAINY_NOT_FOUND");
    if (!isKnown) throw maintenanceError;
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) await this.#process.wait(1_000);
  }
}

async function checkCheckpoint(world: World, process: VirtualProcess, name: string): Promise<void> {
  const pinned = world.checkpoints.get(name)!;
  const { expiresAtMs } = pinned;
  const isPinned = (): boolean =>
    expiresAtMs === undefined || world.scheduler.nowMs < expiresAtMs;
  if (!isPinned()) return;
  let seen: Map<string, Seen>;
  try {
    const database = await world.open(process, { readOnly: true, checkpoint: name });
    seen = await database.read({ level: "eventual" }, (view) => everything(view, process));
    await database.close();
  } catch (error) {
    if (!isExpected(error) && !isPinned()) return;
    throw error;
  }
  world.history.check(`checkpoint ${name}`, seen, pinned);
  const text = textOf(seen);
  if (pinned.text !== undefined && pinned.text !== text) {
    throw new Error(`checkpoint ${name} was\n${pinned.text}\nand is\n${text}`);
  }
  pinned.text = text;
}

function textOf(seen: ReadonlyMap<string, Seen>): string {
  const ids = [...seen.keys()].toSorted();
  return ids.map((id) => `${id} ${describe(seen.get(id)!)}`).join("\n");
}

/** Every record, found by its id, by a scan and by a search: all three agree. */
async function everything(view: View, process: VirtualProcess): Promise<Map<string, Seen>> {
  const { clock } = process;
  const scanned = new Map<string, string>();
  const snapshot = view.fullSnapshot();
  const references = IDS.map((id) => findRecord(view, id, clock.nowMs()));
  for await (const record of scanRecords(snapshot, { clock, content: true })) {
    if (scanned.has(record.id)) throw new Error(`${record.id} is there twice`);
    scanned.set(record.id, describe(seenOf(record)));
  }
  const found = references.filter((reference) => reference !== undefined);
  const seen = new Map<string, Seen>();
  for (const record of await readRecords(found, { content: true, vector: true })) {
    const one = seenOf(record);
    seen.set(record.id, one);
    if (scanned.get(record.id) !== describe(one)) {
      throw new Error(`${record.id}: ${describe(one)}, by a scan ${scanned.get(record.id)}`);
    }
  }
  if (scanned.size !== seen.size) throw new Error(`a scan finds ${[...scanned.keys()].join(" ")}`);
  const query = Float32Array.from([3, 1, 4, 1]);
  const hits = await searchSnapshot({ snapshot, metric: "euclidean", query, k: 20, clock });
  const nearest = [...seen]
    .flatMap(([id, { vector }]) => (vector === undefined ? [] : [{ id, vector }]))
    .map(({ id, vector }) => ({
      id,
      distance: vector.reduce((sum, x, i) => sum + (x - query[i]!) ** 2, 0),
    }))
    .toSorted((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
  const ids = hits.map(({ id }) => id);
  if (ids.join(" ") !== nearest.join(" ")) {
    throw new Error(`a search finds ${ids.join(" ")}, the nearest are ${nearest.join(" ")}`);
  }
  return seen;
}

function seenOf(record: {
  readonly version: string;
  readonly vector: Float32Array | undefined;
  readonly content: string;
  readonly metadata: string;
}): Seen {
  const { version, vector, content, metadata } = record;
  return { version, vector: vector && [...vector], content, metadata };
}

/** A calm store and two patient processes: they see one state, now and after all maintenance. */
async function settle(world: World): Promise<void> {
  const { history, scheduler } = world;
  scheduler.note("everything is calm");
  const process = world.newProcess("last", true);
  const database = await world.open(process, { maintains: true });
  const look = async (what: string, from: Database): Promise<string> => {
    const required = history.expectation();
    const seen = await from.read({ level: "strong" }, (view) => everything(view, process));
    history.check(what, seen, { required, storedCount: history.storedCount });
    history.witness(what, seen);
    return textOf(seen);
  };
  await look("the last process", database);
  const reader = await world.open(process, { readOnly: true });
  for (const waitMs of [0, 16 * MINUTE, 10 * MINUTE, 26 * HOUR, 10 * MINUTE]) {
    await process.wait(waitMs);
    // Whoever has nothing to do does not take maintenance over either.
    const { drafts, tokens } = world.drafts();
    const versions = await database.write({ drafts, bytes: 100 * drafts.length });
    for (const [i, version] of versions.entries()) history.acknowledged(version, tokens[i]);
    await database.compact();
    const what = `after ${waitMs / MINUTE} minutes and a compaction`;
    const [own, other] = [await look(what, database), await look(what, reader)];
    if (own !== other) throw new Error(`the last process sees\n${own}\nand a reader\n${other}`);
  }
  for (const name of world.checkpoints.keys()) await checkCheckpoint(world, process, name);
  const { clock, random } = process;
  const report = await verifyStore({ store: new VirtualStore(world.bucket, process), clock, random });
  const problems = report.problems.filter(({ severity }) => severity === "error");
  if (problems.length > 0) throw new Error(`verify finds ${JSON.stringify(problems, undefined, 2)}`);
  await database.close();
  await reader.close();
}

function planOf(scheduler: Scheduler): Plan {
  return {
    actors: 2 + scheduler.below(2),
    steps: 40 + scheduler.below(80),
    deathRate: scheduler.pick([0, 0.3, 0.7]),
    stallRate: scheduler.pick([0, 0, 0.2, 0.5]),
    idleRate: scheduler.pick([0, 0.02, 0.15]),
    jumpRate: scheduler.pick([0, 0, 0, 0, 0.2]),
    skewMs: scheduler.pick([0, 1_000, 4_000]),
    flushSlots: scheduler.pick([2, 3, 6, 20]),
    memoryBytesMax: scheduler.pick([12_000, 2 ** 20]),
    isOpen: scheduler.chance(0.3),
    isPatient: scheduler.chance(0.6),
  };
}

function weatherOf(scheduler: Scheduler, { isPatient }: Plan): Weather {
  return {
    faultRate: scheduler.pick(isPatient ? [0.01, 0.05, 0.15] : [0, 0.005, 0.02]),
    latencyMs: scheduler.pick([5, 50, 400]),
    slowRate: scheduler.pick([0, 0.01, 0.05]),
    slowMs: scheduler.pick([5_000, 2 * MINUTE]),
    zombieRate: scheduler.pick([0, 0.5, 1]),
    zombieMs: scheduler.pick([10_000, HOUR, 48 * HOUR]),
    duplicateRate: scheduler.pick([0, 0, 0.1, 0.4]),
    pageSize: scheduler.pick([1_000, 1_000, 20, 10, 3]),
    isListShuffled: scheduler.chance(0.4),
    hasContentEtags: scheduler.chance(0.5),
  };
}
