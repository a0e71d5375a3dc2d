import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { ulidFactory } from "../base/ids.ts";
import { randomHex, type Random } from "../base/random.ts";
import {
  emptyManifest,
  type DeletionEntry,
  type Manifest,
  type SegmentId,
} from "../format/manifest.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { MANIFEST_LIVES_MAX_MS, collectGarbage, type CollectionReport } from "./collection.ts";
import { planCompaction, type CompactionOptions } from "./compaction-plan.ts";
import type { CompactionJob, CompactionResult, Executor } from "./compaction.ts";
import { loadDeletions, storeDeletions } from "./deletion-store.ts";
import { erasureStepMs, overdueSegments } from "./erasure.ts";
import { foldableSegments } from "./foldable-segments.ts";
import {
  nextLedger,
  sealRequests,
  uncoveredTails,
  type LaneTail,
  type LedgerInput,
  type SealRequest,
} from "./lane-ledger.ts";
import { sealLanes } from "./lane-seal.ts";
import { listLog } from "./log-listing.ts";
import {
  applyResult,
  nextManifest,
  type DeletionSets,
  type ManifestChange,
  type NextManifest,
} from "./manifest-change.ts";
import { commitManifest, listManifests, readNewestManifest } from "./manifest-store.ts";
import { foldFor } from "./record-fold.ts";
import { StillnessWatch } from "./stillness-watch.ts";

/** Rounds of one run: each commits, takes over or stops, so this bounds a fault of ours. */
const ROUNDS_MAX = 10_000;

/** Results thrown away in a row before a run gives up until the next one. */
const DISCARDS_MAX = 3;

/** How often one forced run takes maintenance away from others before it lets them have it. */
const TAKE_OVERS_MAX = 3;

/** Collecting again for what was only kept for its age comes no sooner than this. */
const COLLECT_AGAIN_MIN_MS = 5 * 60_000;

/** A holder that commits nothing this long, though something was due, holds no more. */
const HOLDER_IDLE_MS = 15 * 60_000;

/** What maintenance did or found; for logs, metrics and tests. */
export type MaintenanceEvent =
  | { readonly type: "took-over"; readonly number: number; readonly epoch: number }
  /** Somebody else holds maintenance and has not stood still for long enough. */
  | { readonly type: "not-holder"; readonly holder: string }
  /** Somebody took over while this process worked; its result was thrown away. */
  | { readonly type: "fenced"; readonly holder: string; readonly epoch: number }
  | {
      readonly type: "committed";
      readonly number: number;
      readonly kind: CompactionJob["kind"] | "ledger";
      readonly rows: number;
      /** Operations at or below the floor that nothing covered: a zombie's. */
      readonly junkCount: number;
    }
  /** The inputs were gone or changed: invariant M1. */
  | { readonly type: "discarded"; readonly kind: CompactionJob["kind"] }
  | { readonly type: "sealed"; readonly lane: LaneId; readonly slot: number }
  | { readonly type: "collected"; readonly report: CollectionReport };

/** What maintenance needs from the database around it. */
export interface MaintenanceHost {
  /** A newer manifest is committed: read from it. */
  adopt(manifest: Manifest): Promise<void>;
  readonly partitionCount: number;
  /** Of the vectors, once known. */
  dimensions(): number | undefined;
  log(event: MaintenanceEvent): void;
  /** Operations in the tail, as far as the host knows. */
  tailOperations?(): number;
  /** Whether a holder's heartbeat has moved of late; without one, only its manifests tell. */
  isAlive?(incarnation: string): boolean;
}

/** What one process maintains, and with what. */
export interface MaintenanceOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly incarnation: string;
  readonly databaseId: string;
  readonly executor: Executor;
  readonly compaction: CompactionOptions;
  /** Three of these without a new manifest, and somebody else may take over. Default 30 s. */
  readonly intervalMs?: number | undefined;
  readonly host: MaintenanceHost;
}

/** What one run is to do beyond what is due. */
export interface RunOptions {
  /** `flush`: the whole tail, as it is now. `compact`: that, and as few segments as can be. */
  readonly force?: "flush" | "compact" | undefined;
  /** Become the holder at once, whoever holds maintenance now. */
  readonly takeOver?: boolean | undefined;
  /**
   * So many slots wait that everybody helps: become the holder, alive or not, once its manifest is
   * older than covering them takes.
   */
  readonly crowd?: number | undefined;
  /** Also see to it that what only waits for its age is collected, by whoever holds maintenance. */
  readonly look?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After every commit. */
  readonly onProgress?: ((progress: MaintenanceProgress) => void) | undefined;
}

/** How far a run is. */
export interface MaintenanceProgress {
  readonly round: number;
  readonly segments: number;
  /** Slots that no segment covers yet. */
  readonly tailSlots: number;
}

interface Run extends RunOptions {
  /** Forced runs flush what was there when they began, else a busy writer would never let go. */
  targets?: ReadonlyMap<LaneId, number> | undefined;
  isFloorRaised: boolean;
  commits: number;
  discards: number;
  takeOvers: number;
}

type Step = "again" | "done";

/** What a holder is given before others help: a slow machine reads some thirty slots a second. */
function crowdPatienceMs(slots: number): number {
  return 30_000 + 30 * slots;
}

/**
 * Turns log into segments and segments into fewer, seals lanes, collects what nothing needs.
 *
 *     newest manifest ─► LIST of the log ─► plan ─► holder? ─► job ─► newest again ─► commit ─► …
 *
 * Exactly one process may commit: the one that the newest manifest names with its epoch. All
 * others lose nothing but their work. A crash at any step leaves objects that nobody names.
 * Spec: docs/specs/compaction.md and docs/specs/manifest.md.
 */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #newUlid: () => string;
  readonly #watch: StillnessWatch;
  #last: Promise<unknown> = Promise.resolve();
  #automatic: Promise<void> | undefined;
  #collectAgainAtMs = Number.POSITIVE_INFINITY;
  /** Number of the last manifest sent off, whatever is known of its fate. */
  #sentNumber = 0;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#newUlid = ulidFactory(options.clock, options.random);
    this.#watch = new StillnessWatch(options.clock, 3 * (options.intervalMs ?? 30_000));
  }

  /**
   * Rounds until nothing is planned. One run at a time: an automatic call joins the one that
   * waits or runs, a forced one queues. Being fenced or finding nothing to do is no error.
   */
  run(options: RunOptions = {}): Promise<void> {
    const isPlain = options.force === undefined && options.takeOver !== true;
    if (isPlain && this.#automatic !== undefined) return this.#automatic;
    const done = this.#last.then(() => this.#run(options));
    this.#last = done.catch(() => undefined);
    if (isPlain) {
      this.#automatic = done.finally(() => {
        this.#automatic = undefined;
      });
      return this.#automatic;
    }
    return done;
  }

  async #run(options: RunOptions): Promise<void> {
    const counts = { commits: 0, discards: 0, takeOvers: 0 };
    const run: Run = { ...options, isFloorRaised: false, ...counts };
    for (let round = 0; round < ROUNDS_MAX; round++) {
      options.signal?.throwIfAborted();
      if ((await this.#round(run, round)) === "done") break;
    }
    const isDue = this.#options.clock.monotonicMs() >= this.#collectAgainAtMs;
    if (run.commits > 0 || run.takeOvers > 0 || isDue || options.force === "compact")
      await this.#collect(options.signal);
  }

  async #round(run: Run, round: number): Promise<Step> {
    const { store, databaseId, incarnation, host } = this.#options;
    const manifest = (await readNewestManifest(store)) ?? emptyManifest(databaseId);
    if (manifest.databaseId !== databaseId) {
      throw new BrainyError("BRAINY_FENCED", `another database is here: ${manifest.databaseId}`);
    }
    // After the manifest: the floor rests on this order.
    let input: LedgerInput = { manifest, listing: await listLog(store, run.signal) };
    const seals = sealRequests(input);
    const isHolder = manifest.holder === incarnation;
    if (isHolder && seals.length > 0) {
      await this.#seal(input, seals, run.signal);
      input = { manifest, listing: await listLog(store, run.signal) };
    }
    const tails = uncoveredTails(input);
    run.targets ??= new Map(tails.map(({ lane, to }) => [lane, to]));
    const job = await this.#plan(run, input, tails, seals.length > 0);
    const isIdle = job === undefined && !this.#raisesFloor(run, input);
    if (isIdle && (isHolder || !(await this.#isCollectionLate(run, input)))) return "done";
    if (!isHolder) return this.#becomeHolder(run, input);
    const tailSlots = tails.reduce((sum, { slotBytes }) => sum + slotBytes.length, 0);
    run.onProgress?.({ round, segments: manifest.segments.length, tailSlots });
    if (job === undefined || (job.kind === "merge" && this.#raisesFloor(run, input))) {
      run.isFloorRaised = true;
      return this.#commitLedger(run, input);
    }
    const result = await this.#runJob(job, run.signal);
    const outcome = result && (await this.#commitResult(job, result, input, run));
    if (outcome !== undefined && outcome !== "discarded") return outcome;
    host.log({ type: "discarded", kind: job.kind });
    return ++run.discards < DISCARDS_MAX ? "again" : "done";
  }

  /** `undefined`: what the job was to read is gone, so somebody else has done its work. */
  async #runJob(
    job: CompactionJob,
    signal: AbortSignal | undefined,
  ): Promise<CompactionResult | undefined> {
    try {
      return await this.#options.executor.run(job, signal);
    } catch (error) {
      const isOvertaken =
        isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_NOT_FOUND");
      if (isOvertaken) return undefined;
      throw error;
    }
  }

  /** The targets of a forced run first; when those are covered, whatever is due anyway. */
  async #plan(
    run: Run,
    input: LedgerInput,
    tails: readonly LaneTail[],
    isSealing: boolean,
  ): Promise<CompactionJob | undefined> {
    const { compaction: options, host, store } = this.#options;
    const { manifest } = input;
    if (run.force !== undefined || isSealing) {
      const forced = isSealing ? tails : clipTails(tails, run.targets ?? new Map<LaneId, number>());
      const job = planCompaction({ manifest, tails: forced, options, force: "flush" });
      if (job?.kind === "flush") return job;
    }
    const tailOperations = host.tailOperations?.();
    const { storeMs } = input.listing;
    const due = planCompaction({ manifest, tails, tailOperations, options, storeMs });
    if (due?.kind === "flush" || run.force !== "compact") return due;
    const merge = planCompaction({ manifest, tails: [], options, force: "compact" });
    if (merge !== undefined) return merge;
    const foldable = await foldableSegments(store, manifest, foldFor(options.conflictResolution));
    return planCompaction({ manifest, tails: [], options, force: "compact", foldable });
  }

  /** Before merges that drop what is deleted, the floor goes as high as it can. */
  #raisesFloor(run: Run, input: LedgerInput): boolean {
    if (run.isFloorRaised) return false;
    const { manifest, listing } = input;
    const options = this.#options.compaction;
    const isWanted =
      run.force === "compact" || overdueSegments(manifest, options, listing.storeMs).length > 0;
    return isWanted && nextLedger({ ...input, covered: [] }).floor > input.manifest.floor;
  }

  /** Looking after the age of things: whether garbage waits though its holder has had its time. */
  async #isCollectionLate(run: Run, { manifest, listing }: LedgerInput): Promise<boolean> {
    if (run.look !== true) return false;
    const limitMs = 2 * Math.min(erasureStepMs(this.#options.compaction), MANIFEST_LIVES_MAX_MS);
    // No other manifest than the newest: what that replaced is collected.
    return (
      listing.storeMs - manifest.createdMs > limitMs &&
      (await listManifests(this.#options.store)).length > 1
    );
  }

  /** Commits a manifest that differs in epoch and holder only: the old holder's work still fits. */
  async #becomeHolder(run: Run, { manifest, listing }: LedgerInput): Promise<Step> {
    const { host, incarnation, random } = this.#options;
    const isFree = manifest.holder === "";
    // Both times are the store's. A process that lives for a second sees nobody stand still.
    const isIdle = listing.storeMs - manifest.createdMs >= HOLDER_IDLE_MS;
    const isStill = this.#watch.standsStill(manifest) || isIdle;
    const isDead = isStill && host.isAlive?.(manifest.holder) !== true;
    // Each take-over is a manifest, so that whoever has just taken over is let work in turn.
    const isLate =
      run.crowd !== undefined && listing.storeMs - manifest.createdMs >= crowdPatienceMs(run.crowd);
    const isForced = (run.takeOver === true || isLate) && run.takeOvers < TAKE_OVERS_MAX;
    if (!isFree && !isDead && !isForced) {
      host.log({ type: "not-holder", holder: manifest.holder });
      return "done";
    }
    run.takeOvers++;
    const taken: Manifest = {
      ...manifest,
      number: manifest.number + 1,
      nonce: randomHex(random, 16),
      epoch: manifest.epoch + 1,
      holder: incarnation,
      createdMs: Math.floor(listing.storeMs),
    };
    if (!(await this.#commit(taken))) return "again";
    host.log({ type: "took-over", number: taken.number, epoch: taken.epoch });
    await host.adopt(taken);
    return "again";
  }

  async #seal(
    input: LedgerInput,
    requests: readonly SealRequest[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { store, clock, random, host } = this.#options;
    // Not this run's own name, though one of the lanes may be its own: a seal by a lane's writer
    // says that the writer has stopped and may go at once, and of that nothing is known here.
    const incarnation = this.#newUlid();
    const sealed = await sealLanes({ store, clock, random, incarnation, input, requests, signal });
    for (const request of sealed) host.log({ type: "sealed", ...request });
  }

  /** Commits on the newest manifest, which need not be the one that the job read. */
  async #commitResult(
    job: CompactionJob,
    result: CompactionResult,
    before: LedgerInput,
    run: Run,
  ): Promise<Step | "discarded"> {
    const { store } = this.#options;
    const manifest = await readNewestManifest(store);
    if (!this.#isMine(manifest, before.manifest.epoch)) return this.#fenced(manifest);
    // The store has gone back: what the job read need not exist any more.
    const isBehind = manifest.number < before.manifest.number;
    if (
      isBehind ||
      (manifest.number === before.manifest.number && manifest.nonce !== before.manifest.nonce)
    )
      return this.#fenced(manifest);
    // A listing counts for a manifest only when it was made after that was read.
    const isSame = manifest.number === before.manifest.number;
    const input = isSame ? before : { manifest, listing: await listLog(store, run.signal) };
    const deletions = await this.#loadDeletions(manifest, result);
    const change = applyResult({ base: job.base, newest: manifest, result, deletions });
    if (change === undefined) return "discarded";
    const rows = result.added.reduce((sum, segment) => sum + segment.rows, 0);
    const { junkCount, lanes } = result;
    const next = nextManifest({
      ...this.#ofNext(input),
      change,
      deletions: await this.#storeDeletions(change),
      ledger: nextLedger({ ...input, covered: lanes }),
    });
    return this.#commitOwn(next, run, { kind: job.kind, rows, junkCount });
  }

  /** Lanes and floor move, segments stay. */
  async #commitLedger(run: Run, input: LedgerInput): Promise<Step> {
    const ledger = nextLedger({ ...input, covered: [] });
    const next = nextManifest({ ...this.#ofNext(input), ledger });
    return this.#commitOwn(next, run, { kind: "ledger", rows: 0, junkCount: 0 });
  }

  #ofNext({
    manifest,
    listing,
  }: LedgerInput): Pick<NextManifest, "newest" | "dimensions" | "nonce" | "createdMs"> {
    return {
      newest: manifest,
      dimensions: this.#options.host.dimensions(),
      nonce: randomHex(this.#options.random, 16),
      createdMs: Math.floor(listing.storeMs),
    };
  }

  async #commitOwn(
    next: Manifest,
    run: Run,
    what: Pick<Extract<MaintenanceEvent, { type: "committed" }>, "kind" | "rows" | "junkCount">,
  ): Promise<Step> {
    // Superseded: whether ours came first is unknown, and does not matter. Go on from the newest.
    if (!(await this.#commit(next))) return "again";
    run.commits++;
    run.discards = 0;
    this.#options.host.log({ type: "committed", number: next.number, ...what });
    await this.#options.host.adopt(next);
    return "again";
  }

  async #commit(manifest: Manifest): Promise<boolean> {
    const { store, clock, random } = this.#options;
    this.#sentNumber = Math.max(this.#sentNumber, manifest.number);
    const outcome = await commitManifest({ store, clock, random, manifest });
    return outcome.kind === "committed";
  }

  #isMine(manifest: Manifest | undefined, epoch: number): manifest is Manifest {
    return manifest?.holder === this.#options.incarnation && manifest.epoch === epoch;
  }

  #fenced(manifest: Manifest | undefined): Step {
    const { holder = "", epoch = 0 } = manifest ?? {};
    this.#options.host.log({ type: "fenced", holder, epoch });
    return "done";
  }

  async #loadDeletions(manifest: Manifest, result: CompactionResult): Promise<DeletionSets> {
    const wanted = new Set<SegmentId>([...result.removed, ...result.masked.keys()]);
    const sets = new Map<SegmentId, Uint32Array>();
    for (const segment of manifest.segments) {
      if (!wanted.has(segment.id)) continue;
      sets.set(segment.id, await loadDeletions(this.#options.store, segment));
    }
    return sets;
  }

  async #storeDeletions(change: ManifestChange): Promise<ReadonlyMap<SegmentId, DeletionEntry>> {
    const { store, host, compaction } = this.#options;
    const { partitionCount } = host;
    const inlineBytesMax = compaction.maskBytesInlineMax;
    const entries = new Map<SegmentId, DeletionEntry>();
    for (const { id } of change.segments) {
      const rows = change.masks.get(id);
      if (rows === undefined) continue;
      const newUlid = this.#newUlid;
      entries.set(
        id,
        await storeDeletions({ store, rows, partitionCount, newUlid, inlineBytesMax }),
      );
    }
    return entries;
  }

  async #collect(signal: AbortSignal | undefined): Promise<void> {
    const { store, incarnation, clock, host } = this.#options;
    const manifest = await readNewestManifest(store);
    if (manifest?.holder !== incarnation) return;
    // A manifest of ours may still be on its way, and with it the only mention of its segments.
    if (manifest.number < this.#sentNumber) return;
    const { epoch } = manifest;
    const stepMs = erasureStepMs(this.#options.compaction);
    const manifestLivesMs = Math.min(stepMs, MANIFEST_LIVES_MAX_MS);
    const report = await collectGarbage({ store, incarnation, epoch, manifestLivesMs, signal });
    // Once a step in any case: a job that died may have left something since.
    const againInMs = Math.min(report.againInMs ?? stepMs, stepMs);
    this.#collectAgainAtMs = clock.monotonicMs() + Math.max(againInMs, COLLECT_AGAIN_MIN_MS);
    host.log({ type: "collected", report });
  }
}

/** The part of each tail that was there when a forced run began. */
function clipTails(
  tails: readonly LaneTail[],
  targets: ReadonlyMap<LaneId, number>,
): readonly LaneTail[] {
  return tails.flatMap((tail) => {
    const to = Math.min(tail.to, targets.get(tail.lane) ?? 0);
    if (to <= tail.from) return [];
    return [{ ...tail, to, slotBytes: tail.slotBytes.slice(0, to - tail.from) }];
  });
}
