import { Brainy } from "./brainy.ts";
import type { BrainyOptions } from "./types.ts";

export { Brainy, Brainy as BrainyData };
export default Brainy;

/** The same as `new Brainy(options)`. */
export function createAutoBrainy(options?: BrainyOptions): Brainy {
  return new Brainy(options);
}

export { BrainyError, ERROR_CODES, isBrainyError } from "./base/errors.ts";
export type { ErrorAction, ErrorCode } from "./base/errors.ts";
export type { DistributedConfig } from "./cluster/distributed-config.ts";
export type { InstanceView } from "./cluster/registry.ts";
export type { Filter } from "./engine/filter-types.ts";
export type { VerifyProblem, VerifyReport } from "./engine/verify.ts";
export type { ConflictResolution } from "./format/config.ts";
export type { Metric } from "./kernel/metric.ts";
export type { HealthStatus, Metrics } from "./monitor.ts";
export { shutdownOnSignals, type Closeable, type ShutdownOptions } from "./shutdown.ts";
export { cutPassages, functionEmbedder, kindOfFile, lexicalEmbedder } from "./text/index.ts";
export type {
  EmbedFunction,
  EmbedOptions,
  Embedder,
  FunctionEmbedderOptions,
  Passage,
  PassageKind,
  PassageOptions,
} from "./text/index.ts";
export type * from "./types.ts";
