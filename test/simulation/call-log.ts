import { linearize, type Call } from "./checks/linearizable.ts";

/** A call under a condition that was made and is not answered, or not with what became of it. */
export interface Asked {
  readonly id: string;
  readonly begun: number;
  /** The version that its condition names; `undefined`: no record. */
  readonly from: string | undefined;
  /** What marks the operation; a delete has no mark. */
  readonly token: string | undefined;
  answer: Omit<Call, "begun" | "name"> | undefined;
}

/** Calls under conditions and strong reads of single records, in the order of their moments. */
export class CallLog {
  readonly #asked: Asked[] = [];
  readonly #reads: (Call & { readonly id: string })[] = [];
  /** Records were there before the first call. */
  readonly #isIncomplete: boolean;
  #moment = 0;
  /** Records whose calls had more orders than were tried. */
  unjudged = 0;
  /** Calls and reads that were put into an order. */
  judged = 0;

  constructor(options: { readonly isIncomplete?: boolean } = {}) {
    this.#isIncomplete = options.isIncomplete === true;
  }

  /** A moment that no other call has. */
  now(): number {
    return ++this.#moment;
  }

  begin(id: string, { from, token }: Pick<Asked, "from" | "token">): Asked {
    const asked = { id, begun: this.now(), from, token, answer: undefined };
    this.#asked.push(asked);
    return asked;
  }

  /** The operation has this version; of a delete nothing is there after it. */
  acknowledged(asked: Asked, version: string): void {
    const to = asked.token === undefined ? undefined : version;
    asked.answer = { ended: this.now(), from: asked.from, to: [to], isSure: true };
  }

  /** The condition did not hold, and an error said what is there. */
  refused(asked: Asked, present: string | undefined): void {
    asked.answer = { ended: this.now(), from: present, to: [present], isSure: true };
  }

  /** A strong read that began at `begun` has shown this version of a record. */
  read(id: string, begun: number, version: string | undefined): void {
    const name = `a read of ${version ?? "nothing"}`;
    const call = { from: version, to: [version], isSure: true, name };
    this.#reads.push({ id, begun, ended: this.now(), ...call });
  }

  /**
   * Throws unless the calls on each record have an order. `versionsOf`: what was stored with a mark,
   * for calls of which nobody knows what became.
   */
  check(ids: readonly string[], versionsOf: (token: string) => readonly string[]): void {
    if (this.#isIncomplete) this.unjudged += ids.length;
    for (const id of this.#isIncomplete ? [] : ids) {
      const asked = this.#asked
        .filter((one) => one.id === id)
        .map((one) => callOf(one, versionsOf));
      const calls = [...asked, ...this.#reads.filter((one) => one.id === id)];
      const verdict = linearize(calls);
      if (verdict === "too many") this.unjudged++;
      else this.judged += calls.length;
      if (verdict !== "not linearizable") continue;
      const lines = calls.toSorted((a, b) => a.begun - b.begun).map((call) => lineOf(call));
      throw new Error(`no order of the calls on ${id} explains them:\n${lines.join("\n")}`);
    }
  }
}

function callOf(
  { begun, from, token, answer }: Asked,
  versionsOf: (token: string) => readonly string[],
): Call {
  const to = token === undefined ? [undefined] : versionsOf(token);
  const call = answer ?? { ended: undefined, from, to, isSure: false };
  return { ...call, begun, name: token ?? "a delete" };
}

function lineOf({ begun, ended, from, to, name, isSure }: Call): string {
  const [before, after] = [from ?? "nothing", to.map((one) => one ?? "nothing").join(" or ")];
  return `  ${begun} to ${ended ?? "?"}: ${name}, ${before} to ${after}${isSure ? "" : ", perhaps"}`;
}
