import { test } from "vitest";
import { IS_DEEP, expectToFail, expectToHold, type Subject } from "./check-model.ts";
import type { Move } from "./explore.ts";

/*
 * Commit, takeover and collection, explored over every interleaving of three maintainers that may
 * stall or die between any two requests, start again under another name, and take over from each
 * other at any moment (docs/specs/manifest.md). A creation may go unanswered; it is then looked at,
 * sent again or given up, and may take effect at any time after, or never.
 *
 * Every commit writes one segment that holds all of the data, so that each makes its predecessor's
 * garbage. Manifests that were replaced may go at any moment, which is harsher than the real
 * retention. Who dies and never starts again is one that takes no further step, and starting again
 * is what another maintainer does; the deep run has both in one, which then knows nothing.
 */

interface Manifest {
  readonly epoch: number;
  readonly holder: number;
  /** Commits whose data it holds, as bits. */
  readonly data: number;
  /** The one segment it names, as a bit; 0 for none. */
  readonly segment: number;
}

const STEPS = ["read", "upload", "check", "create", "look", "confirm"] as const;
const COLLECT_STEPS = ["list", "verify", "delete"] as const;

/** What an actor remembers between two requests. */
interface Actor {
  readonly step: (typeof STEPS)[number] | (typeof COLLECT_STEPS)[number];
  readonly life: number;
  /** Of the manifest that it is about to create, or that it works from. */
  readonly number: number;
  readonly segment: number;
  readonly listed: number;
  readonly epoch: number;
  readonly draft: Manifest | undefined;
  /** Number of the last manifest that it sent off. */
  readonly sent: number;
}

/** A creation that was not answered. */
interface Late {
  readonly number: number;
  readonly manifest: Manifest;
}

interface State {
  /** By number; a hole was collected or is not made yet. */
  readonly manifests: readonly (Manifest | undefined)[];
  readonly segments: number;
  readonly actors: readonly Actor[];
  readonly late: readonly Late[];
  /** Commits that were reported as committed, as bits. */
  readonly committed: number;
  readonly uploads: number;
  readonly losses: number;
}

/** The ways to get it wrong, and what comes of each. */
const WRONG = [
  ["the newest manifest is read before segments are listed", "names what is gone"],
  ["a maker that was superseded deletes its segment", "names what is gone"],
  ["a commit is not confirmed by a LIST", "a commit is lost"],
  ["a manifest is adopted because it is the next", "adopts a manifest that names what is gone"],
  ["a commit goes on whatever manifest is the newest", "names what is gone"],
  ["collection does not wait for a manifest that was sent off", "names what is gone"],
  ["a creation that was not answered counts as committed", "a commit is lost"],
] as const;

type Protocol = "as specified" | (typeof WRONG)[number][0];

/** A protocol within bounds. */
interface Rules extends Bounds {
  readonly protocol: Protocol;
}

const ACTORS = 3;
const NUMBERS_MAX = IS_DEEP ? 4 : 3;
const LIVES_MAX = IS_DEEP ? 2 : 1;
/** Segments that are written, and creations that are not answered, in one exploration. */
interface Bounds {
  readonly uploads: number;
  readonly losses: number;
}

/** Both at once take several million states. */
const BOUNDS: readonly Bounds[] = IS_DEEP
  ? [{ uploads: 2, losses: 1 }]
  : [
      { uploads: 2, losses: 0 },
      { uploads: 1, losses: 1 },
    ];

const IDLE: Actor = {
  step: "read",
  life: 0,
  number: 0,
  segment: 0,
  listed: 0,
  epoch: 0,
  draft: undefined,
  sent: 0,
};
const START: State = {
  manifests: [{ epoch: 0, holder: 0, data: 0, segment: 0 }],
  segments: 0,
  actors: Array.from({ length: ACTORS }, () => IDLE),
  late: [],
  committed: 0,
  uploads: 0,
  losses: 0,
};

function newestNumber({ manifests }: State): number {
  return manifests.length - 1;
}

function* moves(state: State, rules: Rules): Generator<Move<State>> {
  for (const [index, actor] of state.actors.entries()) {
    for (const [what, after, changes] of act(state, actor, index, rules)) {
      const actors = state.actors.with(index, after);
      yield [`maintainer ${index} ${what}`, { ...state, ...changes, actors }];
    }
    const deaths = state.actors.reduce((sum, { life }) => sum + life, 0);
    if (actor.step !== "read" && deaths + 1 < LIVES_MAX) {
      const actors = state.actors.with(index, { ...IDLE, life: actor.life + 1 });
      yield [`maintainer ${index} dies and starts again`, { ...state, actors }];
    }
  }
  const newest = newestNumber(state);
  const oldest = state.manifests.findIndex((manifest) => manifest !== undefined);
  if (oldest < newest) {
    const manifests = state.manifests.with(oldest, undefined);
    yield [`manifest ${oldest} is deleted`, { ...state, manifests }];
  }
  for (const [i, { number, manifest }] of state.late.entries()) {
    const late = state.late.toSpliced(i, 1);
    const after = { ...state, late, ...created(state, number, manifest) };
    yield [`the creation of manifest ${number} arrives`, after];
  }
}

type ActorStep = readonly [what: string, after: Actor, changes?: Partial<State> | undefined];

function* act(
  state: State,
  actor: Actor,
  index: number,
  { protocol, uploads, losses }: Rules,
): Generator<ActorStep> {
  const me = index * LIVES_MAX + actor.life;
  const number = newestNumber(state);
  const newest = state.manifests[number]!;
  const { life, sent } = actor;
  const again: Actor = { ...IDLE, life, sent: sent > number ? sent : 0 };
  const isMine = newest.holder === me && newest.epoch === actor.epoch;
  switch (actor.step) {
    case "read": {
      const { epoch } = newest;
      if (newest.holder !== me) {
        const draft = { ...newest, epoch: epoch + 1, holder: me };
        const takes = { ...actor, step: "create", number: number + 1, draft } as const;
        yield [`reads manifest ${number} and is to take over`, takes];
        return;
      }
      if (state.uploads < uploads) {
        yield [`reads manifest ${number} and works`, { ...actor, step: "upload", epoch }];
      }
      const waits = protocol !== "collection does not wait for a manifest that was sent off";
      if (waits && number < sent) return;
      const isReversed = protocol === "the newest manifest is read before segments are listed";
      const first = isReversed ? "verify" : "list";
      yield [`reads manifest ${number} and collects`, { ...actor, step: first, epoch }];
      return;
    }
    case "upload": {
      const segment = 1 << state.uploads;
      const changes = { segments: state.segments | segment, uploads: state.uploads + 1 };
      yield [`uploads segment ${state.uploads}`, { ...actor, step: "check", segment }, changes];
      return;
    }
    case "check": {
      const goesOn = isMine || protocol === "a commit goes on whatever manifest is the newest";
      const { segment } = actor;
      const draft = { ...newest, data: newest.data | segment, segment };
      const after = { ...actor, step: "create", number: number + 1, draft } as const;
      yield [
        `finds manifest ${number}, ${goesOn ? "its own" : "another's"}`,
        goesOn ? after : again,
      ];
      return;
    }
    case "create":
      yield* create(state, actor, again, { protocol, mayLose: state.losses < losses });
      return;
    case "look":
      yield* look(state, actor, again);
      return;
    case "confirm":
      yield* confirm(state, actor, again, protocol);
      return;
    default:
      yield* collect(state, actor, { again, isMine, protocol });
  }
}

/** A conflict and no answer are no outcome: the object is looked at. */
function* create(
  state: State,
  actor: Actor,
  again: Actor,
  { protocol, mayLose }: { protocol: Protocol; mayLose: boolean },
): Generator<ActorStep> {
  const { number, draft: manifest, segment } = actor;
  if (number > NUMBERS_MAX) return;
  const sent = Math.max(actor.sent, number);
  const changes = created(state, number, manifest!);
  if (segment === 0) yield [`takes over as ${number}, if nobody did`, again, changes];
  else
    yield changes === undefined
      ? [`meets manifest ${number}`, { ...actor, step: "look", sent }]
      : [
          `creates manifest ${number}`,
          { ...actor, step: "confirm", sent, draft: undefined },
          changes,
        ];
  if (!mayLose) return;
  const unanswered: Partial<State> = {
    late: [...state.late, { number, manifest: manifest! }],
    losses: state.losses + 1,
  };
  if (protocol === "a creation that was not answered counts as committed") {
    const committed = state.committed | segment;
    yield [
      `takes manifest ${number} for created`,
      { ...again, sent },
      { ...unanswered, committed },
    ];
    return;
  }
  const after: Actor = segment === 0 ? { ...again, sent } : { ...actor, step: "look", sent };
  yield [`gets no answer about manifest ${number}`, after, unanswered];
}

/** Create if absent; `undefined` when it is not. */
function created(
  state: State,
  number: number,
  manifest: Manifest,
): Pick<State, "manifests"> | undefined {
  if (state.manifests[number] !== undefined) return undefined;
  const manifests = [...state.manifests];
  manifests[number] = manifest;
  return { manifests };
}

/** Its own bytes: won. Others: lost. None: sent again, or given up. */
function* look(state: State, actor: Actor, again: Actor): Generator<ActorStep> {
  const { number, draft } = actor;
  const found = state.manifests[number];
  if (found === undefined) {
    yield [`does not find manifest ${number}`, { ...actor, step: "create" }];
    yield [`gives manifest ${number} up`, again];
    return;
  }
  const isOwn = holds(found, draft!);
  const after: Actor = isOwn ? { ...actor, step: "confirm", draft: undefined } : again;
  yield [`finds ${isOwn ? "its" : "another"} manifest ${number}`, after];
}

function holds(found: Manifest, { epoch, holder, data, segment }: Manifest): boolean {
  const isSame = found.data === data && found.segment === segment;
  return isSame && found.epoch === epoch && found.holder === holder;
}

function* confirm(
  state: State,
  actor: Actor,
  again: Actor,
  protocol: Protocol,
): Generator<ActorStep> {
  const { number, segment } = actor;
  const isHighest = newestNumber(state) === number;
  if (isHighest || protocol === "a commit is not confirmed by a LIST") {
    yield [`has committed ${number}`, again, { committed: state.committed | segment }];
    return;
  }
  const deletes = protocol === "a maker that was superseded deletes its segment";
  const segments = deletes ? state.segments & ~segment : state.segments;
  yield [`finds ${number} superseded`, again, { segments }];
}

function* collect(
  state: State,
  actor: Actor,
  { again, isMine, protocol }: { again: Actor; isMine: boolean; protocol: Protocol },
): Generator<ActorStep> {
  const isReversed = protocol === "the newest manifest is read before segments are listed";
  const needed = state.manifests.reduce((bits, manifest) => bits | (manifest?.segment ?? 0), 0);
  switch (actor.step) {
    case "list": {
      const found = isReversed ? state.segments & ~actor.listed : state.segments;
      const step = isReversed ? "delete" : "verify";
      yield ["lists segments", { ...actor, step, listed: found }];
      return;
    }
    case "verify":
      if (!isMine) yield ["finds that it holds no more", again];
      else if (isReversed) yield ["reads manifests", { ...actor, step: "list", listed: needed }];
      else {
        yield ["reads manifests", { ...actor, step: "delete", listed: actor.listed & ~needed }];
      }
      return;
    default:
      yield ["deletes segments", again, { segments: state.segments & ~actor.listed }];
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

/** What is known of one maintainer, and which manifests name it. */
function weigh({ manifests, late, actors }: State, index: number): number {
  const { step, life, number, segment, listed, epoch, draft, sent } = actors[index]!;
  let weight = ALL_STEPS.indexOf(step);
  for (const value of [life, number, segment, listed, epoch, draft?.epoch ?? 0, sent]) {
    weight = weight * 8 + value;
  }
  const isHeld = (holder: number): boolean => Math.floor(holder / LIVES_MAX) === index;
  for (const one of [...manifests, ...late.map(({ manifest }) => manifest)]) {
    weight = weight * 2 + (one !== undefined && isHeld(one.holder) ? 1 : 0);
  }
  return weight;
}

const ALL_STEPS: readonly string[] = [...STEPS, ...COLLECT_STEPS];

/** Maintainers do the same things, so a state is written with them in any order. */
function encode(state: State, order: readonly number[]): number[] {
  const holderAt = (holder: number): number =>
    order.indexOf(Math.floor(holder / LIVES_MAX)) * LIVES_MAX + (holder % LIVES_MAX);
  const numbers = [state.segments, state.committed, state.uploads, state.losses];
  const write = (manifest: Manifest | undefined): void => {
    if (manifest === undefined) numbers.push(-1);
    else {
      const { epoch, holder, data, segment } = manifest;
      numbers.push(holderAt(holder), epoch, data, segment);
    }
  };
  numbers.push(state.manifests.length);
  for (let number = 0; number < state.manifests.length; number++) write(state.manifests[number]);
  for (const index of order) {
    const { step, life, number, segment, listed, epoch, draft, sent } = state.actors[index]!;
    numbers.push(ALL_STEPS.indexOf(step), life, number, segment, listed, epoch, sent);
    write(draft);
  }
  for (const { number, manifest } of state.late) {
    numbers.push(number);
    write(manifest);
  }
  return numbers;
}

function subject(rules: Rules): Subject<State> {
  const { protocol, uploads, losses } = rules;
  return {
    name: `manifest commit and takeover, ${uploads} uploads and ${losses} lost answers`,
    actors: "3 maintainers",
    rule: protocol,
    model: {
      start: START,
      moves: (state) => moves(state, rules),
      violation: (state) => violation(state, protocol),
      encode,
      alike: { count: ACTORS, weigh },
    },
  };
}

for (const bounds of BOUNDS) {
  const { uploads, losses } = bounds;
  const within = `${uploads} uploads, ${losses} lost answers`;
  test(`[M3] [C1] as specified, no commit is lost and nothing that is named is deleted: ${within}`, () => {
    expectToHold(subject({ protocol: "as specified", ...bounds }), 150_000);
  }, 1_200_000);
}

for (const [protocol, what] of WRONG) {
  test(`[M1] [M4] if ${protocol}, a state is reached that must not be`, () => {
    expectToFail(subject({ protocol, uploads: 2, losses: 1 }), what);
  }, 120_000);
}
