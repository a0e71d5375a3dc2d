import type { Random } from "../../src/base/random.ts";

/** Everything that a simulation may do to the processes in it. */
export const FAULT_KINDS = [
  /** The store never hears of the request. */
  "request-lost",
  /** The request took effect; its sender waits for an answer until it gives up. */
  "answer-lost",
  /** The request took effect and is answered by an error. */
  "error-after-effect",
  /** A way there or back takes much longer than usual. */
  "latency-spike",
  /** The request takes effect after its sender gave up, or died. */
  "late-effect",
  /** The network brings a conditional put twice. */
  "duplicate",
  /** A process stands still for up to two days. */
  "stall",
  /** A holder of maintenance stands still, and wakes in the middle of what its successor does. */
  "two-holders",
  /** A process that only reads looks at the store for hours or days no more. */
  "pinned-reader",
  /** A process ends in the middle of anything. */
  "death",
  /** A wall clock that is wrong by up to four seconds. */
  "clock-skew",
  /** A wall clock that jumps by 20 seconds or an hour. */
  "clock-jump",
  /** A page of a listing ends early. */
  "split-list",
  /** For a while most requests are refused without effect, as a store does that scales. */
  "slow-down",
  /** For a while puts are refused without effect: a full disk, a quota. */
  "disk-full",
  /** A conditional put is told that another one is under way, and there is none. */
  "odd-conflict",
  /** The bytes of an answer end early. */
  "torn-read",
  /** One bit of an answer is another one. */
  "flipped-read",
  /** A stored object ends early, until the right bytes are put back. */
  "torn-object",
  /** A stored object has another bit, until the right bytes are put back. */
  "bit-flip",
  /** All objects are replaced by an older copy of them, between two lives of all processes. */
  "restored-copy",
  /** Equal bytes have equal etags. */
  "equal-etags",
  /** Etags are quoted. */
  "quoted-etags",
  /** A hint does not reach one of its listeners. */
  "hint-lost",
  /** A hint comes twice. */
  "hint-repeated",
  /** What comes in the place of a hint is something else. */
  "hint-garbled",
  /** Somebody uploads shared settings that nobody may take up. */
  "wrong-upload",
] as const;

/** Those of them that need a fleet. */
export const FLEET_FAULT_KINDS: readonly FaultKind[] = [
  "hint-lost",
  "hint-repeated",
  "hint-garbled",
  "wrong-upload",
];

/** One of `FAULT_KINDS`. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault of one run. */
export interface Fault {
  /** Its place among all faults that the draws of the run chose, those suppressed included. */
  readonly number: number;
  readonly kind: FaultKind;
  /** Virtual time. */
  readonly atMs: number;
}

/**
 * The one gate through which everything harmful goes, so that it is counted, and so that a failing
 * seed can be run again without some of it.
 */
export class Faults {
  readonly #source: { readonly random: Random; readonly nowMs: number };
  readonly #suppressed: Pick<ReadonlySet<number>, "has">;
  readonly #counts = new Map<FaultKind, number>();
  readonly #occurred: Fault[] = [];
  #chosen = 0;

  constructor(
    source: { readonly random: Random; readonly nowMs: number },
    suppressed: Pick<ReadonlySet<number>, "has"> = new Set(),
  ) {
    this.#source = source;
    this.#suppressed = suppressed;
  }

  /**
   * Whether a fault occurs here and now. Draws exactly once, whatever comes of it; so the details of
   * a fault are to be drawn before it is asked for, if suppressing it shall change no other draw.
   */
  occurs(kind: FaultKind, probability: number): boolean {
    if (this.#source.random.next() >= probability) return false;
    const number = this.#chosen++;
    if (this.#suppressed.has(number)) return false;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    this.#occurred.push({ number, kind, atMs: this.#source.nowMs });
    return true;
  }

  get counts(): ReadonlyMap<FaultKind, number> {
    return this.#counts;
  }

  /** In the order in which they occurred. */
  get occurred(): readonly Fault[] {
    return this.#occurred;
  }
}
