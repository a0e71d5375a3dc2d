import type { Plan } from "../plan.ts";
import { textOfOthers } from "./number-set.ts";
import { kindOfFailure, type Answer, type FaultOfRun, type Task } from "./run-task.ts";
import { shrink, shrinkNumber } from "./shrink.ts";

type Failed = Answer & { readonly kind: "failed" };

/** The least that still fails in the same way. */
export interface Minimised {
  readonly task: Task;
  readonly message: string;
  /** The faults that are left. */
  readonly faults: readonly FaultOfRun[];
  /** Faults of the whole run. */
  readonly faultsBefore: number;
  readonly runs: number;
}

/** Runs that one failure may cost. */
const RUNS_MAX = 250;

/**
 * Fewer steps first, because they make every further run shorter; then fewer faults; then fewer
 * actors. A run counts only if it fails with the same kind of failure.
 */
export async function minimise(
  task: Task,
  first: Failed,
  run: (task: Task) => Promise<Answer>,
): Promise<Minimised | undefined> {
  const kind = kindOfFailure(first.message);
  let runs = 0;
  let best = { task, failed: first };
  const fails = async (smaller: Task): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs++;
    const answer = await run(smaller);
    if (answer.kind !== "failed" || kindOfFailure(answer.message) !== kind) return false;
    best = { task: smaller, failed: answer };
    return true;
  };
  const withPlan = (plan: Partial<Plan>): Task => ({
    ...best.task,
    plan: { ...best.task.plan, ...plan },
  });
  if (first.plan === undefined) return undefined;
  const fewerSteps = async (high: number): Promise<void> => {
    await shrinkNumber({ low: 1, high }, (steps) => fails(withPlan({ steps })));
  };
  await fewerSteps(first.plan.steps);
  const numbers = best.failed.faults.map(({ number }) => number);
  await shrink(numbers, (kept) => fails({ ...best.task, suppressed: textOfOthers(kept) }));
  for (let actors = first.plan.actors - 1; actors > 0; actors--) {
    if (!(await fails(withPlan({ actors })))) break;
  }
  await fewerSteps(best.task.plan?.steps ?? first.plan.steps);
  return {
    task: best.task,
    message: best.failed.message,
    faults: best.failed.faults,
    faultsBefore: first.faults.length,
    runs,
  };
}
