import { isBrainyError } from "../base/errors.ts";

/** Something about one object that is not as it should be. */
export interface VerifyProblem {
  /** The object, or `""` when it is about none in particular. */
  readonly key: string;
  /**
   * `error`: something acknowledged may be lost or wrong. `warning`: it works, but is not as it
   * should be. `info`: nothing is wrong, such as garbage that waits for collection.
   */
  readonly severity: "error" | "warning" | "info";
  readonly problem: string;
  /** Whether `repair` has put it right. */
  readonly repaired?: boolean | undefined;
}

/** What `verify` found. */
export interface VerifyReport {
  /** No problem of severity `error` is left. */
  readonly ok: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

/** Collects problems, and turns what decoders throw into them. */
export class ProblemList {
  readonly problems: VerifyProblem[] = [];

  add(severity: VerifyProblem["severity"], key: string, problem: string): void {
    this.problems.push({ key, severity, problem });
  }

  error(key: string, problem: string): void {
    this.add("error", key, problem);
  }

  /** The value, or `undefined` after noting why there is none. Only damage is a finding. */
  async attempt<Value>(key: string, read: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await read();
    } catch (error) {
      const isFinding =
        isBrainyError(error, "BRAINY_CORRUPT") ||
        isBrainyError(error, "BRAINY_UNSUPPORTED") ||
        isBrainyError(error, "BRAINY_NOT_FOUND");
      if (!isFinding) throw error;
      this.error(key, error.message);
      return undefined;
    }
  }

  markRepaired(which: (problem: VerifyProblem) => boolean): void {
    for (const [i, problem] of this.problems.entries()) {
      if (which(problem)) this.problems[i] = { ...problem, repaired: true };
    }
  }
}
