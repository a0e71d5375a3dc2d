import type { HintHandler } from "./event-bus.ts";

/** Who listens to which database. What every bus in this folder delivers to. */
export class HintHandlers {
  readonly #handlers = new Map<string, Set<HintHandler>>();

  get topics(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  /** Returns what undoes it, and says whether that left the topic without a listener. */
  add(topic: string, handler: HintHandler): () => boolean {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    // Wrapped, so that one function may listen twice.
    const own: HintHandler = (hint) => handler(hint);
    handlers.add(own);
    return () => {
      handlers.delete(own);
      const isLast = handlers.size === 0 && this.#handlers.get(topic) === handlers;
      if (isLast) this.#handlers.delete(topic);
      return isLast;
    };
  }

  deliver(topic: string, hint: unknown): void {
    for (const handler of this.#handlers.get(topic) ?? []) {
      try {
        handler(hint);
      } catch {
        // The listener's own mistake. A hint that is lost costs latency only.
      }
    }
  }

  clear(): void {
    this.#handlers.clear();
  }
}
