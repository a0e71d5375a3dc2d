import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { S3StoreOptions } from "./adapters/s3-options.ts";
import type { RequestCounters } from "./layers/metered.ts";
import { retrying } from "./layers/retrying.ts";
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

/**
 * The same, repeating what is safe to repeat: as often as the descriptor says, where it does. Where
 * requests cost money they are counted.
 */
export async function openRetrying(
  descriptor: StoreDescriptor,
  options: { readonly clock: Clock; readonly random: Random },
): Promise<{ readonly store: ObjectStore; readonly counters?: RequestCounters | undefined }> {
  if (descriptor.type === "s3") {
    const { openS3 } = await import("./adapters/s3-open.ts");
    const given = descriptor.options as unknown as S3StoreOptions;
    return openS3({ ...given, ...options });
  }
  return { store: retrying(await openStore(descriptor), options) };
}
