import { expect, test } from "vitest";
import { minimise } from "./minimise.ts";
import { numbersOf } from "./number-set.ts";
import type { Answer, Task } from "./run-task.ts";
import type { Plan } from "../plan.ts";

const PLAN = { actors: 3, steps: 80 } as Plan;
const FAULTS = Array.from({ length: 30 }, (_, number) => ({ number, kind: "death", atMs: number }));

/** A run that fails where faults 4 and 17 occur, in twelve steps or more, and with two actors. */
async function run(task: Task): Promise<Answer> {
  const suppressed = numbersOf(task.suppressed ?? "");
  const faults = FAULTS.filter(({ number }) => !suppressed.has(number));
  const plan = { ...PLAN, ...task.plan };
  const isHit = [4, 17].every((wanted) => faults.some(({ number }) => number === wanted));
  const message = isHit && plan.steps >= 12 && plan.actors >= 2 ? "it is lost" : "it is odd";
  return { kind: "failed", message, plan, faults, rssBytes: 0 };
}

test("a failure is made small by steps, faults and actors, and stays the same failure", async () => {
  const task: Task = { mode: "crdt", seed: 9 };
  const first = (await run(task)) as Answer & { readonly kind: "failed" };
  const least = await minimise(task, first, run);
  expect(least?.task).toEqual({
    mode: "crdt",
    seed: 9,
    plan: { steps: 12, actors: 2 },
    suppressed: "0-3,5-16,18-",
  });
  expect(least?.faults.map(({ number }) => number)).toEqual([4, 17]);
  expect(least?.faultsBefore).toBe(30);
  expect(least?.message).toBe("it is lost");
});
