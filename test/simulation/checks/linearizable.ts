/** One call on one record, and when it was made and answered; each moment is another number. */
export interface Call {
  readonly begun: number;
  /** `undefined`: never answered, or not with what became of it. */
  readonly ended: number | undefined;
  /** The version that has to be there when the call takes effect; `undefined`: no record. */
  readonly from: string | undefined;
  /** What is there after it. Of a call whose answer is not known all that may be. */
  readonly to: readonly (string | undefined)[];
  /** Whether it took effect for certain. */
  readonly isSure: boolean;
  /** For messages. */
  readonly name: string;
}

/** Whether there is an order of the calls, or how many states were looked at in vain. */
export type Verdict = "linearizable" | "not linearizable" | "too many";

const STATES_MAX = 200_000;

/**
 * Looks for one order of all sure calls, and of any of the others, in which each finds what it was
 * made from, and none comes before one that had ended when it began. Exhaustive, with what was
 * tried remembered: J. Wing, C. Gong, "Testing and Verifying Concurrent Objects" (1993); G. Lowe,
 * "Testing for Linearizability" (2017).
 */
export function linearize(calls: readonly Call[], statesMax = STATES_MAX): Verdict {
  const sorted = calls.toSorted((a, b) => a.begun - b.begun);
  const tried = new Set<string>();
  let states = 0;
  // A stack of its own: histories are longer than what a recursion should be deep.
  const open: { readonly done: bigint; readonly at: string | undefined }[] = [
    { done: 0n, at: undefined },
  ];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const { done, at } = state;
    const left = sorted.flatMap((call, i) => ((done >> BigInt(i)) & 1n ? [] : [{ call, i }]));
    if (left.every(({ call }) => !call.isSure)) return "linearizable";
    if (++states > statesMax) return "too many";
    const limit = Math.min(...left.map(({ call }) => endOf(call)));
    for (const { call, i } of left.toReversed()) {
      if (call.begun > limit || call.from !== at) continue;
      for (const to of call.to) {
        const next = { done: done | (1n << BigInt(i)), at: to };
        const key = `${next.done.toString(36)} ${to ?? ""}`;
        if (tried.has(key)) continue;
        tried.add(key);
        open.push(next);
      }
    }
  }
  return "not linearizable";
}

function endOf({ ended, isSure }: Call): number {
  return isSure && ended !== undefined ? ended : Number.POSITIVE_INFINITY;
}
