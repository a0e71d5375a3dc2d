import type { Clock } from "./base/clock.ts";
import { isBrainyError } from "./base/errors.ts";
import { RECORDS_ELSEWHERE, RECORDS_IN_BUCKET, type ResolvedCache } from "./cache-options.ts";
import { ContentCache } from "./engine/content-cache.ts";
import type { LoadedSegment } from "./engine/loaded-segment.ts";
import type { View } from "./engine/view.ts";
import { parseSegmentKey } from "./format/keys.ts";
import type { Manifest } from "./format/manifest.ts";
import type { BlockCacheCounters } from "./storage/layers/block-cache.ts";
import type { CachedStore } from "./storage/layers/cached.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import type { OpenedStorage } from "./storage-option.ts";
import type { Logger, PrefetchStrategy } from "./types.ts";

/** What starting needs is not disturbed by looking at every file of the cache. */
const FIRST_TIDY_MS = 5_000;
/** How often what left the database leaves the disk. */
const TIDY_MS = 1_800_000;
/** Share of the disk cache that content may be fetched into before anybody asks for it. */
const PREFETCH_SHARE = 0.5;
/** Rows whose content is read into memory at once. */
const PREFETCH_ROWS = 1_000;

/** What `NearCaches` needs of its session. */
export interface NearCachesOptions {
  readonly cache: ResolvedCache;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends what runs in the background. */
  readonly signal: AbortSignal;
  /** Called when everything that was to be fetched of a manifest is here. */
  readonly onPrefetched: (manifest: number) => void;
}

/**
 * What a session keeps near at hand of a store that is far: blocks of segments on a disk, contents
 * of records in memory, and what fills both before somebody asks.
 */
export class NearCaches {
  readonly #options: NearCachesOptions;
  #contents = new ContentCache(RECORDS_ELSEWHERE);
  #store: CachedStore | undefined;
  #manifest: Manifest | undefined;
  #prefetching: Promise<void> = Promise.resolve();
  readonly #forgetting = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: NearCachesOptions) {
    this.#options = options;
  }

  get contents(): ContentCache {
    return this.#contents;
  }

  /** `undefined` without a cache on disk. */
  get blocks(): BlockCacheCounters | undefined {
    return this.#store?.cache.counters;
  }

  /** The store as the engine reads it; the other one stays as it is. Touches no file yet. */
  async around({ store, counters, cacheName }: OpenedStorage): Promise<ObjectStore> {
    const { cache, clock, logger, signal } = this.#options;
    // An opening that failed is tried again.
    if (this.#store !== undefined) return this.#store;
    const byKind = counters === undefined ? RECORDS_ELSEWHERE : RECORDS_IN_BUCKET;
    this.#contents = new ContentCache(cache.records ?? byKind);
    if (cache.disk === undefined) return store;
    if (cacheName === undefined) {
      logger.warn("brainy: options.cache keeps nothing on a disk: this storage is local itself");
      return store;
    }
    const [{ DiskCache }, { cached }] = await Promise.all([
      import("./storage/adapters/disk-cache.ts"),
      import("./storage/layers/cached.ts"),
    ]);
    const disk = new DiskCache({
      ...cache.disk,
      store: cacheName,
      clock,
      onProblem: (problem) => logger.warn(`brainy: ${problem}`),
    });
    const isImmutable = (key: string): boolean => parseSegmentKey(key) !== undefined;
    this.#store = cached(store, { cache: disk, isImmutable });
    void this.#tidy(signal);
    return this.#store;
  }

  /** Another manifest is read from, or the first. */
  adopted(view: View, isReader: boolean): void {
    const { manifest } = view;
    const gone = new Set(keysOf(this.#manifest));
    for (const key of keysOf(manifest)) gone.delete(key);
    this.#manifest = manifest;
    for (const key of gone) this.#forget(key);
    const { prefetch, prefetchReadOnly } = this.#options.cache;
    const strategy = isReader ? prefetchReadOnly : prefetch;
    if (strategy === "none") return;
    // One after another: who adopts often does not fetch the same twice at once.
    this.#prefetching = this.#prefetching.then(() => this.#prefetch(view, strategy));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#prefetching;
    await Promise.all(this.#forgetting);
    await this.#store?.cache[Symbol.asyncDispose]();
  }

  /** Of no consequence when it fails: whoever asks later reads, and hears of it. */
  async #prefetch(view: View, strategy: PrefetchStrategy): Promise<void> {
    const { signal, onPrefetched } = this.#options;
    let bytesLeft = PREFETCH_SHARE * (this.#store?.cache.bytesMax ?? 0);
    try {
      for (const segment of view.loadedSegments.values()) {
        if (this.#isGone(segment)) continue;
        await segment.vectors();
        if (strategy === "moderate") continue;
        if (this.#store === undefined) await this.#keepContents(segment);
        for (const [start, end] of this.#store === undefined ? [] : segment.contentRanges) {
          bytesLeft -= end - start;
          if (bytesLeft >= 0) await this.#store!.prefetch(segment.entry.key, [start, end], signal);
        }
      }
      if (!this.#isClosed) onPrefetched(view.manifest.number);
    } catch (error) {
      if (this.#isClosed || isBrainyError(error, "BRAINY_NOT_FOUND")) return;
      this.#options.logger.warn(`brainy: cannot fetch ahead: ${String(error)}`);
    }
  }

  async #keepContents(segment: LoadedSegment): Promise<void> {
    for (let first = 0; first < segment.rows && this.#contents.hasRoom; first += PREFETCH_ROWS) {
      if (this.#isGone(segment)) return;
      const count = Math.min(PREFETCH_ROWS, segment.rows - first);
      const rows = Array.from({ length: count }, (_, i) => first + i);
      const contents = await segment.contentOf(rows);
      for (const [i, row] of rows.entries()) {
        if (!this.#contents.hasRoom) return;
        this.#contents.keep(segment.entry.id, row, contents[i]!);
      }
    }
  }

  #forget(key: string): void {
    const forgotten = (this.#store?.forget(key) ?? Promise.resolve()).finally(() => {
      this.#forgetting.delete(forgotten);
    });
    this.#forgetting.add(forgotten);
  }

  /** Whether nobody will read it: it was replaced meanwhile, or the session ends. */
  #isGone(segment: LoadedSegment): boolean {
    if (this.#isClosed || this.#options.signal.aborted) return true;
    return !this.#manifest!.segments.some(({ id }) => id === segment.entry.id);
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      for (let waitMs = FIRST_TIDY_MS; ; waitMs = TIDY_MS) {
        await clock.sleep(waitMs, signal);
        await this.#store!.cache.tidy(this.#manifest && keysOf(this.#manifest));
      }
    } catch {
      // Closed: nothing else ends the wait, and the cache reports its own failures.
    }
  }
}

/** What a manifest names of what the disk cache keeps. */
function keysOf(manifest: Manifest | undefined): string[] {
  return (manifest?.segments ?? []).flatMap(({ key, deletions }) =>
    deletions !== undefined && "key" in deletions ? [key, deletions.key] : [key],
  );
}
