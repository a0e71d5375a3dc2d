import { seededRandom, type Random } from "../../src/base/random.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Lines of the trace that a failure prints. */
const TAIL_LINES = 60;

/**
 * One virtual clock for everything in a simulation. Events happen one at a time, in an order
 * that only the seed decides; between two events all promises that can settle do.
 *
 * Nothing in the engine waits for anything but the store and the clock, and both are virtual, so
 * one turn of the real event loop is always enough to come to rest.
 */
export class Scheduler {
  readonly random: Random;
  #nowMs = 1_700_000_000_000;
  /** A binary heap, earliest first. */
  readonly #heap: Event[] = [];
  readonly #tail: string[] = [];
  #hash = 0x811c9dc5;
  #made = 0;
  events = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Whether anything is still going to happen. */
  get isIdle(): boolean {
    return this.#heap.length === 0;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Events of one moment happen in random order. */
  after(delayMs: number, run: () => void): void {
    const order = this.random.next() + ++this.#made * 1e-12;
    this.#push({ atMs: this.#nowMs + Math.max(0, delayMs), order, run });
  }

  /** A line of the trace: what happened, and part of what makes two runs the same. */
  note(text: string): void {
    const line = `${((this.#nowMs - 1_700_000_000_000) / 1000).toFixed(3)} ${text}`;
    for (let i = 0; i < line.length; i++) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
    }
    this.#tail.push(line);
    if (this.#tail.length > 4 * TAIL_LINES) this.#tail.splice(0, 2 * TAIL_LINES);
  }

  get traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** The last lines, oldest first. */
  get traceTail(): string {
    return this.#tail.slice(-TAIL_LINES).join("\n");
  }

  /** Runs events until `isDone` says so; `false` when nothing is left that could make it so. */
  async until(isDone: () => boolean, eventsMax = 2_000_000): Promise<boolean> {
    for (;;) {
      await rest();
      if (isDone()) return true;
      const event = this.#pop();
      if (event === undefined) return false;
      if (++this.events > eventsMax) throw new Error(`no end after ${eventsMax} events`);
      this.#nowMs = event.atMs;
      event.run();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}

/** All microtasks run before the event loop turns. */
function rest(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
