export type * from "./object-store.ts";
export { MemoryStore, type MemoryStoreOptions } from "./adapters/memory.ts";
