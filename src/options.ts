import { systemClock, type Clock } from "./base/clock.ts";
import { BrainyError, invalid, isBrainyError } from "./base/errors.ts";
import { systemRandom, type Random } from "./base/random.ts";
import { DEFAULT_COMPACTION, type CompactionOptions } from "./engine/compaction-plan.ts";
import {
  DEFAULT_LIMITS,
  type DatabaseLimits,
  type IndexingOptions,
} from "./engine/database-limits.ts";
import { DELETED_GONE_WITHIN_MIN_MS } from "./engine/erasure.ts";
import { DIMENSIONS_MAX } from "./engine/record-input.ts";
import { resolveDistributed, type ResolvedDistributed } from "./distributed-options.ts";
import { withEnvironment } from "./environment-options.ts";
import { readEnvironment, readTextFile, type FleetEnvironment } from "./environment.ts";
import {
  CHANGEABLE,
  pickChangeable,
  type ChangeableSettings,
} from "./format/changeable-settings.ts";
import { resolveCache, type ResolvedCache } from "./cache-options.ts";
import type { Metric } from "./kernel/metric.ts";
import {
  asObject,
  boolean,
  optional,
  refuseUnknown,
  show,
  unsupported,
  wholeNumber,
} from "./option-checks.ts";
import { functionEmbedder, type Embedder } from "./text/index.ts";
import type {
  BrainyOptions,
  DistributedOptions,
  EmbeddingFunction,
  Logger,
  StorageOption,
} from "./types.ts";

/** Options that were checked, with every default filled in. */
export interface ResolvedOptions {
  readonly storage: StorageOption;
  readonly dimensions: number | undefined;
  readonly metric: Metric | undefined;
  /** `undefined`: the lexical one, if a text ever needs it. */
  readonly embedder: Embedder | undefined;
  readonly embeddingBatchSize: number;
  /** Of a role that is yet to be found, `false`. */
  readonly readOnly: boolean;
  /** No index is held. Only where the role turns out to be writer. */
  readonly writeOnly: boolean;
  readonly checkpoint: string | undefined;
  readonly cache: ResolvedCache;
  readonly batchSize: number;
  readonly indexing: IndexingOptions;
  readonly compaction: Omit<CompactionOptions, "partitionCount">;
  /** What was said of the settings that may change while it runs, and nothing that was not. */
  readonly given: ChangeableSettings;
  readonly limits: DatabaseLimits;
  /** `undefined`: not part of a fleet. */
  readonly distributed: ResolvedDistributed | undefined;
  /** What the environment says and is not used. */
  readonly notes: readonly string[];
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

const METRICS: readonly Metric[] = ["cosine", "euclidean", "dot"];

const KNOWN = [
  "storage",
  "dimensions",
  "metric",
  "embedding",
  "readOnly",
  "writeOnly",
  "mode",
  "checkpoint",
  "cache",
  "caching",
  "batching",
  "indexing",
  "compaction",
  "pollInterval",
  "limits",
  "distributed",
  "logging",
  "clock",
  "random",
] as const;

/** Names that the design reserves: refused as not there yet, never as unknown. */
const RESERVED: ReadonlySet<string> = new Set(
  `role instanceId hnsw partitioning rateLimit deduplication
   s3 monitoring domainDetector memory recallTarget peers region profile cluster syncFrom
   federation upstream namespace`.split(/\s+/),
);

const NOOP_LOGGER: Logger = { info: () => {}, warn: () => {} };

/** Checks what users pass to `new Brainy`. Nothing is opened or written yet. */
export function resolveOptions(
  options: BrainyOptions = {},
  environment: FleetEnvironment = readEnvironment(),
): ResolvedOptions {
  const given = asObject(options, "options");
  refuseUnknown(given, KNOWN, "options", RESERVED);
  if ("storage" in given && given["storage"] === undefined) {
    throw invalid(
      "options.storage is undefined: is an environment variable missing? " +
        "Leave the key out, or say 'memory', for a database that keeps nothing",
    );
  }
  if (!isOfFleet(options)) return resolveAll(options, {}, []);
  const context = { readFile: readTextFile, known: KNOWN, reserved: RESERVED };
  const { options: all, notes, file } = withEnvironment(options, environment, context);
  try {
    return resolveAll(all, environment, notes);
  } catch (error) {
    if (file === undefined || !isBrainyError(error)) throw error;
    const from = `; options are those of BRAINY_CONFIG_PATH=${file} before those in code`;
    throw new BrainyError(error.code, error.message + from, { cause: error });
  }
}

/** The environment is not looked at where it is not. */
function isOfFleet({ distributed = false }: BrainyOptions): boolean {
  if (typeof distributed === "boolean") return distributed;
  const { enabled = true }: DistributedOptions = asObject(distributed, "options.distributed");
  return enabled;
}

function resolveAll(
  options: BrainyOptions,
  environment: FleetEnvironment,
  notes: readonly string[],
): ResolvedOptions {
  const { dimensions, metric, checkpoint } = options;
  if (dimensions !== undefined) wholeNumber(dimensions, "options.dimensions", 1, DIMENSIONS_MAX);
  if (metric !== undefined && !METRICS.includes(metric)) {
    throw invalid(`options.metric: ${show(metric)} is none of ${METRICS.join(", ")}`);
  }
  const { embedder, batchSize: embeddingBatchSize } = resolveEmbedding(options);
  const { limits, compactionBytesMax, deletedGoneWithinMs } = resolveLimits(options);
  const cache = resolveCache(options);
  const batchSize = resolveBatchSize(options, cache);
  const modes = resolveModes(options);
  const isReadOnly = modes.readOnly || checkpoint !== undefined;
  if (isReadOnly && modes.writeOnly) {
    throw invalid("options: an instance cannot be read-only and write-only");
  }
  const distributed = resolveDistributed(options, environment);
  return {
    storage: options.storage ?? "memory",
    dimensions,
    metric,
    embedder,
    embeddingBatchSize,
    readOnly: distributed === undefined ? isReadOnly : distributed.role.role === "reader",
    writeOnly:
      modes.writeOnly || (distributed !== undefined && environment.BRAINY_MODE === "write-only"),
    checkpoint,
    cache,
    batchSize,
    indexing: resolveIndexing(options),
    compaction: {
      ...DEFAULT_COMPACTION,
      memoryBytesMax: compactionBytesMax,
      deletedGoneWithinMs,
    },
    given: resolveGiven(options),
    limits: {
      ...limits,
      slotOperationsMax: batchSize,
      maxClockSkewMs: distributed?.maxClockSkewMs ?? limits.maxClockSkewMs,
    },
    distributed,
    notes,
    logger: resolveLogger(options),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function resolveModes({ readOnly = false, writeOnly = false, mode }: BrainyOptions): {
  readonly readOnly: boolean;
  readonly writeOnly: boolean;
} {
  for (const [name, value] of Object.entries({ readOnly, writeOnly })) {
    if (typeof value !== "boolean") throw invalid(`options.${name} must be true or false`);
  }
  // A name that the design reserves.
  if ((mode as string) === "edge") throw unsupported(`options.mode ${show(mode)}`);
  if (mode !== undefined && mode !== "read-only" && mode !== "write-only") {
    throw invalid(`options.mode: ${show(mode)} is neither 'read-only' nor 'write-only'`);
  }
  return {
    readOnly: readOnly || mode === "read-only",
    writeOnly: writeOnly || mode === "write-only",
  };
}

function resolveEmbedding({ embedding, dimensions }: BrainyOptions): {
  readonly embedder: Embedder | undefined;
  readonly batchSize: number;
} {
  if (embedding === undefined) return { embedder: undefined, batchSize: 100 };
  if (typeof embedding === "function") return fromFunction(embedding, "custom", dimensions);
  const given = asObject(embedding, "options.embedding");
  if (isEmbedder(given)) return { embedder: given, batchSize: 100 };
  refuseUnknown(given, ["embed", "model", "batchSize"], "options.embedding", [
    "provider",
    "cacheEmbeddings",
    "apiKey",
    "baseURL",
    "dimensions",
  ]);
  const { embed, model = "custom", batchSize = 100 } = given as Record<string, unknown>;
  if (embed === undefined) throw unsupported("options.embedding without a function `embed`");
  if (typeof embed !== "function") throw invalid("options.embedding.embed must be a function");
  if (typeof model !== "string" || model === "") {
    throw invalid("options.embedding.model must be a name");
  }
  wholeNumber(batchSize, "options.embedding.batchSize", 1, 10_000);
  const resolved = fromFunction(embed as EmbeddingFunction, model, dimensions);
  return { ...resolved, batchSize: batchSize as number };
}

function fromFunction(
  embed: EmbeddingFunction,
  name: string,
  dimensions: number | undefined,
): { readonly embedder: Embedder; readonly batchSize: number } {
  const options = dimensions === undefined ? { name } : { name, dimensions };
  return { embedder: functionEmbedder(embed, options), batchSize: 100 };
}

function isEmbedder(value: object): value is Embedder {
  return "name" in value && "embed" in value && "dimensions" in value;
}

function resolveBatchSize({ batching = {} }: BrainyOptions, cache: ResolvedCache): number {
  const where = "options.batching";
  refuseUnknown(asObject(batching, where), ["size", "flushInterval"], where, ["parallelWrites"]);
  if (batching.size !== undefined && cache.batchSize !== undefined) {
    throw invalid(`${where}.size and options.cache.batchSize are the same: pass one of them`);
  }
  return optional(batching.size, `${where}.size`, 1, 10_000) ?? cache.batchSize ?? 4_000;
}

function resolveGiven(options: BrainyOptions): ChangeableSettings {
  const { distributed, pollInterval, batching, compaction, logging } = options;
  const fleet = typeof distributed === "object" ? distributed : {};
  const given = {
    heartbeatInterval: fleet.heartbeatInterval,
    instanceTimeout: fleet.instanceTimeout,
    pollInterval,
    flushInterval: batching?.flushInterval,
    compaction,
    verbose: logging?.verbose,
  };
  const { heartbeatInterval, instanceTimeout, flushInterval } = CHANGEABLE;
  const ms = (name: string, value: number | undefined, { least, most }: Bounds): unknown =>
    optional(value, `options.${name}`, least, most);
  ms("distributed.heartbeatInterval", given.heartbeatInterval, heartbeatInterval);
  ms("distributed.instanceTimeout", given.instanceTimeout, instanceTimeout);
  ms("pollInterval", given.pollInterval, CHANGEABLE.pollInterval);
  ms("batching.flushInterval", given.flushInterval, flushInterval);
  boolean(compaction, "options.compaction");
  boolean(given.verbose, "options.logging.verbose");
  return pickChangeable(given);
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

function resolveIndexing({ indexing = {} }: BrainyOptions): IndexingOptions {
  const where = "options.indexing";
  refuseUnknown(asObject(indexing, where), ["async", "batchIndexUpdates"], where);
  const { async = true, batchIndexUpdates = true } = indexing;
  for (const [name, value] of Object.entries({ async, batchIndexUpdates })) {
    if (typeof value !== "boolean") throw invalid(`${where}.${name} must be true or false`);
  }
  return { async, batchIndexUpdates };
}

function resolveLimits({ limits = {} }: BrainyOptions): {
  readonly limits: DatabaseLimits;
  readonly compactionBytesMax: number;
  readonly deletedGoneWithinMs: number;
} {
  const where = "options.limits";
  const names = [
    "maxClockSkew",
    "tailBytesMax",
    "compactionBytesMax",
    "deletedGoneWithin",
  ] as const;
  refuseUnknown(asObject(limits, where), names, where);
  const { maxClockSkewMs, tailBytesMax, ...rest } = DEFAULT_LIMITS;
  const least = 8 * 2 ** 20;
  return {
    limits: {
      ...rest,
      maxClockSkewMs: optional(limits.maxClockSkew, `${where}.maxClockSkew`, 1) ?? maxClockSkewMs,
      tailBytesMax: optional(limits.tailBytesMax, `${where}.tailBytesMax`, least) ?? tailBytesMax,
    },
    compactionBytesMax:
      optional(limits.compactionBytesMax, `${where}.compactionBytesMax`, least) ??
      DEFAULT_COMPACTION.memoryBytesMax,
    deletedGoneWithinMs:
      optional(
        limits.deletedGoneWithin,
        `${where}.deletedGoneWithin`,
        DELETED_GONE_WITHIN_MIN_MS,
      ) ?? DEFAULT_COMPACTION.deletedGoneWithinMs,
  };
}

function resolveLogger({ logging = {} }: BrainyOptions): Logger {
  const where = "options.logging";
  refuseUnknown(asObject(logging, where), ["verbose", "logger"], where);
  const fallback = (globalThis as { console?: Logger }).console ?? NOOP_LOGGER;
  return logging.logger ?? fallback;
}
