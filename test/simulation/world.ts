import { isBrainyError } from "../../src/base/errors.ts";
import { DEFAULT_COMPACTION } from "../../src/engine/compaction-plan.ts";
import { DEFAULT_LIMITS } from "../../src/engine/database-limits.ts";
import type { Executor } from "../../src/engine/compaction.ts";
import { Database } from "../../src/engine/database.ts";
import type { StoredRecord } from "../../src/engine/records.ts";
import type { Chosen } from "../../src/engine/sibling-choice.ts";
import { inlineExecutor } from "../../src/engine/executor-inline.ts";
import type { ConflictResolution } from "../../src/format/config.ts";
import type { Draft } from "../../src/format/operation.ts";
import type { LaneId, Version } from "../../src/format/version.ts";
import { retrying } from "../../src/storage/layers/retrying.ts";
import { BucketChecks } from "./checks/bucket-checks.ts";
import { TAGS } from "./checks/filter-oracle.ts";
import { Faults, type FaultKind } from "./faults.ts";
import { History } from "./history.ts";
import { Holders } from "./holders.ts";
import { JUDGES } from "./oracle.ts";
import { BLIND_IDS } from "./observe.ts";
import type { Effect, OlderCopies } from "./older-copies.ts";
import { HOUR, MINUTE, planOf, type Plan } from "./plan.ts";
import { Scheduler } from "./scheduler.ts";
import { VirtualProcess } from "./virtual-process.ts";
import { Bucket, VirtualStore, type Defect } from "./virtual-store.ts";
import { weatherOf, type Weather } from "./weather.ts";

/** What one simulation is made from. */
export interface WorldOptions {
  readonly seed: number;
  readonly defect?: Defect | undefined;
  /** Instead of what the seed would decide. */
  readonly plan?: Partial<Plan> | undefined;
  readonly weather?: Partial<Weather> | undefined;
  /** Default `last-write-wins`. */
  readonly resolution?: ConflictResolution | undefined;
  /** Siblings are shown as `oneOf` makes them. */
  readonly resolves?: boolean | undefined;
  /** A defect of the engine instead of the store: its compactor knows one way to fold only. */
  readonly foldsByVersion?: boolean | undefined;
  /** Numbers of faults that do not happen, though the draws choose them. */
  readonly suppressed?: Pick<ReadonlySet<number>, "has"> | undefined;
  /** Whether every object and every delete is judged too, and not only what readers see. Default true. */
  readonly structure?: boolean | undefined;
}

/** What one simulation did. */
export interface SimulationResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly events: number;
  readonly days: number;
  /** Reads, writes, deletes, decisions, compactions and checkpoints that were asked for. */
  readonly operations: number;
  readonly acknowledged: number;
  readonly checks: number;
  readonly skipped: number;
  readonly decisions: number;
  readonly manifests: number;
  /** How much each checker has judged. */
  readonly checkers: Readonly<Record<string, number>>;
  /** How often each kind of fault occurred; those that did not are not there. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

/** What a checkpoint may show, and what it has shown. */
export interface Pinned {
  readonly required: ReadonlySet<string>;
  readonly storedCount: number;
  readonly expiresAtMs: number | undefined;
  text: string | undefined;
}

/** Faults after which an object may be unreadable. */
const DAMAGE = ["torn-read", "flipped-read", "torn-object", "bit-flip"] as const;

/** What all processes of one simulation share. */
export class World {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  history: History;
  readonly resolution: ConflictResolution;
  readonly #resolves: boolean;
  readonly #foldsByVersion: boolean;
  #structure: BucketChecks;
  /** Of a time that has passed, while what had happened by then is judged again. */
  #replayedMs: number | undefined;
  /** Puts older copies back, where there is somebody who does. */
  copies: OlderCopies | undefined;
  readonly bucket: Bucket;
  readonly plan: Plan;
  readonly #seed: number;
  readonly #processes: VirtualProcess[] = [];
  readonly #isJudged: boolean;
  readonly #holders: Holders;
  readonly checkpoints = new Map<string, Pinned>();
  /** Every slot that a process said is durable, in the order in which they said so. */
  readonly hints: { readonly lane: LaneId; readonly slot: number }[] = [];
  stepsLeft: number;
  /** Nothing harmful begins any more. */
  isCalm = false;
  tokens = 0;
  incarnations = 0;
  manifests = 0;
  operations = 0;
  #failure: unknown;
  #hasFailed = false;

  constructor(options: WorldOptions) {
    const { seed, defect, plan, resolution = "last-write-wins", foldsByVersion = false } = options;
    this.#resolves = options.resolves === true;
    this.#seed = seed;
    this.#isJudged = options.structure !== false;
    this.resolution = resolution;
    this.history = new History(JUDGES[this.#resolves ? "resolver" : resolution]);
    this.#foldsByVersion = foldsByVersion;
    this.scheduler = new Scheduler(seed);
    this.faults = new Faults(this.scheduler, options.suppressed);
    this.plan = { ...planOf(this.scheduler), ...plan };
    const { scheduler, faults } = this;
    const weather = { ...weatherOf(scheduler, faults, this.plan), ...options.weather };
    this.bucket = new Bucket({ scheduler, faults, weather, defect });
    this.#structure = this.#newStructure();
    this.bucket.onStored = (key, bytes) => {
      this.history.stored(key, bytes);
      this.copies?.happened(key, bytes);
      if (this.#isJudged) this.#structure.stored(key, bytes);
    };
    this.bucket.onDeleted = (key) => {
      this.copies?.happened(key, undefined);
      this.#structure.deleted(key);
    };
    this.stepsLeft = this.plan.steps;
    this.#holders = new Holders({ scheduler, faults, rate: this.plan.holderStallRate });
  }

  #newStructure(): BucketChecks {
    return BucketChecks.of({
      resolution: this.resolution,
      fail: (error) => this.fail(error),
      nowMs: () => this.#replayedMs ?? this.scheduler.nowMs,
    });
  }

  /** Everything is as it was once these had happened. */
  startOver(past: {
    readonly history: History;
    readonly checkpoints: ReadonlyMap<string, Pinned>;
    readonly effects: readonly Effect[];
  }): void {
    this.history = past.history;
    this.checkpoints.clear();
    for (const [name, pinned] of past.checkpoints) this.checkpoints.set(name, pinned);
    this.#structure = this.#newStructure();
    if (!this.#isJudged) return;
    for (const { key, bytes, atMs } of past.effects) {
      this.#replayedMs = atMs;
      if (bytes === undefined) this.#structure.deleted(key);
      else this.#structure.stored(key, bytes);
    }
    this.#replayedMs = undefined;
  }

  /** Throws when the bucket holds what nothing needs, or marks of operations that are to be gone. */
  checkLeftovers(isErased: (mark: string) => boolean): void {
    // With other ways to resolve conflicts what nobody sees may still decide something.
    const isPlain = this.resolution === "last-write-wins";
    this.#structure.checkLeftovers(isPlain ? isErased : () => false);
  }

  /** What the store's bad days, and other processes, may do to a call. */
  isExpected(error: unknown): boolean {
    const { counts } = this.faults;
    if (!isBrainyError(error)) return false;
    if (error.code === "BRAINY_LIMIT") return counts.has("disk-full");
    const isDamaged = DAMAGE.some((kind) => counts.has(kind));
    if (error.code === "BRAINY_CORRUPT") return isDamaged;
    // Settings whose id is damaged look like another database's, where nothing tells otherwise.
    if (error.code === "BRAINY_FENCED")
      return isDamaged && /belongs to database/.test(error.message);
    return error.code === "BRAINY_UNAVAILABLE" || error.code === "BRAINY_CONFLICT";
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
      operations: this.operations,
      days: (nowMs - 1_700_000_000_000) / (24 * HOUR),
      acknowledged: this.history.acknowledgedCount,
      checks: this.history.checks,
      skipped: this.history.skipped,
      decisions: this.history.decisions,
      manifests: this.manifests,
      checkers: {
        "records in reads": this.history.checks,
        "decisions in their chain": this.history.decisions,
        "calls in an order": this.history.calls.judged,
        ...Object.fromEntries(this.#structure.judged),
      },
      faults: Object.fromEntries(this.faults.counts),
    };
  }

  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = error;
  }

  /** Lets things happen until `isDone`; throws what has failed meanwhile. */
  async until(what: string, isDone: () => boolean): Promise<void> {
    const isOver = await this.scheduler.until(() => this.#hasFailed || isDone());
    if (this.#hasFailed) throw this.#failure;
    if (!isOver) throw new Error(`nothing happens any more, waiting for ${what}`);
  }

  newProcess(name: string, isSteady = false): VirtualProcess {
    const skewMs = Math.round((2 * this.scheduler.random.next() - 1) * this.plan.skewMs);
    const isWrong = this.faults.occurs("clock-skew", isSteady || skewMs === 0 ? 0 : 1);
    const process = new VirtualProcess(`${name}.${++this.incarnations}`, this.scheduler, {
      skewMs: isWrong ? skewMs : 0,
      suspends: this.scheduler.chance(0.5),
    });
    this.#processes.push(process);
    return process;
  }

  /** Whatever still runs, also of those whose work is done. */
  killAll(): void {
    for (const process of this.#processes.splice(0)) process.kill();
  }

  open(
    process: VirtualProcess,
    role: {
      readonly readOnly?: boolean;
      readonly writeOnly?: boolean;
      readonly maintains?: boolean;
      readonly checkpoint?: string;
    },
  ): Promise<Database> {
    const { clock, random } = process;
    const { flushSlots, memoryBytesMax, maskBytesInlineMax, isOpen, isPatient } = this.plan;
    const bare = new VirtualStore(this.bucket, process);
    const store = isPatient ? retrying(bare, { clock, random }) : bare;
    const compaction = {
      ...DEFAULT_COMPACTION,
      memoryBytesMax,
      maskBytesInlineMax,
      flushSlots,
      flushOperations: 4 * flushSlots,
      // Where merges are rare, only its age tells that something is to be rewritten.
      ...(flushSlots < 20 ? { mergeFanIn: 2 + (flushSlots % 2) } : { maskedShareMax: 1 }),
      // Every step of erasing is due after two minutes, so that ages matter within a run.
      deletedGoneWithinMs: 8 * MINUTE,
    };
    return Database.open({
      store,
      clock,
      random,
      executor: () => Promise.resolve(this.#executor(inlineExecutor({ store, clock, random }))),
      readOnly: role.readOnly ?? false,
      writeOnly: role.writeOnly ?? false,
      wanted: {
        metric: "euclidean",
        conflictResolution: this.resolution,
        ...(!isOpen && { dimensions: 4 }),
      },
      resolve: this.#resolves ? oneOf : undefined,
      checkpoint: role.checkpoint,
      compaction: role.maintains === true ? compaction : false,
      indexing: { async: true, batchIndexUpdates: true },
      limits: { ...DEFAULT_LIMITS, slotOperationsMax: 3 },
      onCommitted: (lane, slot) => {
        this.hints.push({ lane, slot });
      },
      onEvent: (event) => {
        if (event.type === "committed") this.manifests++;
        const { type, ...more } = event;
        if (!this.isCalm) this.#holders.heard(process, type);
        if (type !== "index_updated") {
          this.scheduler.note(`${process.name} * ${type} ${JSON.stringify(more)}`);
        }
      },
    });
  }

  #executor(executor: Executor): Executor {
    if (!this.#foldsByVersion) return executor;
    const run: Executor["run"] = (job, signal) => {
      const limits = { ...job.limits, conflictResolution: undefined };
      return executor.run({ ...job, limits }, signal);
    };
    return {
      name: executor.name,
      run,
      [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
    };
  }

  /** What is written under a condition: a new record, or a change of the one that was seen. */
  decision(
    id: string,
    { present, known }: { present: Version | undefined; known: readonly Version[] },
  ): { readonly draft: Draft; readonly token: string | undefined } {
    const token = `token-${++this.tokens}`;
    const metadata = JSON.stringify({ [`k${this.scheduler.below(3)}`]: token });
    const put = { kind: "put", id, content: JSON.stringify({ text: token }), metadata } as const;
    if (present === undefined) return { draft: put, token };
    const seen = [present];
    if (this.scheduler.chance(0.3))
      return { draft: { kind: "delete", id, seen }, token: undefined };
    if (this.resolution === "vector-clock") return { draft: { ...put, seen: known }, token };
    return { draft: { kind: "patch", id, metadata, seen }, token };
  }

  /** `known`: what the author has read of a record. */
  drafts(known: (id: string) => readonly Version[]): {
    readonly drafts: readonly Draft[];
    readonly tokens: readonly (string | undefined)[];
  } {
    const { scheduler } = this;
    const drafts: Draft[] = [];
    const tokens: (string | undefined)[] = [];
    const count = scheduler.chance(0.7) ? 1 : 1 + scheduler.below(3);
    for (let i = 0; i < count; i++) {
      const id = scheduler.pick(BLIND_IDS);
      const token = `token-${++this.tokens}`;
      const dice = scheduler.below(10);
      const vector = scheduler.chance(0.85)
        ? Float32Array.from({ length: 4 }, () => scheduler.below(4))
        : undefined;
      const content = JSON.stringify({ text: token });
      tokens.push(dice < 3 ? undefined : token);
      if (dice < 3) drafts.push({ kind: "delete", id });
      else if (dice < 6 && this.resolution === "vector-clock") {
        // As `update` does: a whole record, made from what was read.
        const metadata = this.#metadata(token);
        drafts.push({ kind: "put", id, content, vector, metadata, seen: known(id) });
      } else if (dice < 5) drafts.push({ kind: "patch", id, metadata: this.#metadata(token) });
      else if (dice < 6) drafts.push({ kind: "patch", id, content, vector });
      else
        drafts.push({
          kind: "put",
          id,
          content,
          vector,
          metadata: this.#metadata(token),
        });
    }
    return { drafts, tokens };
  }

  /** A few fields of a few values, so that filters meet them often. */
  #metadata(token: string): string {
    const { scheduler } = this;
    return JSON.stringify({
      [`k${scheduler.below(3)}`]: token,
      ...(scheduler.chance(0.5) && { n: scheduler.below(4) }),
      ...(scheduler.chance(0.4) && { tags: TAGS.slice(scheduler.below(3)) }),
      ...(scheduler.chance(0.3) && { deep: { n: scheduler.below(4) } }),
    });
  }
}

/** Of two siblings the older one as it is stored, of more a record that is stored nowhere. */
function oneOf(siblings: readonly StoredRecord[]): Chosen {
  if (siblings.length === 2) return { sibling: 0 };
  const metadata = siblings.map((one) => JSON.parse(one.metadata) as object);
  return {
    record: {
      vector: siblings[0]!.vector,
      content: siblings.at(-1)!.content,
      metadata: JSON.stringify(Object.assign({}, ...metadata)),
      attributes: undefined,
    },
  };
}
