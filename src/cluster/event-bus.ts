import type { Hint } from "./hint.ts";

/** Hears what others published. What it is given is checked before anything is done with it. */
export type HintHandler = (hint: unknown) => void;

/**
 * Carries hints between the instances of a database, each at most once: a way to wake others
 * early, and never the only way to anything. An adapter to a broker of your own is one of these;
 * pass it as `distributed.coordinator`.
 *
 * Contract:
 * - `publish` returns at once and never throws. What cannot be sent is kept in a queue of bounded
 *   length, from which the oldest go first, or dropped.
 * - A handler gets hints of its topic only, never inside a `publish`. One that throws disturbs
 *   neither the bus nor the other handlers. Whether a publisher hears itself is left open.
 * - Order, duplicates and losses are left open too.
 * - After `close`, which is idempotent, nothing is delivered and `publish` does nothing.
 */
export interface EventBus {
  /** For logs and warnings. */
  readonly name: string;
  /** Whether what is published now would reach others, as far as this process knows. */
  readonly isConnected: boolean;
  /** Why it is not connected, once it has tried; health shows it. */
  readonly trouble?: string | undefined;
  /** Hints that were dropped here, before they could be sent or delivered. */
  readonly droppedCount: number;

  /** Sends to all who subscribed to `hint.databaseId`. */
  publish(hint: Hint): void;

  /** Calls `handler` for every hint of a database. Returns what undoes it. */
  subscribe(databaseId: string, handler: HintHandler): () => void;

  /** Sends what waits, if that can be done at once, and stops. Never rejects. */
  close(): Promise<void>;
}
