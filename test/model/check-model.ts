import { appendFileSync } from "node:fs";
import { expect } from "vitest";
import { explore, type Exploration, type Model } from "./explore.ts";

/*
 * How the tests of this folder say what they explored: one line each, and a row of the table that
 * `npm run test:model` prints.
 */

/** `BRAINY_MODEL_DEPTH=deep`: the larger bounds of each model, which take minutes. */
export const IS_DEEP = process.env["BRAINY_MODEL_DEPTH"] === "deep";

/** Steps to each counterexample are printed as well. */
const SHOWS_TRACES = process.env["BRAINY_MODEL_TRACES"] === "on";

/** A protocol in one version of its rules, and what to call it. */
export interface Subject<State> {
  readonly name: string;
  readonly actors: string;
  /** "as specified", or what is left out. */
  readonly rule: string;
  readonly model: Model<State>;
}

/**
 * No state within reach is bad. At least `statesMin` are: a model must not shrink unnoticed, and
 * one that visits nothing finds nothing.
 */
export function expectToHold<State>(subject: Subject<State>, statesMin: number): void {
  const { found, states } = exploreAndTell(subject);
  expect(found === undefined ? [] : [found.violation, ...found.trace]).toEqual([]);
  expect(states).toBeGreaterThanOrEqual(statesMin);
}

/** A state is within reach whose violation contains `what`. */
export function expectToFail<State>(subject: Subject<State>, what: string): void {
  expect(exploreAndTell(subject).found?.violation ?? "nothing").toContain(what);
}

function exploreAndTell<State>(subject: Subject<State>): Exploration {
  const { name, actors, rule, model } = subject;
  const started = performance.now();
  const exploration = explore(model);
  const seconds = (performance.now() - started) / 1000;
  const { states, depth, found } = exploration;
  const verdict = found === undefined ? "holds" : `${found.violation}, ${depth} steps`;
  const mebibytes = Math.round(process.memoryUsage.rss() / 2 ** 20);
  console.log(
    `${name}, ${rule}: states explored: ${states}, ${verdict} ` +
      `(depth ${depth}, ${seconds.toFixed(1)} s, ${mebibytes} MiB)`,
  );
  if (SHOWS_TRACES && found !== undefined) {
    console.log(found.trace.map((what, i) => `  ${i + 1}. ${what}`).join("\n"));
  }
  const path = process.env["BRAINY_MODEL_REPORT"];
  if (path !== undefined) {
    const row = { name, actors, rule, states, verdict, seconds };
    appendFileSync(path, `${JSON.stringify(row)}\n`);
  }
  return exploration;
}
