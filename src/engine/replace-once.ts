import { equalBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Etag, ObjectStore, StoredObject } from "../storage/object-store.ts";
import { backoffMs } from "./create-once.ts";
import { SureLook } from "./sure-look.ts";

const ATTEMPTS_MAX = 8;

/**
 * Replaces exactly the version that `etag` names, and knows afterwards whether it did. `lost`: the
 * object is another one now, perhaps one that was made from ours. The bytes must hold a nonce.
 * Rejects with `BRAINY_UNAVAILABLE` while the outcome is unknown: the request may still arrive, so
 * whoever goes on must first replace that version by something else.
 * Spec: docs/specs/conditional-writes.md.
 */
export async function replaceOnce(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly key: string;
  readonly etag: Etag;
  readonly bytes: Uint8Array;
}): Promise<"won" | "lost"> {
  const { store, clock, random, key, etag, bytes } = options;
  const isMine = (found: StoredObject): boolean => equalBytes(found.bytes, bytes);
  // Its own bytes, damaged on their way, would be taken for somebody else's.
  const sure = new SureLook(store, key, (found) => isMine(found) || found.etag === etag);
  let cause: unknown;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt > 0) await clock.sleep(backoffMs(attempt, random));
    try {
      await store.put(key, bytes, { condition: { ifMatch: etag } });
      return "won";
    } catch (error) {
      // A store whose word cannot be trusted any more (a failed fsync): looking proves nothing.
      if (isBrainyError(error, "BRAINY_FENCED")) throw error;
      const isOpen =
        isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_UNAVAILABLE");
      if (!isOpen && attempt === 0) throw error;
      cause = error;
    }
    const found = await sure.look();
    if (found === "unknown") continue;
    if (found === "absent") return "lost";
    if (isMine(found)) return "won";
    if (found.etag !== etag) return "lost";
  }
  throw new BrainyError(
    "BRAINY_UNAVAILABLE",
    `${key}: the store did not say whether it was replaced (${ATTEMPTS_MAX} attempts)`,
    { cause },
  );
}
