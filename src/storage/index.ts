/*
 * What `brainy/storage` offers. This list loads the file-system adapter and with it `node:`; code
 * that has to run elsewhere imports the files it needs, and `openStore` for the rest.
 */
export type * from "./object-store.ts";
export { FileSystemStore, type FileSystemStoreOptions } from "./adapters/file-system.ts";
export type { FileCalls } from "./adapters/file-calls.ts";
export { MemoryStore, type MemoryStoreOptions } from "./adapters/memory.ts";
export { openStore } from "./open-store.ts";
