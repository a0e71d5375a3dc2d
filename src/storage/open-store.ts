import type { S3StoreOptions } from "./adapters/s3-options.ts";
import type { ObjectStore, StoreDescriptor } from "./object-store.ts";

/**
 * Opens the store that a descriptor stands for, as a worker thread does. The adapter is loaded
 * here, so that who only uses memory and layers needs nothing of Node.
 */
export async function openStore(descriptor: StoreDescriptor): Promise<ObjectStore> {
  if (descriptor.type === "s3") {
    const { S3Store } = await import("./adapters/s3.ts");
    return S3Store.open(descriptor.options as unknown as S3StoreOptions);
  }
  const { FileSystemStore } = await import("./adapters/file-system.ts");
  return FileSystemStore.open({ root: descriptor.root, shared: descriptor.shared });
}
