import type { Etag } from "../object-store.ts";

/** Which object a block is of, and when the store gave it out. */
export interface BlockIdentity {
  readonly etag: Etag;
  /** Size of the whole object. */
  readonly bytesTotal: number;
  /** The store's clock in the answer that brought the block. */
  readonly storeMs: number;
}

/** A block, checked. */
export interface CachedBlock extends BlockIdentity {
  /** As long as the block: shorter than the others for the last one of an object. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a cache of blocks has done since it was made. Live. */
export interface BlockCacheCounters {
  /** Blocks that were answered without a request to the store. */
  hits: number;
  /** Blocks that had to be asked for. */
  misses: number;
  /** Bytes kept, headers included, by all processes; `undefined` until they were counted. */
  bytes: number | undefined;
  /** Blocks that this process removed to make room, or because nobody used them for long. */
  evictions: number;
  /** Blocks that were damaged where they were kept: removed, and asked for again. */
  corrupt: number;
}

/**
 * Keeps blocks of immutable objects near at hand. It is never the only one that has them, so
 * whatever goes wrong is a miss: no call rejects, and `read` gives out only what it has checked.
 */
export interface BlockCache extends AsyncDisposable {
  /** Length of every block but the last of an object. */
  readonly blockBytes: number;
  /** The most that all blocks together may take. */
  readonly bytesMax: number;
  readonly counters: BlockCacheCounters;
  /**
   * The block, or `undefined`. With a `target` of its exact length the bytes are put there and
   * `bytes` is the target; whatever happens, the target's content may have changed.
   */
  read(
    key: string,
    index: number,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<CachedBlock | undefined>;
  /** Whether the block seems to be there; only `read` can tell whether it is sound. */
  has(key: string, index: number): Promise<boolean>;
  /** Resolves with whether the block is kept now. Its bytes must not change until then. */
  write(key: string, index: number, block: CachedBlock): Promise<boolean>;
  /** Removes every block of an object. */
  forget(key: string): Promise<void>;
  /**
   * Counts what is there and removes what is too much; with `keys`, also what is of other objects
   * of this store and was not used for a while.
   */
  tidy(keys?: readonly string[]): Promise<void>;
}

/** Counters that have seen nothing. */
export function newBlockCacheCounters(): BlockCacheCounters {
  return { hits: 0, misses: 0, bytes: undefined, evictions: 0, corrupt: 0 };
}
