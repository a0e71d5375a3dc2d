import type { Clock } from "./base/clock.ts";
import { invalid } from "./base/errors.ts";
import type { BrainyEvent } from "./types.ts";

type Handler = (event: BrainyEvent) => void;

/** Events for people who watch. A handler that throws does not disturb what it watches. */
export class Emitter {
  readonly #clock: Clock;
  readonly #handlers = new Map<string, Set<Handler>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `'*'` hears every type. Returns what undoes it. */
  on(type: string, handler: Handler): () => void {
    if (typeof handler !== "function") throw invalid("on: the handler must be a function");
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers);
    handlers.add(handler);
    return () => {
      handlers.delete(handler);
    };
  }

  emit(type: string, payload: Readonly<Record<string, unknown>>): void {
    const heard = [this.#handlers.get(type) ?? [], this.#handlers.get("*") ?? []];
    const timestamp = new Date(this.#clock.nowMs()).toISOString();
    for (const handler of heard.flatMap((handlers) => [...handlers])) {
      try {
        handler({ type, timestamp, payload });
      } catch {
        // The handler's own mistake: its author sees it in tests, the database goes on.
      }
    }
  }
}
