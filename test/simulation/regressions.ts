import type { Task } from "./campaign/run-task.ts";

/** A seed that has failed, and what it had found. */
export interface Regression extends Task {
  readonly found: string;
}

/**
 * Every new draw changes what a seed does, so these are no proof that a bug stays away: each has a
 * directed test of its own. They are run because what failed once lies where more may be found.
 */
export const REGRESSIONS: readonly Regression[] = [
  {
    mode: "crdt",
    seed: 300_166,
    found: "own bytes that arrived damaged, and then not at all, were taken for somebody else's",
  },
  {
    mode: "last-write-wins",
    seed: 38,
    plan: { steps: 67, maskBytesInlineMax: 0 },
    found: "a seal was collected while an older manifest listed its lane and did not cover it",
  },
  {
    mode: "fleet",
    seed: 18,
    found: "a writer whose first heartbeat arrived damaged was none for whoever had read it",
  },
  {
    mode: "fleet",
    seed: 700_015,
    found: "nobody wrote down who is there while a writer without an index maintained",
  },
  {
    mode: "fleet",
    seed: 70,
    found: "who lost the race to create settings took what a person had made of them since",
  },
  {
    mode: "last-write-wins",
    seed: 1039,
    found: "a damaged document was used where the copy to hold it against arrived damaged, too",
  },
];
