import type { ConflictResolution } from "../../../src/format/config.ts";
import { simulateFleet } from "../fleet-simulation.ts";
import type { Plan } from "../plan.ts";
import { simulate, SimulationError } from "../simulation.ts";
import type { Defect } from "../virtual-store.ts";
import type { SimulationResult } from "../world.ts";
import { numbersOf } from "./number-set.ts";

/** What a seed is run as. */
export const MODES = ["last-write-wins", "vector-clock", "resolver", "crdt", "fleet"] as const;

/** One of `MODES`. */
export type Mode = (typeof MODES)[number];

/** One run, as a command line, a file or a list of regressions names it. */
export interface Task {
  readonly mode: Mode;
  readonly seed: number;
  /** Numbers of faults that do not happen, such as `0-6,9,12-`. Default: none. */
  readonly suppressed?: string | undefined;
  /** Instead of what the seed would decide. */
  readonly plan?: Partial<Plan> | undefined;
  /** A way for the store to break its contract, to see that somebody notices. */
  readonly defect?: Defect | undefined;
}

/** A fault that occurred in a run that failed. */
export interface FaultOfRun {
  readonly number: number;
  readonly kind: string;
  readonly atMs: number;
}

/** How a run ended. */
export type Answer =
  | { readonly kind: "passed"; readonly result: SimulationResult; readonly rssBytes: number }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly plan: Plan | undefined;
      readonly faults: readonly FaultOfRun[];
      readonly rssBytes: number;
    };

/** Runs it here. Never throws. */
export async function runTask(task: Task): Promise<Answer> {
  try {
    const result = await resultOf(task);
    return { kind: "passed", result, rssBytes: process.memoryUsage.rss() };
  } catch (error) {
    const isOurs = error instanceof SimulationError;
    return {
      kind: "failed",
      message: error instanceof Error ? (isOurs ? error.message : error.stack!) : String(error),
      plan: isOurs ? error.plan : undefined,
      faults: isOurs ? error.occurred : [],
      rssBytes: process.memoryUsage.rss(),
    };
  }
}

/** The same, for tests: throws what `simulate` throws. */
export function resultOf({
  mode,
  seed,
  suppressed,
  plan,
  defect,
}: Task): Promise<SimulationResult> {
  const options = {
    seed,
    suppressed: suppressed === undefined ? undefined : numbersOf(suppressed),
    plan,
    defect,
  };
  if (mode === "fleet") return simulateFleet(options);
  const resolution: ConflictResolution = mode === "resolver" ? "vector-clock" : mode;
  return simulate({ ...options, resolution, resolves: mode === "resolver" });
}

/** A word for what went wrong: the same for failures that are likely to have one cause. */
export function kindOfFailure(message: string): string {
  if (message.includes("\n  shows ")) return "a read shows what it may not show";
  // What lies below says more than that something failed.
  const cause = message.split("\n\n", 1)[0]!.split("\n  because of ").at(-1)!;
  const line = cause.split("\n", 1)[0]!.replace(/^seed \d+: /, "");
  return line
    .replaceAll(/[0-9a-f]{12}-[0-9a-f]{6}-[0-9A-Z]{26}/g, "…")
    .replaceAll(/[0-9A-HJKMNP-TV-Z]{26}/g, "…")
    .replaceAll(/\b(?=\w*\d)\w+\b/g, "…")
    .slice(0, 100);
}
