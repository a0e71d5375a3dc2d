import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * Create if absent, and knowing whether one did, explored over every interleaving of three creators
 * of one name (docs/specs/conditional-writes.md).
 *
 * A request may go unanswered and take effect at any time after, or never; a creator looks, sends
 * again, or gives up, and may stall for ever at any step. What each of them believes in the end has
 * to be what everybody else sees, now and later.
 */

const WRONG = [
  ["a conflict means lost", "believes that it lost"],
  ["no answer means lost", "believes that it lost"],
  ["no answer means won", "believes that it won"],
  ["each attempt sends other bytes", "believes that it lost"],
  ["what is found absent has failed", "believes that it lost"],
] as const;

type Protocol = "as specified" | (typeof WRONG)[number][0];

const STEPS = ["send", "look", "won", "lost", "unknown"] as const;

interface Creator {
  readonly step: (typeof STEPS)[number];
  /** Requests sent; all of them hold the same bytes unless the protocol says otherwise. */
  readonly sent: number;
}

/** Of which attempt of which creator bytes are. */
interface Bytes {
  readonly creator: number;
  readonly attempt: number;
}

interface State {
  readonly creators: readonly Creator[];
  readonly object: Bytes | undefined;
  /** Sent and not answered. */
  readonly late: readonly Bytes[];
}

const CREATORS = 3;
const ATTEMPTS_MAX = IS_DEEP ? 4 : 3;

const START: State = {
  creators: Array.from({ length: CREATORS }, () => ({ step: "send", sent: 0 }) as const),
  object: undefined,
  late: [],
};

function* moves(state: State, protocol: Protocol): Generator<Move<State>> {
  for (const [index, creator] of state.creators.entries()) {
    for (const [what, after, more] of act(state, index, creator, protocol)) {
      const creators = state.creators.with(index, after);
      yield [`creator ${index} ${what}`, { ...state, ...more, creators }];
    }
  }
  for (const [i, bytes] of state.late.entries()) {
    const object = state.object ?? bytes;
    const what = `request ${bytes.attempt} of creator ${bytes.creator} arrives`;
    yield [what, { ...state, object, late: state.late.toSpliced(i, 1) }];
  }
}

type CreatorStep = readonly [what: string, after: Creator, more?: Partial<State>];

function* act(
  state: State,
  index: number,
  creator: Creator,
  protocol: Protocol,
): Generator<CreatorStep> {
  const { step, sent } = creator;
  const isFresh = protocol === "each attempt sends other bytes";
  if (step === "send") {
    if (sent === ATTEMPTS_MAX) {
      yield ["gives up", { step: "unknown", sent }];
      return;
    }
    const bytes = { creator: index, attempt: isFresh ? sent : 0 };
    const again = { sent: sent + 1 };
    if (state.object === undefined) {
      yield ["is answered by success", { ...again, step: "won" }, { object: bytes }];
    } else {
      const isLost = protocol === "a conflict means lost";
      yield ["is answered by a conflict", { ...again, step: isLost ? "lost" : "look" }];
    }
    const unanswered = { late: [...state.late, bytes] };
    yield ["gets no answer", { ...again, step: afterSilence(protocol) }, unanswered];
  } else if (step === "look") {
    const { object } = state;
    if (object === undefined) {
      const isFailed = protocol === "what is found absent has failed";
      yield ["finds nothing", { step: isFailed ? "lost" : "send", sent }];
      return;
    }
    const isOwn = object.creator === index && object.attempt === (isFresh ? sent - 1 : 0);
    yield [`finds bytes of creator ${object.creator}`, { step: isOwn ? "won" : "lost", sent }];
  }
}

function afterSilence(protocol: Protocol): Creator["step"] {
  if (protocol === "no answer means lost") return "lost";
  return protocol === "no answer means won" ? "won" : "look";
}

function violation({ creators, object }: State): string | undefined {
  for (const [index, { step }] of creators.entries()) {
    const isThere = object?.creator === index;
    if (step === "won" && object !== undefined && !isThere) {
      return `creator ${index} believes that it won`;
    }
    if (step === "lost" && isThere) return `creator ${index} believes that it lost`;
  }
  return undefined;
}

function weigh({ creators, object, late }: State, index: number): number {
  const { step, sent } = creators[index]!;
  let weight = STEPS.indexOf(step) * 8 + sent;
  weight = weight * 8 + (object?.creator === index ? object.attempt + 1 : 0);
  for (const { creator, attempt } of late) {
    if (creator === index) weight += 8 ** (3 + attempt);
  }
  return weight;
}

/** What is on its way has no order. */
function encode(state: State, order: readonly number[]): number[] {
  const numbers: number[] = [];
  const write = (bytes: Bytes): number => order.indexOf(bytes.creator) * 8 + bytes.attempt;
  for (const index of order) {
    const { step, sent } = state.creators[index]!;
    numbers.push(STEPS.indexOf(step), sent);
  }
  numbers.push(state.object === undefined ? -1 : write(state.object));
  numbers.push(...state.late.map(write).sort((a, b) => a - b));
  return numbers;
}

function subject(protocol: Protocol): Subject<State> {
  return {
    name: "create if absent",
    actors: "3 creators",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, protocol),
      violation,
      encode,
      alike: { count: CREATORS, weigh },
    },
  };
}

test("[A1] [A2] [A3] as specified, what a creator believes is what is there", () => {
  expectToHold(subject("as specified"), 10_000);
}, 1_200_000);

for (const [protocol, what] of WRONG) {
  test(`[A1] [A2] if ${protocol}, a creator believes what is not so`, () => {
    expectToFail(subject(protocol), what);
  }, 120_000);
}
