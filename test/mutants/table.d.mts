import type { Mutant } from "./mutant.mjs";

/** All of them, in the order of the report. */
export const MUTANTS: readonly Mutant[];
