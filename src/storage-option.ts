import { BrainyError, invalid } from "./base/errors.ts";
import type { Clock } from "./base/clock.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import type { Random } from "./base/random.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { retrying } from "./storage/layers/retrying.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import { openStore } from "./storage/open-store.ts";
import type { StorageOption } from "./types.ts";

/** A store, and whether Brainy made it and so closes it. */
export interface OpenedStorage {
  readonly store: ObjectStore;
  readonly isOwned: boolean;
}

/** Schemes and types that are decided but not built. */
const LATER = new Set(["s3", "customS3", "r2", "gs", "azure", "opfs", "cloud"]);

/**
 * Opens what `options.storage` names. Nothing is created before the first write. What is safe to
 * repeat is repeated when the store does not answer.
 */
export async function openStorage(
  storage: StorageOption,
  options: { readonly clock: Clock; readonly random: Random },
): Promise<OpenedStorage> {
  if (typeof storage === "string") return openStorage(parseStorage(storage), options);
  if (typeof storage !== "object" || storage === null) {
    throw invalid(`options.storage: ${String(storage)} is neither a string nor an object`);
  }
  switch (storage.type) {
    case "memory":
      refuseUnknownKeys(storage, ["type"], "options.storage");
      return { store: new MemoryStore({ clock: options.clock }), isOwned: true };
    case "file": {
      refuseUnknownKeys(storage, ["type", "path", "shared"], "options.storage");
      const { path, shared = true } = storage;
      if (typeof path !== "string" || path === "") {
        throw invalid("options.storage.path must name a folder");
      }
      const store = await openStore({ type: "file", root: path, shared });
      return { store: retrying(store, options), isOwned: true };
    }
    case "store":
      refuseUnknownKeys(storage, ["type", "store"], "options.storage");
      return { store: retrying(storage.store, options), isOwned: false };
    default:
      throw unknownType(String((storage as { readonly type: unknown }).type));
  }
}

function parseStorage(text: string): Exclude<StorageOption, string> {
  if (text === "") throw invalid("options.storage is empty: name a folder, or 'memory'");
  if (text === "memory") return { type: "memory" };
  if (text.includes("{{")) {
    throw new BrainyError(
      "BRAINY_UNSUPPORTED",
      `options.storage ${JSON.stringify(text)}: placeholders are not available in this version`,
    );
  }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(text)?.[1];
  if (scheme === undefined) return { type: "file", path: text };
  if (scheme === "file") return { type: "file", path: decodeURIComponent(new URL(text).pathname) };
  throw unknownType(scheme);
}

function unknownType(type: string): BrainyError {
  if (LATER.has(type)) {
    return new BrainyError(
      "BRAINY_UNSUPPORTED",
      `options.storage: ${type} is not available in this version; use a folder or 'memory'`,
    );
  }
  return invalid(
    `options.storage: ${JSON.stringify(type)} is none of memory, file, store; a string is a folder`,
  );
}
