import type { EventBus, HintHandler } from "../../src/cluster/event-bus.ts";
import { decodeHint, encodeHint, type Hint } from "../../src/cluster/hint.ts";
import type { Faults } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { World } from "./world.ts";

/** How hints fare in one seed. */
export interface HintWeather {
  /** Chance that a hint does not reach one of its listeners; 1 loses all. */
  readonly lossRate: number;
  /** Chance that it comes a second time. */
  readonly repeatRate: number;
  /** The longest that it is under way; so they overtake each other. */
  readonly delayMs: number;
  /** Chance that something else arrives in its place. */
  readonly garbageRate: number;
}

/** A broker between virtual processes, which keeps no promise but that of `EventBus`. */
export class HintNetwork {
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #weather: HintWeather;
  readonly #listeners = new Set<HintBus>();

  constructor({ scheduler, faults }: World, weather: HintWeather) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#weather = weather;
  }

  /** The bus of one process run. */
  connect(process: VirtualProcess): EventBus {
    const bus = new HintBus(this, process);
    this.#listeners.add(bus);
    return bus;
  }

  forget(bus: HintBus): void {
    this.#listeners.delete(bus);
  }

  send(hint: Hint): void {
    const text = encodeHint(hint);
    if (text === undefined) return;
    const { lossRate, repeatRate, delayMs, garbageRate } = this.#weather;
    for (const listener of this.#listeners) {
      const garbage = this.#garbage(hint);
      const waysMs = [0, 0].map(() => 1 + this.#scheduler.random.next() ** 3 * delayMs);
      const isLost = this.#faults.occurs("hint-lost", lossRate);
      const isTwice = this.#faults.occurs("hint-repeated", repeatRate);
      const isGarbled = this.#faults.occurs("hint-garbled", garbageRate);
      const given = isGarbled ? garbage : decodeHint(text);
      for (const wayMs of isLost ? [] : waysMs.slice(0, isTwice ? 2 : 1)) {
        this.#scheduler.after(wayMs, () => listener.deliver(hint.databaseId, given));
      }
    }
  }

  /** Well formed and wrong, or not even that. */
  #garbage(hint: Hint): unknown {
    const slot = this.#scheduler.below(100);
    return this.#scheduler.pick([
      { ...hint, payload: { ...hint.payload, slot, version: slot, manifest: slot } },
      { ...hint, type: "config_changed", payload: {} },
      "}{",
      undefined,
    ]);
  }
}

class HintBus implements EventBus {
  readonly name = "virtual hints";
  readonly droppedCount = 0;
  readonly #network: HintNetwork;
  readonly #process: VirtualProcess;
  readonly #handlers = new Map<HintHandler, string>();
  #isClosed = false;

  constructor(network: HintNetwork, process: VirtualProcess) {
    this.#network = network;
    this.#process = process;
  }

  get isConnected(): boolean {
    return !this.#isClosed;
  }

  publish(hint: Hint): void {
    if (!this.#isClosed) this.#network.send(hint);
  }

  subscribe(databaseId: string, handler: HintHandler): () => void {
    this.#handlers.set(handler, databaseId);
    return () => this.#handlers.delete(handler);
  }

  deliver(databaseId: string, given: unknown): void {
    this.#process.deliver(() => {
      for (const [handler, wanted] of this.#handlers) {
        if (wanted !== databaseId || this.#isClosed) continue;
        handler(given);
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#handlers.clear();
    this.#network.forget(this);
  }
}
