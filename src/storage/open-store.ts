import type { ObjectStore, StoreDescriptor } from "./object-store.ts";

/**
 * Opens the store that a descriptor stands for, as a worker thread does. The adapter is loaded
 * here, so that who only uses memory and layers needs nothing of Node.
 */
export async function openStore(descriptor: StoreDescriptor): Promise<ObjectStore> {
  const { FileSystemStore } = await import("./adapters/file-system.ts");
  return FileSystemStore.open({ root: descriptor.root, shared: descriptor.shared });
}
