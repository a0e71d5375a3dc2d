import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * Dimensions that were left open, fixed by whoever brings the first vector, explored over every
 * interleaving of three processes with vectors of three lengths (docs/specs/settings.md).
 *
 * A process creates the document, reads it, fixes the dimensions by compare-and-swap and appends
 * its vector, each as a step, and may stall or die at any of them. A creation or a swap may go
 * unanswered and take effect at any time after, or never. The log must never hold vectors of two
 * lengths, nor any before the document says which.
 */

const WRONG = [
  "a vector is appended before the dimensions are fixed",
  "the document is replaced whatever it says",
  "a swap that was not answered counts as won",
  "a lost swap is not compared with what won",
] as const;

type Protocol = "as specified" | (typeof WRONG)[number];

const STEPS = ["create", "read", "swap", "append", "done"] as const;

interface Process {
  readonly step: (typeof STEPS)[number];
  /** Version of the document that it has read. */
  readonly version: number;
}

/** A creation (version 0) or a swap of that version, on its way. */
interface Late {
  readonly version: number;
  /** What it says the dimensions are: 1 + the number of a process, 0 where it leaves them open. */
  readonly dimensions: number;
}

interface State {
  readonly processes: readonly Process[];
  /** 0: there is no document. */
  readonly version: number;
  readonly dimensions: number;
  /** Processes whose vector is in the log, as bits. */
  readonly vectors: number;
  readonly late: readonly Late[];
  readonly losses: number;
}

const PROCESSES = 3;
const LOSSES_MAX = IS_DEEP ? 4 : 3;

const START: State = {
  processes: Array.from({ length: PROCESSES }, () => ({ step: "create", version: 0 }) as const),
  version: 0,
  dimensions: 0,
  vectors: 0,
  late: [],
  losses: 0,
};

function* moves(state: State, protocol: Protocol): Generator<Move<State>> {
  for (const [index, process] of state.processes.entries()) {
    for (const [what, after, more] of act(state, index, process, protocol)) {
      const processes = state.processes.with(index, after);
      yield [`process ${index} ${what}`, { ...state, ...more, processes }];
    }
  }
  for (const [i, put] of state.late.entries()) {
    const late = state.late.toSpliced(i, 1);
    const what = put.version === 0 ? "a creation" : `a swap of version ${put.version}`;
    yield [`${what} arrives`, { ...state, ...applied(state, put, protocol), late }];
  }
}

/** Version 0 is create if absent, the others are compare-and-swap. */
function applied(
  { version }: State,
  put: Late,
  protocol: Protocol,
): Pick<State, "version" | "dimensions"> | undefined {
  const isBlind = protocol === "the document is replaced whatever it says" && put.version > 0;
  if (version !== put.version && !isBlind) return undefined;
  return { version: version + 1, dimensions: put.dimensions };
}

type ProcessStep = readonly [what: string, after: Process, more?: Partial<State> | undefined];

function* act(
  state: State,
  index: number,
  process: Process,
  protocol: Protocol,
): Generator<ProcessStep> {
  const { step, version } = process;
  switch (step) {
    case "create": {
      const isEarly = protocol === "a vector is appended before the dimensions are fixed";
      const first = isEarly ? "append" : "read";
      yield* send(state, { version: 0, dimensions: 0 }, protocol, {
        won: { step: first, version: 1 },
        lost: { step: first, version: 0 },
        unanswered: { step: "create", version: 0 },
      });
      return;
    }
    case "read": {
      const { dimensions } = state;
      const after: Process = { step: dimensions === 0 ? "swap" : "append", version: state.version };
      // Vectors of another length are refused before anything is written.
      const isRefused = dimensions > 0 && dimensions !== index + 1;
      if (isRefused) yield ["finds other dimensions", { ...after, step: "done" }];
      else yield [`reads version ${state.version}`, after];
      return;
    }
    case "swap": {
      const isCareless = protocol === "a lost swap is not compared with what won";
      const isHasty = protocol === "a swap that was not answered counts as won";
      yield* send(state, { version, dimensions: index + 1 }, protocol, {
        won: { step: "append", version: version + 1 },
        lost: { step: isCareless ? "append" : "read", version },
        unanswered: { step: isHasty ? "append" : "read", version },
      });
      return;
    }
    case "append": {
      const vectors = state.vectors | (1 << index);
      yield ["appends its vector", { step: "done", version }, { vectors }];
      return;
    }
    case "done":
  }
}

function* send(
  state: State,
  put: Late,
  protocol: Protocol,
  then: { readonly won: Process; readonly lost: Process; readonly unanswered: Process },
): Generator<ProcessStep> {
  const what = put.version === 0 ? "creates the document" : `swaps version ${put.version}`;
  const more = applied(state, put, protocol);
  yield more === undefined ? [`${what}, and loses`, then.lost] : [what, then.won, more];
  if (state.losses === LOSSES_MAX) return;
  const unanswered = { late: [...state.late, put], losses: state.losses + 1 };
  yield [`${what}, without an answer`, then.unanswered, unanswered];
}

function violation({ vectors, dimensions }: State): string | undefined {
  if ((vectors & (vectors - 1)) !== 0) return "the log holds vectors of two lengths";
  if (vectors === 0 || dimensions === Math.log2(vectors) + 1) return undefined;
  return "the log holds a vector before the document says its length";
}

function encode(state: State): number[] {
  const { version, dimensions, vectors, losses } = state;
  const numbers = [version, dimensions, vectors, losses];
  for (const process of state.processes) numbers.push(STEPS.indexOf(process.step), process.version);
  const late = state.late.map((put) => put.version * 8 + put.dimensions);
  numbers.push(...late.sort((a, b) => a - b));
  return numbers;
}

function subject(protocol: Protocol): Subject<State> {
  return {
    name: "fixed settings",
    actors: "3 processes",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, protocol),
      violation,
      encode,
    },
  };
}

test("[S1] [S2] as specified, vectors of one length follow a document that says so", () => {
  expectToHold(subject("as specified"), 9_000);
}, 1_200_000);

for (const protocol of WRONG) {
  test(`[S1] [S2] if ${protocol}, vectors do not agree with the document`, () => {
    expectToFail(subject(protocol), "the log holds");
  }, 120_000);
}
