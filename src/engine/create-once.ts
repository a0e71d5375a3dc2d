import { equalBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { SureLook } from "./sure-look.ts";

/** What to create, and how hard to try. */
export interface CreateOnceOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly key: string;
  /** Frozen: every attempt sends these. They must hold a nonce, so that nobody else's are equal. */
  readonly bytes: Uint8Array;
  /** How often to send before the outcome is reported as unknown. Default 8, about 20 s. */
  readonly attemptsMax?: number | undefined;
}

/** What is known for certain afterwards. */
export type CreateOutcome =
  | {
      readonly kind: "won";
      /** The store's answer to the PUT itself said so; `false` when it was learnt by looking. */
      readonly direct: boolean;
      /** PUTs sent. After more than one, an earlier one may be what is there, or was. */
      readonly attempts: number;
      readonly storeMs: number;
    }
  | {
      readonly kind: "lost";
      readonly found: Uint8Array<ArrayBuffer>;
      /** A PUT was not answered: it may have had its effect, and what it made be gone again. */
      readonly isUnanswered: boolean;
    };

/**
 * Creates an object, and knows afterwards whether it did.
 *
 * A conditional PUT that was not answered by success is looked at, never guessed: my bytes mean
 * won, other bytes lost, absence means sending the same bytes again. Rejects with
 * `BRAINY_UNAVAILABLE` while the outcome is unknown; calling again with the same bytes goes on
 * from there. Spec: docs/specs/conditional-writes.md.
 */
export async function createOnce(options: CreateOnceOptions): Promise<CreateOutcome> {
  const { store, clock, random, key, bytes, attemptsMax = 8 } = options;
  // Its own bytes, damaged on their way, would be taken for somebody else's.
  const sure = new SureLook(store, key, (found) => equalBytes(found.bytes, bytes));
  let cause: unknown;
  let isUnanswered = false;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (attempt > 0) await clock.sleep(backoffMs(attempt, random));
    try {
      const { storeMs } = await store.put(key, bytes, { condition: { ifAbsent: true } });
      return { kind: "won", direct: true, attempts: attempt + 1, storeMs };
    } catch (error) {
      // A store whose word cannot be trusted any more (a failed fsync): looking proves nothing.
      if (isBrainyError(error, "BRAINY_FENCED")) throw error;
      // Anything that is certain to have changed nothing is the caller's to see, unless an
      // earlier attempt may have succeeded: then only a look can tell.
      const uncertain =
        isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_UNAVAILABLE");
      if (!uncertain && attempt === 0) throw error;
      cause = error;
      isUnanswered ||= !isBrainyError(error, "BRAINY_CONFLICT");
    }
    const found = await sure.look();
    if (found === "absent" || found === "unknown") continue;
    if (!equalBytes(found.bytes, bytes)) return { kind: "lost", found: found.bytes, isUnanswered };
    return { kind: "won", direct: false, attempts: attempt + 1, storeMs: found.storeMs };
  }
  throw new BrainyError(
    "BRAINY_UNAVAILABLE",
    `${key}: the store did not say whether it was written (${attemptsMax} attempts)`,
    { cause },
  );
}

/** Exponential with full jitter, 50 ms to 5 s. */
export function backoffMs(attempt: number, random: Random): number {
  return random.next() * Math.min(5_000, 50 * 2 ** attempt);
}
