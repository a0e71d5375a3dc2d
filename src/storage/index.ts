/*
 * What `brainy/storage` offers. This list loads the file-system adapter and with it `node:`; code
 * that has to run elsewhere imports the files it needs, and `openStore` for the rest.
 */
export type * from "./object-store.ts";
export { FileSystemStore, type FileSystemStoreOptions } from "./adapters/file-system.ts";
export type { FileCalls } from "./adapters/file-calls.ts";
export { MemoryStore, type MemoryStoreOptions } from "./adapters/memory.ts";
export { S3Store } from "./adapters/s3.ts";
export type { S3StoreOptions, S3TuningOptions } from "./adapters/s3-options.ts";
export { estimateRequestCost, REQUEST_USD_PER_MILLION, type RequestCost } from "./cost.ts";
export { probeStore, type ProbeOptions } from "./probe.ts";
export { openStore } from "./open-store.ts";
export { faulty, type FaultyOptions, type FaultyStore } from "./layers/faulty.ts";
export { metered, type RequestCounter, type RequestCounters } from "./layers/metered.ts";
export type { RequestKind } from "./layers/metered.ts";
export { prefixed } from "./layers/prefixed.ts";
export { retrying, type RetryingOptions } from "./layers/retrying.ts";
