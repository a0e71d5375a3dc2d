/** How memory is best used by an instance that works in one mode. */
export interface CacheStrategy {
  /** Share of the memory for caches that goes to what was read of late, 0 to 1. */
  readonly hotCacheRatio: number;
  /** Whether to read what will probably be asked for next. */
  readonly prefetchAggressive: boolean;
  /** How long what was read may be kept, in milliseconds; objects of a store never change. */
  readonly ttl: number;
  /** Whether writes are gathered in memory. */
  readonly writeBuffer: boolean;
  readonly batchWrites: boolean;
  /** Whether to shift memory between reads and writes with the load. */
  readonly adaptive: boolean;
}

/** What an instance may do, and how its memory is best used. Extend it for a mode of your own. */
export abstract class OperationalMode {
  abstract canRead(): boolean;
  abstract canWrite(): boolean;
  abstract canDelete(): boolean;
  abstract getCacheStrategy(): CacheStrategy;
}

/** Answers queries and writes nothing. */
export class ReadOnlyMode extends OperationalMode {
  override canRead(): boolean {
    return true;
  }

  override canWrite(): boolean {
    return false;
  }

  override canDelete(): boolean {
    return false;
  }

  override getCacheStrategy(): CacheStrategy {
    return {
      hotCacheRatio: 0.8,
      prefetchAggressive: true,
      ttl: Number.POSITIVE_INFINITY,
      writeBuffer: false,
      batchWrites: false,
      adaptive: false,
    };
  }
}

/** Takes writes and answers no queries. */
export class WriteOnlyMode extends OperationalMode {
  override canRead(): boolean {
    return false;
  }

  override canWrite(): boolean {
    return true;
  }

  override canDelete(): boolean {
    return true;
  }

  override getCacheStrategy(): CacheStrategy {
    return {
      hotCacheRatio: 0.2,
      prefetchAggressive: false,
      ttl: 60_000,
      writeBuffer: true,
      batchWrites: true,
      adaptive: false,
    };
  }
}

/** Does both. Needs no lock for it: each process writes to a log of its own. */
export class HybridMode extends OperationalMode {
  override canRead(): boolean {
    return true;
  }

  override canWrite(): boolean {
    return true;
  }

  override canDelete(): boolean {
    return true;
  }

  override getCacheStrategy(): CacheStrategy {
    return {
      hotCacheRatio: 0.5,
      prefetchAggressive: false,
      ttl: Number.POSITIVE_INFINITY,
      writeBuffer: true,
      batchWrites: true,
      adaptive: true,
    };
  }
}
