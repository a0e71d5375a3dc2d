import type { Clock } from "../base/clock.ts";
import { Coalesced } from "./coalesced.ts";
import type { EventBus } from "./event-bus.ts";
import { decodeHint, type Hint, type HintType } from "./hint.ts";

/** At most twenty times a second something is sent: what is newer replaces what waits. */
const SPACING_MS = 50;
/** Hints about different things that wait to be sent; the oldest make room. */
const WAITING_MAX = 256;

/** Who speaks, and to whom. */
export interface HintsIdentity {
  readonly databaseId: string;
  readonly instanceId: string;
  readonly incarnation: string;
}

/** What has gone in and out. */
export interface HintCounters {
  readonly sent: number;
  /** From others, of this database, and well formed. */
  readonly received: number;
  /** Garbage that came in, and what had to make room on its way out. */
  readonly dropped: number;
}

/**
 * Hints of one session: sends its own, at a bounded rate, and hands out those of others by type.
 * Works without a bus, and before there is one: nobody hears anything then.
 */
export class Hints {
  readonly #clock: Clock;
  readonly #handlers = new Map<HintType, Set<(hint: Hint) => void>>();
  readonly #waiting = new Map<string, Pick<Hint, "type" | "payload">>();
  readonly #sending: Coalesced;
  readonly #stopping = new AbortController();
  #bus: EventBus | undefined;
  #identity: HintsIdentity | undefined;
  #unsubscribe: (() => void) | undefined;
  #sent = 0;
  #received = 0;
  #dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sending = new Coalesced({
      clock: this.#clock,
      signal: this.#stopping.signal,
      spacingMs: SPACING_MS,
      run: async () => this.#send(),
    });
  }

  get counters(): HintCounters {
    const dropped = this.#dropped + (this.#bus?.droppedCount ?? 0);
    return { sent: this.#sent, received: this.#received, dropped };
  }

  /** Whether there is a bus, and it carries something, as far as is known. */
  get isConnected(): boolean {
    return this.#bus?.isConnected === true;
  }

  /** Whether others hear this instance, and it hears them. */
  get isListening(): boolean {
    return this.#identity !== undefined && this.isConnected;
  }

  /** Why it is not connected. */
  get trouble(): string | undefined {
    return this.#bus?.trouble;
  }

  /** What hints will go over. */
  use(bus: EventBus): void {
    this.#bus = bus;
  }

  /** From here on hints go out and come in. */
  start(identity: HintsIdentity): void {
    if (this.#identity !== undefined || this.#stopping.signal.aborted) return;
    this.#identity = identity;
    try {
      this.#unsubscribe = this.#bus?.subscribe(identity.databaseId, (given) => this.#hear(given));
    } catch {
      // A bus of the user's own that breaks its contract: as if all hints were lost.
    }
    if (this.#waiting.size > 0) this.#sending.request();
  }

  /**
   * Tells the others, soon. Never throws, never waits. Of hints with the same `about` only the
   * newest goes out: give one where the newest says everything. Default: the type.
   */
  publish(type: HintType, payload: Hint["payload"], about = ""): void {
    if (this.#stopping.signal.aborted) return;
    const key = `${type} ${about}`;
    this.#waiting.delete(key);
    this.#waiting.set(key, { type, payload });
    if (this.#waiting.size > WAITING_MAX) {
      this.#waiting.delete(this.#waiting.keys().next().value!);
      this.#dropped++;
    }
    if (this.#identity !== undefined) this.#sending.request();
  }

  /** Calls `handler` for hints of a type that came from others. Returns what undoes it. */
  subscribe(type: HintType, handler: (hint: Hint) => void): () => void {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers);
    handlers.add(handler);
    return () => {
      handlers.delete(handler);
    };
  }

  /** Sends what waits, and stops. The bus stays open. */
  close(): void {
    if (this.#stopping.signal.aborted) return;
    this.#send();
    this.#stopping.abort();
    this.#unsubscribe?.();
  }

  #send(): void {
    const identity = this.#identity;
    const bus = this.#bus;
    if (identity === undefined || bus === undefined) return;
    const { databaseId, instanceId, incarnation } = identity;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { type, payload } of waiting) {
      this.#sent++;
      try {
        bus.publish({ type, databaseId, instanceId, incarnation, payload });
      } catch {
        // A bus of the user's own that breaks its contract: one more hint is lost.
        this.#dropped++;
      }
    }
  }

  #hear(given: unknown): void {
    const hint = decodeHint(given);
    const identity = this.#identity;
    if (hint === undefined || hint.databaseId !== identity?.databaseId) {
      this.#dropped++;
      return;
    }
    if (hint.incarnation === identity.incarnation || this.#stopping.signal.aborted) return;
    this.#received++;
    for (const handler of this.#handlers.get(hint.type) ?? []) handler(hint);
  }
}
