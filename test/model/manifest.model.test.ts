import { expect, test } from "vitest";

/*
 * Commit, takeover and collection, explored breadth-first: two maintainers that may stall or die
 * between any two requests, and take over from each other at any moment (docs/specs/manifest.md).
 *
 * Every commit writes one segment that holds all of the data, so that each makes its predecessor's
 * garbage; retention is the newest manifest alone, which is harsher than the real one. Requests are atomic, as in the object store.
 */

interface Manifest {
  readonly epoch: number;
  readonly holder: number;
  /** Commits whose data it holds, as bits. */
  readonly data: number;
  /** The one segment it names, as a bit; 0 for none. */
  readonly segment: number;
}

/** What an actor remembers between two requests. */
interface Actor {
  readonly step: "read" | "takeOver" | "upload" | "check" | "create" | "confirm" | CollectStep;
  readonly life: number;
  readonly number: number;
  readonly segment: number;
  readonly listed: number;
  readonly epoch: number;
  /** The manifest it works from: its contents never change, even when it is collected. */
  readonly base: Manifest | undefined;
}

type CollectStep = "retire" | "list" | "verify" | "delete";

interface State {
  /** By number; a hole was collected or is not made yet. */
  readonly manifests: readonly (Manifest | undefined)[];
  readonly segments: number;
  readonly actors: readonly Actor[];
  /** Commits that were reported as committed, as bits. */
  readonly committed: number;
  readonly uploads: number;
}

/** The protocol, or one of the ways to get it wrong. */
type Protocol =
  | "as specified"
  | "the newest manifest is read before segments are listed"
  | "a maker that was superseded deletes its segment"
  | "a commit is not confirmed by a LIST"
  | "a manifest is adopted because it is the next"
  | "a commit goes on whatever manifest is the newest";

const KEPT = 1;
const DEEP = process.env["BRAINY_MODEL_DEPTH"] === "deep";
const NUMBERS_MAX = DEEP ? 6 : 5;
const UPLOADS_MAX = DEEP ? 3 : 2;
const LIVES_MAX = 2;

const IDLE: Actor = {
  step: "read",
  life: 0,
  number: 0,
  segment: 0,
  listed: 0,
  epoch: 0,
  base: undefined,
};
const START: State = {
  manifests: [{ epoch: 0, holder: -1, data: 0, segment: 0 }],
  segments: 0,
  actors: [IDLE, IDLE],
  committed: 0,
  uploads: 0,
};

function newestNumber({ manifests }: State): number {
  return manifests.length - 1;
}

function* next(state: State, protocol: Protocol): Generator<State> {
  for (const [index, actor] of state.actors.entries()) {
    for (const [after, changes] of act(state, actor, index, protocol)) {
      yield { ...state, ...changes, actors: replaced(state.actors, index, after) };
    }
    const deaths = state.actors.reduce((sum, { life }) => sum + life, 0);
    if (actor.step !== "read" && deaths + 1 < LIVES_MAX) {
      const reborn = { ...IDLE, life: actor.life + 1 };
      yield { ...state, actors: replaced(state.actors, index, reborn) };
    }
  }
}

function replaced(actors: readonly Actor[], index: number, actor: Actor): Actor[] {
  return actors.map((other, i) => (i === index ? actor : other));
}

type Step = readonly [after: Actor, changes?: Partial<State> | undefined];

function* act(state: State, actor: Actor, index: number, protocol: Protocol): Generator<Step> {
  const me = index * LIVES_MAX + actor.life;
  const number = newestNumber(state);
  const newest = state.manifests[number]!;
  const again: Actor = { ...IDLE, life: actor.life };
  const isMine = newest.holder === me && newest.epoch === actor.epoch;
  switch (actor.step) {
    case "read":
      if (newest.holder !== me) yield [{ ...actor, step: "takeOver", number, base: newest }];
      else {
        const { epoch } = newest;
        if (state.uploads < UPLOADS_MAX) yield [{ ...actor, step: "upload", number, epoch }];
        yield [{ ...actor, step: "retire", epoch }];
      }
      return;
    case "takeOver": {
      const base = actor.base!;
      const taken = { ...base, epoch: base.epoch + 1, holder: me };
      yield [again, created(state, actor.number + 1, taken)];
      return;
    }
    case "upload": {
      const segment = 1 << state.uploads;
      const changes = { segments: state.segments | segment, uploads: state.uploads + 1 };
      yield [{ ...actor, step: "check", segment }, changes];
      return;
    }
    case "check": {
      const goesOn = isMine || protocol === "a commit goes on whatever manifest is the newest";
      yield [goesOn ? { ...actor, step: "create", number, base: newest } : again];
      return;
    }
    case "create":
      yield* create(state, actor, again);
      return;
    case "confirm": {
      const isHighest = number === actor.number;
      if (isHighest || protocol === "a commit is not confirmed by a LIST") {
        yield [again, { committed: state.committed | actor.segment }];
        return;
      }
      if (protocol !== "a maker that was superseded deletes its segment") {
        yield [again];
        return;
      }
      yield [again, { segments: state.segments & ~actor.segment }];
      return;
    }
    default:
      yield* collect(state, actor, { again, isMine, protocol });
      return;
  }
}

/** The data of the base and its own, in one segment. */
function* create(state: State, actor: Actor, again: Actor): Generator<Step> {
  const { segment, number: baseNumber } = actor;
  const { epoch, holder, data } = actor.base!;
  const number = baseNumber + 1;
  const made: Manifest = { epoch, holder, data: data | segment, segment };
  const changes = created(state, number, made);
  yield [
    changes === undefined ? again : { ...actor, step: "confirm", number, base: undefined },
    changes,
  ];
}

/** Create if absent; `undefined` when it is not. */
function created(
  state: State,
  number: number,
  manifest: Manifest,
): Pick<State, "manifests"> | undefined {
  if (number > NUMBERS_MAX || state.manifests[number] !== undefined) return undefined;
  const manifests = [...state.manifests];
  manifests[number] = manifest;
  return { manifests };
}

function* collect(
  state: State,
  actor: Actor,
  { again, isMine, protocol }: { again: Actor; isMine: boolean; protocol: Protocol },
): Generator<Step> {
  const isReversed = protocol === "the newest manifest is read before segments are listed";
  const needed = state.manifests.reduce((bits, manifest) => bits | (manifest?.segment ?? 0), 0);
  switch (actor.step) {
    case "retire": {
      const oldest = newestNumber(state) - KEPT;
      const manifests = state.manifests.map((one, number) => (number <= oldest ? undefined : one));
      yield [{ ...actor, step: isReversed ? "verify" : "list" }, { manifests }];
      return;
    }
    case "list":
      if (isReversed) {
        const garbage = state.segments & ~actor.listed;
        yield [{ ...actor, step: "delete", listed: garbage }];
        return;
      }
      yield [{ ...actor, step: "verify", listed: state.segments }];
      return;
    case "verify":
      if (!isMine) {
        yield [again];
        return;
      }
      if (isReversed) {
        yield [{ ...actor, step: "list", listed: needed }];
        return;
      }
      yield [{ ...actor, step: "delete", listed: actor.listed & ~needed }];
      return;
    default:
      yield [again, { segments: state.segments & ~actor.listed }];
      return;
  }
}

function violation(state: State, protocol: Protocol): string | undefined {
  const newest = state.manifests[newestNumber(state)]!;
  if ((newest.segment & ~state.segments) !== 0) return "the newest manifest names what is gone";
  if ((state.committed & ~newest.data) !== 0) return "a commit is lost";
  if (protocol !== "a manifest is adopted because it is the next") return undefined;
  const isBroken = state.manifests.some((one) => ((one?.segment ?? 0) & ~state.segments) !== 0);
  return isBroken ? "a reader adopts a manifest that names what is gone" : undefined;
}

function explore(protocol: Protocol): { readonly states: number; readonly found?: string } {
  const seen = new Set<string>([JSON.stringify(START)]);
  let frontier: State[] = [START];
  while (frontier.length > 0) {
    const following: State[] = [];
    for (const state of frontier) {
      for (const after of next(state, protocol)) {
        const { manifests, segments, actors, committed, uploads } = after;
        const key = JSON.stringify([
          manifests.map((one) => one && Object.values(one)),
          actors.map((actor) =>
            Object.values({ ...actor, base: actor.base && Object.values(actor.base) }),
          ),
          [segments, committed, uploads],
        ]);
        if (seen.has(key)) continue;
        seen.add(key);
        const found = violation(after, protocol);
        if (found !== undefined) return { states: seen.size, found };
        following.push(after);
      }
    }
    frontier = following;
  }
  return { states: seen.size };
}

test("[M3] [C1] as specified, no commit is lost and nothing that is named is deleted", () => {
  const { states, found } = explore("as specified");
  console.log(`manifest and collection: ${states} states, none bad`);
  expect(found).toBeUndefined();
  expect(states).toBeGreaterThan(10_000);
}, 120_000);

const WRONG = [
  ["the newest manifest is read before segments are listed", "names what is gone"],
  ["a maker that was superseded deletes its segment", "names what is gone"],
  ["a commit is not confirmed by a LIST", "a commit is lost"],
  ["a manifest is adopted because it is the next", "adopts a manifest that names what is gone"],
  ["a commit goes on whatever manifest is the newest", "names what is gone"],
] as const;

for (const [protocol, what] of WRONG) {
  test(`[M1] [M4] if ${protocol}, a state is reached that must not be`, () => {
    expect(explore(protocol).found ?? "nothing").toContain(what);
  }, 120_000);
}
