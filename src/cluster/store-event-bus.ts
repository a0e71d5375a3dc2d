import type { Clock } from "../base/clock.ts";
import { isBrainyError } from "../base/errors.ts";
import { ulidFactory, ulidFloor } from "../base/ids.ts";
import type { Random } from "../base/random.ts";
import { decodeEventBatch, encodeEventBatch } from "../format/event-batch.ts";
import { EVENT_PREFIX, eventKey, isEventKey } from "../format/keys.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object-store.ts";
import { BoundedQueue } from "./bounded-queue.ts";
import { Coalesced } from "./coalesced.ts";
import type { EventBus, HintHandler } from "./event-bus.ts";
import { decodeHint, encodeHint, type Hint } from "./hint.ts";
import { HintHandlers } from "./hint-handlers.ts";
import { IDLE_AFTER_MS } from "./liveness.ts";

/** Hints of one object. */
const QUEUE_MAX = 100;
/** Objects of others that are read after one LIST; of more only the newest. */
const READS_MAX = 16;
/** What it published is there for so many intervals, and not less than this. */
const LIFE_MS_MIN = 30_000;
const LIFE_INTERVALS = 10;
/** Own objects that could not be removed yet; of more the oldest are left to others. */
const OWN_MAX = 1_000;
/** By the store's own clock; what is older was left behind by a process that died. */
const LEFT_BEHIND_MS = 5 * 60_000;
/** Objects are looked for from so long ago, since clocks differ. */
const WINDOW_MS = 2 * LEFT_BEHIND_MS;
/** How often an idle instance asks itself whether it still is; that costs no request. */
const IDLE_CHECK_MS = 1_000;

/** What a bus through a store needs. */
export interface StoreEventBusOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Between two looks, and between two objects that are written. */
  readonly intervalMs: number;
  /** Since the last operation of a user: an idle instance does not look. */
  readonly idleMs: () => number;
  readonly warn: (message: string) => void;
}

/**
 * Hints through the store itself, where there is nothing else: short-lived objects, found by
 * LIST. One PUT an interval at most while there is something to say, one LIST an interval while
 * the instance is in use.
 */
export class StoreEventBus implements EventBus {
  readonly name: string;
  readonly #options: StoreEventBusOptions;
  readonly #newUlid: () => string;
  readonly #handlers = new HintHandlers();
  readonly #queue = new BoundedQueue<Hint>(QUEUE_MAX);
  readonly #stopping = new AbortController();
  readonly #writing: Coalesced;
  /** Own objects, by key, with when they go. */
  readonly #own = new Map<string, number>();
  /** Those of others that were read, or are not going to be. */
  #seen: ReadonlySet<string> = new Set();
  #hasLooked = false;
  #storeMs = 0;
  /** May not write: nobody hears it, and it removes nothing. */
  #isSilent = false;
  #skipped = 0;
  #trouble: string | undefined;
  readonly #running: Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(options: StoreEventBusOptions) {
    const { store, clock, random, intervalMs } = options;
    this.name = `${store.name}/${EVENT_PREFIX}`;
    this.#options = options;
    this.#newUlid = ulidFactory(clock, random);
    const { signal } = this.#stopping;
    const run = (): Promise<void> => this.#write();
    this.#writing = new Coalesced({ clock, signal, spacingMs: intervalMs, run });
    this.#running = this.#run();
  }

  get isConnected(): boolean {
    return this.#hasLooked && this.#trouble === undefined && !this.#stopping.signal.aborted;
  }

  get droppedCount(): number {
    return this.#queue.droppedCount + this.#skipped;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  publish(hint: Hint): void {
    if (this.#stopping.signal.aborted) return;
    const text = encodeHint(hint);
    if (text === undefined || this.#isSilent) {
      this.#skipped++;
      return;
    }
    this.#queue.push(hint);
    this.#writing.request();
  }

  subscribe(databaseId: string, handler: HintHandler): () => void {
    return this.#handlers.add(databaseId, handler);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    this.#handlers.clear();
    await Promise.all([this.#writing.settled(), this.#running]);
    // Those that others may not have read yet are left behind, to be removed by anybody.
    await this.#write();
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, idleMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (idleMs() < IDLE_AFTER_MS) await this.#look();
      else await this.#remove([]);
      const waitMs = idleMs() < IDLE_AFTER_MS ? intervalMs : IDLE_CHECK_MS;
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** One object for everything that waits. What cannot be written is lost. */
  async #write(): Promise<void> {
    const { store, clock, intervalMs } = this.#options;
    const hints = this.#queue.takeAll();
    if (hints.length === 0 || this.#isSilent) return;
    const key = eventKey(this.#newUlid());
    const lifeMs = Math.max(LIFE_MS_MIN, LIFE_INTERVALS * intervalMs);
    this.#own.set(key, clock.monotonicMs() + lifeMs);
    if (this.#own.size > OWN_MAX) this.#own.delete(this.#own.keys().next().value!);
    try {
      await store.put(key, encodeEventBatch({ hints }));
    } catch (error) {
      this.#skipped += hints.length;
      if (isRefusal(error)) this.#fallSilent();
    }
  }

  #fallSilent(): void {
    this.#isSilent = true;
    const { store, warn } = this.#options;
    warn(
      `may not write and delete below ${EVENT_PREFIX} of ${store.name}: it hears and says nothing`,
    );
  }

  async #look(): Promise<void> {
    try {
      const objects = await this.#list();
      this.#trouble = undefined;
      // What was said before it listened is of no use: it has just read everything.
      if (this.#hasLooked) await this.#readNew(objects);
      this.#hasLooked = true;
      this.#seen = new Set(objects.map(({ key }) => key));
      await this.#remove(objects);
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error);
    }
  }

  async #list(): Promise<ObjectInfo[]> {
    const { store } = this.#options;
    const { signal } = this.#stopping;
    const startAfter = this.#hasLooked ? eventKey(ulidFloor(this.#storeMs - WINDOW_MS)) : undefined;
    const objects: ObjectInfo[] = [];
    for await (const page of store.list({ prefix: EVENT_PREFIX, startAfter, signal })) {
      this.#storeMs = page.storeMs;
      objects.push(...page.objects.filter(({ key }) => isEventKey(key)));
    }
    return objects.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async #readNew(objects: readonly ObjectInfo[]): Promise<void> {
    const { store } = this.#options;
    const { signal } = this.#stopping;
    const unread = objects.filter(({ key }) => !this.#seen.has(key) && !this.#own.has(key));
    const read = unread.slice(-READS_MAX);
    this.#skipped += unread.length - read.length;
    const found = await Promise.all(
      read.map(({ key }) => store.get(key, { signal }).catch(() => undefined)),
    );
    for (const [i, object] of found.entries()) {
      if (object !== undefined) this.#deliver(object.bytes, read[i]!.key);
    }
  }

  #deliver(bytes: Uint8Array, key: string): void {
    try {
      for (const given of decodeEventBatch(bytes, key).hints) {
        const hint = decodeHint(given);
        if (hint !== undefined) this.#handlers.deliver(hint.databaseId, hint);
      }
    } catch {
      // Garbage, or of a newer version: hints that are lost.
      this.#skipped++;
    }
  }

  /** Its own after their time, and what nobody else is going to. A DELETE costs nothing. */
  async #remove(objects: readonly ObjectInfo[]): Promise<void> {
    const { store, clock } = this.#options;
    if (this.#isSilent) return;
    const nowMs = clock.monotonicMs();
    const keys = [...this.#own].filter(([, goesMs]) => nowMs >= goesMs).map(([key]) => key);
    const leftBehindMs = this.#storeMs - LEFT_BEHIND_MS;
    const left = objects.filter(({ modifiedMs }) => modifiedMs < leftBehindMs);
    keys.push(...left.map(({ key }) => key));
    if (keys.length === 0) return;
    try {
      await store.deleteMany([...new Set(keys)], { signal: this.#stopping.signal });
      for (const key of keys) this.#own.delete(key);
    } catch (error) {
      if (isRefusal(error)) this.#fallSilent();
    }
  }
}

function isRefusal(error: unknown): boolean {
  return isBrainyError(error, "BRAINY_DENIED") || isBrainyError(error, "BRAINY_UNSUPPORTED");
}
