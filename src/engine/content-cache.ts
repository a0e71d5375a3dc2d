import type { SegmentId } from "../format/manifest.ts";

/** What a text takes in memory beside its characters: two map entries and their key. */
const OVERHEAD_BYTES = 200;

/** Options of `ContentCache`. */
export interface ContentCacheOptions {
  /** The most records; 0 keeps nothing and counts all the same. */
  readonly recordsMax: number;
  /** The most bytes, at two for each character. */
  readonly bytesMax: number;
  /** Share of the bounds that an eviction leaves, more than 0 and at most 1. */
  readonly keptShare: number;
}

/** What a `ContentCache` has done since it was made. */
export interface ContentCacheCounters {
  readonly records: number;
  readonly bytes: number;
  /** Contents that were in memory when they were wanted, those of the tail among them. */
  readonly hits: number;
  /** Contents that were read from a segment. */
  readonly misses: number;
  readonly evictions: number;
}

/**
 * Contents of segment rows, the least recently used evicted first. Rows never change, so nothing
 * here is ever wrong; what is of a segment that is gone ages out.
 */
export class ContentCache {
  readonly #options: ContentCacheOptions;
  readonly #contents = new Map<string, string>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(options: ContentCacheOptions) {
    this.#options = options;
  }

  get counters(): ContentCacheCounters {
    return {
      records: this.#contents.size,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  /** Share of hits; 0 while nothing was wanted. */
  get hitRate(): number {
    const all = this.#hits + this.#misses;
    return all === 0 ? 0 : this.#hits / all;
  }

  /** Whether another record of about this size would push none out. */
  get hasRoom(): boolean {
    const { recordsMax, bytesMax } = this.#options;
    return this.#contents.size < recordsMax && this.#bytes < bytesMax;
  }

  /** Contents that were in memory anyway. */
  countHits(count: number): void {
    this.#hits += count;
  }

  find(segment: SegmentId, row: number): string | undefined {
    const key = `${segment} ${row}`;
    const content = this.#contents.get(key);
    if (content === undefined) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    this.#contents.delete(key);
    this.#contents.set(key, content);
    return content;
  }

  keep(segment: SegmentId, row: number, content: string): void {
    const { recordsMax, bytesMax, keptShare } = this.#options;
    const bytes = bytesOf(content);
    const key = `${segment} ${row}`;
    if (recordsMax === 0 || bytes > bytesMax || this.#contents.has(key)) return;
    if (this.#contents.size + 1 > recordsMax || this.#bytes + bytes > bytesMax) {
      this.#evictTo(
        Math.min(recordsMax - 1, Math.floor(recordsMax * keptShare)),
        Math.min(bytesMax - bytes, bytesMax * keptShare),
      );
    }
    this.#contents.set(key, content);
    this.#bytes += bytes;
  }

  #evictTo(records: number, bytes: number): void {
    for (const [key, content] of this.#contents) {
      if (this.#contents.size <= records && this.#bytes <= bytes) return;
      this.#contents.delete(key);
      this.#bytes -= bytesOf(content);
      this.#evictions++;
    }
  }
}

function bytesOf(content: string): number {
  return OVERHEAD_BYTES + 2 * content.length;
}
