import { systemClock, type Clock } from "../base/clock.ts";
import { BoundedQueue } from "./bounded-queue.ts";
import type { EventBus, HintHandler } from "./event-bus.ts";
import { decodeHint, encodeHint, type Hint } from "./hint.ts";
import { HintHandlers } from "./hint-handlers.ts";

/** Hints that wait to be delivered. */
const QUEUE_MAX = 1_000;

/**
 * Hints between several Brainys of one process: give the same bus to each as
 * `distributed: { coordinationMethod: "pubsub", coordinator: bus }`. They go through text, as they
 * would between processes. Whoever made the bus closes it.
 */
export class LocalEventBus implements EventBus {
  readonly name = "local";
  readonly #clock: Clock;
  readonly #handlers = new HintHandlers();
  readonly #queue = new BoundedQueue<string>(QUEUE_MAX);
  #isDelivering = false;
  #isClosed = false;

  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  get isConnected(): boolean {
    return !this.#isClosed;
  }

  get droppedCount(): number {
    return this.#queue.droppedCount;
  }

  publish(hint: Hint): void {
    if (this.#isClosed) return;
    const text = encodeHint(hint);
    if (text === undefined) {
      this.#queue.droppedCount++;
      return;
    }
    this.#queue.push(text);
    if (!this.#isDelivering) void this.#deliver();
  }

  subscribe(databaseId: string, handler: HintHandler): () => void {
    return this.#handlers.add(databaseId, handler);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queue.takeAll();
    this.#handlers.clear();
  }

  async #deliver(): Promise<void> {
    this.#isDelivering = true;
    while (this.#queue.length > 0) {
      await this.#clock.breathe();
      for (const text of this.#queue.takeAll()) {
        const hint = decodeHint(text);
        if (hint !== undefined) this.#handlers.deliver(hint.databaseId, hint);
      }
    }
    this.#isDelivering = false;
  }
}
