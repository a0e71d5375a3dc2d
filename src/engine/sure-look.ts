import { equalBytes } from "../base/bytes.ts";
import { isBrainyError } from "../base/errors.ts";
import type { ObjectStore, StoredObject } from "../storage/object-store.ts";

/**
 * Looks at what is under a key so that bytes which were damaged on their way cannot mislead: what
 * `isSure` does not know by itself counts only when two readings, the second past every cache, gave
 * the same bytes. One GET, or two; those of an earlier look count too.
 */
export class SureLook {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #isSure: (found: StoredObject) => boolean;
  #seen: Uint8Array | undefined;

  constructor(store: ObjectStore, key: string, isSure: (found: StoredObject) => boolean) {
    this.#store = store;
    this.#key = key;
    this.#isSure = isSure;
  }

  /**
   * `unknown` while the store does not say, or says something else each time. What is gone at the
   * second reading counts as it was read.
   */
  async look(): Promise<StoredObject | "absent" | "unknown"> {
    try {
      const found = await this.#store.get(this.#key);
      if (found === undefined) return "absent";
      if (this.#counts(found)) return found;
      const again = await this.#store.get(this.#key, { fresh: true });
      if (again === undefined) return found;
      return this.#counts(again) ? again : "unknown";
    } catch (error) {
      if (isBrainyError(error, "BRAINY_UNAVAILABLE")) return "unknown";
      throw error;
    }
  }

  #counts(found: StoredObject): boolean {
    if (this.#isSure(found)) return true;
    const isSeen = this.#seen !== undefined && equalBytes(this.#seen, found.bytes);
    this.#seen = found.bytes;
    return isSeen;
  }
}
