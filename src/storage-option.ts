import { BrainyError, invalid } from "./base/errors.ts";
import type { Clock } from "./base/clock.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import type { Random } from "./base/random.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { RequestCounters } from "./storage/layers/metered.ts";
import { retrying } from "./storage/layers/retrying.ts";
import type { ObjectStore } from "./storage/object-store.ts";
import { openRetrying } from "./storage/open-store.ts";
import type { BucketStorage, StorageOption } from "./types.ts";

/** A store, and whether Brainy made it and so closes it. */
export interface OpenedStorage {
  readonly store: ObjectStore;
  readonly isOwned: boolean;
  /** Requests sent, repetitions included, live: where each costs money, so look seldom. */
  readonly counters?: RequestCounters | undefined;
  /** Names this store in a cache that others share; absent where reading is as near as a cache. */
  readonly cacheName?: string | undefined;
  /** Whether it keeps what the protocols rest on is found out before the first write. */
  readonly needsProbe: boolean;
}

/** Schemes and types that are decided but not built. */
const LATER = new Set(["r2", "gs", "azure", "opfs", "cloud"]);

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
      return {
        store: new MemoryStore({ clock: options.clock }),
        isOwned: true,
        needsProbe: false,
      };
    case "file": {
      refuseUnknownKeys(storage, ["type", "path", "shared"], "options.storage");
      const { path, shared = true } = storage;
      if (typeof path !== "string" || path === "") {
        throw invalid("options.storage.path must name a folder");
      }
      const { store } = await openRetrying({ type: "file", root: path, shared }, options);
      return { store, isOwned: true, needsProbe: false };
    }
    case "store":
      refuseUnknownKeys(storage, ["type", "store"], "options.storage");
      return {
        store: retrying(storage.store, options),
        isOwned: false,
        needsProbe: true,
        cacheName: storage.store.name,
      };
    case "s3":
    case "customS3":
      return openBucket(storage, options);
    default:
      throw unknownType(String((storage as { readonly type: unknown }).type));
  }
}

async function openBucket(
  { type, ...given }: BucketStorage,
  options: { readonly clock: Clock; readonly random: Random },
): Promise<OpenedStorage> {
  if (type === "customS3" && given.endpoint === undefined) {
    throw invalid("options.storage.endpoint: customS3 needs the address of the store");
  }
  const { openS3 } = await import("./storage/adapters/s3-open.ts");
  const bucket = await openS3({ ...given, ...options });
  // Buckets of different servers may have one name.
  const cacheName = `${given.endpoint ?? ""} ${bucket.store.name}`;
  return { ...bucket, isOwned: true, needsProbe: true, cacheName };
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
  if (scheme === "s3") return parseBucket(text);
  throw unknownType(scheme);
}

/** `s3://bucket`, `s3://bucket/prefix`. */
export function parseBucket(text: string): BucketStorage {
  const { hostname, pathname, search, hash } = new URL(text);
  if (hostname === "" || search !== "" || hash !== "") {
    throw invalid(
      `options.storage: ${JSON.stringify(text)} is not s3://bucket or s3://bucket/prefix`,
    );
  }
  const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, "");
  return { type: "s3", bucket: hostname, ...(prefix !== "" && { prefix }) };
}

function unknownType(type: string): BrainyError {
  if (LATER.has(type)) {
    return new BrainyError(
      "BRAINY_UNSUPPORTED",
      `options.storage: ${type} is not available in this version; use a folder or 'memory'`,
    );
  }
  return invalid(
    `options.storage: ${JSON.stringify(type)} is none of memory, file, s3, customS3, store; a string is a folder`,
  );
}
