import { invalid } from "./base/errors.ts";
import type { ContentCacheOptions } from "./engine/content-cache.ts";
import { asObject, optional, refuseUnknown, show, unsupported } from "./option-checks.ts";
import { parseByteSize } from "./byte-size.ts";
import type { BrainyOptions, CacheOptions, CachingOptions, PrefetchStrategy } from "./types.ts";

/** `cache` or `caching`, checked, with every default filled in. */
export interface ResolvedCache {
  /** `undefined`: nothing is kept on a disk. */
  readonly disk: ResolvedDiskCache | undefined;
  /** `undefined`: what the kind of store calls for. */
  readonly records: ContentCacheOptions | undefined;
  readonly prefetch: PrefetchStrategy;
  /** The same, of an instance that only reads. */
  readonly prefetchReadOnly: PrefetchStrategy;
  /** Another name of `batching.size`. */
  readonly batchSize: number | undefined;
}

/** The disk cache, as it was asked for. */
export interface ResolvedDiskCache {
  /** `undefined`: one in the system's folder for temporary files. */
  readonly dir: string | undefined;
  readonly bytesMax: number;
  readonly unusedMsMax: number | undefined;
}

const GIBIBYTE = 2 ** 30;
/** As many bytes as 32 blocks of the disk cache. */
const DISK_BYTES_MIN = 32 * 2 ** 20;
const DISK_BYTES = 8 * GIBIBYTE;
const KEPT_SHARE = 0.9;
const RECORDS = 10_000;
const RECORDS_MAX = 100_000_000;
const RECORD_BYTES = 32 * 2 ** 20;
/** Where nothing is said: of a bucket, where each content read costs requests, and elsewhere. */
export const RECORDS_IN_BUCKET: ContentCacheOptions = {
  recordsMax: RECORDS,
  bytesMax: RECORD_BYTES,
  keptShare: KEPT_SHARE,
};
/** Counts, and keeps nothing: files of a folder are in the page cache already. */
export const RECORDS_ELSEWHERE: ContentCacheOptions = { ...RECORDS_IN_BUCKET, recordsMax: 0 };

const STRATEGIES: readonly PrefetchStrategy[] = ["none", "moderate", "aggressive"];
const KNOWN = [
  "dir",
  "maxBytes",
  "warmCacheSize",
  "warmCacheTTL",
  "hotCacheSize",
  "hotCacheMaxSize",
  "hotCacheEvictionThreshold",
  "prefetchStrategy",
  "readOnlyMode",
  "batchSize",
  "autoTune",
] as const;

/** Checks `options.cache`, or `options.caching`, which is the same with a `ttl` in seconds. */
export function resolveCache(options: BrainyOptions): ResolvedCache {
  const { where, given } = givenCache(options);
  const { hotCacheMaxSize, hotCacheSize, hotCacheEvictionThreshold, batchSize } = given;
  const { prefetchStrategy = "none" } = given;
  const autoTune: unknown = given.autoTune;
  if (autoTune === true) throw unsupported(`${where}.autoTune`);
  if (autoTune !== undefined && autoTune !== false) {
    throw invalid(`${where}.autoTune must be false, not ${show(autoTune)}`);
  }
  const share = hotCacheEvictionThreshold ?? KEPT_SHARE;
  if (typeof share !== "number" || !(share > 0 && share <= 1)) {
    throw invalid(`${where}.hotCacheEvictionThreshold: ${show(share)} is not in (0, 1]`);
  }
  optional(hotCacheMaxSize, `${where}.hotCacheMaxSize`, 0, RECORDS_MAX);
  const isGiven = [hotCacheMaxSize, hotCacheSize, hotCacheEvictionThreshold].some(
    (value) => value !== undefined,
  );
  const readOnlyMode = asObject(given.readOnlyMode ?? {}, `${where}.readOnlyMode`);
  refuseUnknown(readOnlyMode, ["prefetchStrategy"], `${where}.readOnlyMode`);
  const { prefetchStrategy: ofReaders = prefetchStrategy } = given.readOnlyMode ?? {};
  return {
    disk: resolveDisk(given, where),
    records: isGiven
      ? {
          // Whoever sets one bound is held by that one.
          recordsMax: hotCacheMaxSize ?? (hotCacheSize === undefined ? RECORDS : RECORDS_MAX),
          bytesMax: parseByteSize(
            hotCacheSize ?? (hotCacheMaxSize === undefined ? RECORD_BYTES : 2 * RECORD_BYTES),
            `${where}.hotCacheSize`,
          ),
          keptShare: share,
        }
      : undefined,
    prefetch: checkStrategy(prefetchStrategy, `${where}.prefetchStrategy`),
    prefetchReadOnly: checkStrategy(ofReaders, `${where}.readOnlyMode.prefetchStrategy`),
    batchSize: optional(batchSize, `${where}.batchSize`, 1, 10_000),
  };
}

function givenCache({ cache, caching }: BrainyOptions): {
  readonly where: string;
  readonly given: CacheOptions;
} {
  if (cache !== undefined && caching !== undefined) {
    throw invalid("options.cache and options.caching are the same: pass one of them");
  }
  const where = caching === undefined ? "options.cache" : "options.caching";
  const both: unknown = cache ?? caching ?? {};
  if (typeof both === "string") throw unsupported(`${where} ${show(both)}`);
  const given = asObject(both, where) as CachingOptions;
  if (caching === undefined) {
    refuseUnknown(given, KNOWN, where, ["bloomFilters"]);
    return { where, given };
  }
  refuseUnknown(given, [...KNOWN, "ttl"], where, ["bloomFilters"]);
  const { ttl, ...rest } = given;
  if (ttl === undefined) return { where, given: rest };
  if (rest.warmCacheTTL !== undefined) {
    throw invalid(`${where}.ttl (s) and ${where}.warmCacheTTL (ms) are the same: pass one`);
  }
  optional(ttl, `${where}.ttl`, 1, 1_000_000_000);
  return { where, given: { ...rest, warmCacheTTL: 1_000 * ttl } };
}

function resolveDisk(given: CacheOptions, where: string): ResolvedDiskCache | undefined {
  const { dir, maxBytes, warmCacheSize, warmCacheTTL } = given;
  const bound = parseByteSize(
    maxBytes ?? warmCacheSize ?? DISK_BYTES,
    `${where}.${maxBytes === undefined ? "warmCacheSize" : "maxBytes"}`,
    DISK_BYTES_MIN,
  );
  if (maxBytes !== undefined && warmCacheSize !== undefined) {
    throw invalid(`${where}.maxBytes and ${where}.warmCacheSize are the same: pass one`);
  }
  optional(warmCacheTTL, `${where}.warmCacheTTL`, 1);
  const isGiven = [dir, maxBytes, warmCacheSize, warmCacheTTL].some((one) => one !== undefined);
  if (!isGiven) return undefined;
  if (dir !== undefined && (typeof dir !== "string" || dir === "")) {
    throw invalid(`${where}.dir must name a folder`);
  }
  return { dir, bytesMax: bound, unusedMsMax: warmCacheTTL };
}

function checkStrategy(strategy: unknown, where: string): PrefetchStrategy {
  const known = STRATEGIES.find((name) => name === strategy);
  if (known !== undefined) return known;
  throw invalid(`${where}: ${show(strategy)} is none of ${STRATEGIES.join(", ")}`);
}
