/*
 * Breadth-first exploration of a protocol: every state that any order of its actors' steps leads
 * to, each once. What a test samples, this visits: whatever is found bad comes with a shortest run
 * that leads there.
 *
 *   start ─► moves of each state ─► seen before? ─no─► violation? ─no─► next level
 *
 * A seen state is kept as 64 bits of its hash and the number of the state it came from: 20 bytes,
 * so that millions fit. That two of ten million states share a hash, and one is left out for it,
 * has a chance of 1 in 300,000.
 */

/** One step of one actor: what is done, for people, and the state after it. */
export type Move<State> = readonly [what: string, after: State];

/** A protocol over an abstract store, small enough to visit all of it. */
export interface Model<State> {
  readonly start: State;
  /** Every step that any actor may take. An actor that dies is one that takes none any more. */
  readonly moves: (state: State) => Iterable<Move<State>>;
  /** Why a state must not be; `undefined` when it may. */
  readonly violation: (state: State) => string | undefined;
  /**
   * All of a state as integers: equal states the same ones, others not, so lists begin with their
   * length. `order` names the actors that are alike, if there are any, in the order in which to write
   * them down; what refers to one of them is written as its place in that order.
   */
  readonly encode: (state: State, order: readonly number[]) => readonly number[];
  /**
   * Actors that do the same things, so that states which differ only in who is who are one. Each
   * state is written with its actors by weight: of those that weigh the same, and differ after all,
   * more than one order may be visited, which costs time and nothing else.
   */
  readonly alike?: {
    readonly count: number;
    /** Of what is known of one actor, without its number. */
    readonly weigh: (state: State, actor: number) => number;
  };
}

/** What an exploration found. */
export interface Exploration {
  /** Different states, the start and the bad one included. */
  readonly states: number;
  /** Steps of the longest of the shortest runs. */
  readonly depth: number;
  /** The first bad state, and a shortest run to it; `undefined` when there is none. */
  readonly found: Counterexample | undefined;
}

/** A bad state and the steps that lead to it. */
export interface Counterexample {
  readonly violation: string;
  readonly trace: readonly string[];
}

/** A model that grows beyond this has no bound: memory would end before it does. */
const STATES_MAX = 40_000_000;

/** Visits every state within reach, or all up to the first bad one. */
export function explore<State>(model: Model<State>): Exploration {
  const seen = new SeenStates();
  seen.add(model, model.start, 0);
  let frontier: (readonly [State, number])[] = [[model.start, 0]];
  let depth = 0;
  for (; frontier.length > 0; depth++) {
    const following: (readonly [State, number])[] = [];
    for (const [state, parent] of frontier) {
      for (const [, after] of model.moves(state)) {
        const index = seen.add(model, after, parent);
        if (index < 0) continue;
        const violation = model.violation(after);
        if (violation !== undefined) {
          const trace = replay(model, seen, index);
          return { states: seen.count, depth: depth + 1, found: { violation, trace } };
        }
        following.push([after, index]);
      }
    }
    frontier = following;
  }
  return { states: seen.count, depth: depth - 1, found: undefined };
}

/** States are not kept, so the way to one is walked again. */
function replay<State>(model: Model<State>, seen: SeenStates, last: number): string[] {
  const way: number[] = [];
  for (let index = last; index !== 0; index = seen.parentOf(index)) way.unshift(index);
  const trace: string[] = [];
  let state = model.start;
  for (const index of way) {
    for (const [what, after] of model.moves(state)) {
      if (seen.indexOf(model, after) !== index) continue;
      trace.push(what);
      state = after;
      break;
    }
  }
  if (trace.length !== way.length) throw new Error("the moves of a state are not always the same");
  return trace;
}

/** Numbers of actors by weight, and by number where they weigh the same. */
function orderOf<State>({ alike }: Model<State>, state: State): readonly number[] {
  if (alike === undefined) return [];
  const weights = Array.from({ length: alike.count }, (_, actor) => alike.weigh(state, actor));
  return weights.map((_, actor) => actor).sort((a, b) => weights[a]! - weights[b]! || a - b);
}

/** An open-addressed table of hashes; states have numbers in the order in which they came. */
class SeenStates {
  #low = new Uint32Array(1 << 16);
  #high = new Uint32Array(1 << 16);
  #parents = new Uint32Array(1 << 16);
  /** Index + 1 of a state, 0 where a place is free. */
  #table = new Uint32Array(1 << 17);
  /** The hash of the state looked at last. */
  #hashLow = 0;
  #hashHigh = 0;
  count = 0;

  parentOf(index: number): number {
    return this.#parents[index]!;
  }

  /** Its number, or -1 when it was seen before. */
  add<State>(model: Model<State>, state: State, parent: number): number {
    const place = this.#placeOf(model, state);
    if (this.#table[place] !== 0) return -1;
    if (this.count === STATES_MAX) throw new Error(`more than ${STATES_MAX} states`);
    const index = this.count++;
    this.#table[place] = index + 1;
    this.#low[index] = this.#hashLow;
    this.#high[index] = this.#hashHigh;
    this.#parents[index] = parent;
    if (this.count === this.#low.length) this.#grow();
    return index;
  }

  indexOf<State>(model: Model<State>, state: State): number {
    return this.#table[this.#placeOf(model, state)]! - 1;
  }

  #placeOf<State>(model: Model<State>, state: State): number {
    this.#hash(model, state);
    return this.#find(this.#hashLow, this.#hashHigh);
  }

  #find(low: number, high: number): number {
    const mask = this.#table.length - 1;
    let place = low & mask;
    for (;;) {
      const index = this.#table[place]! - 1;
      if (index < 0 || (this.#low[index] === low && this.#high[index] === high)) return place;
      place = (place + 1) & mask;
    }
  }

  #hash<State>(model: Model<State>, state: State): void {
    let low = 0x811c9dc5;
    let high = 0x2545f491;
    for (const value of model.encode(state, orderOf(model, state))) {
      low = mix(low ^ value, 0x85ebca6b);
      high = mix(high + value, 0xc2b2ae35);
    }
    this.#hashLow = low >>> 0;
    this.#hashHigh = high >>> 0;
  }

  #grow(): void {
    this.#low = doubled(this.#low);
    this.#high = doubled(this.#high);
    this.#parents = doubled(this.#parents);
    this.#table = new Uint32Array(2 * this.#table.length);
    for (let index = 0; index < this.count; index++) {
      this.#table[this.#find(this.#low[index]!, this.#high[index]!)] = index + 1;
    }
  }
}

/** A bijection of 32 bits, so that a long state loses no more than a short one. */
function mix(value: number, factor: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), factor);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f);
  return ((mixed ^ (mixed >>> 15)) + 0x1e3779b9) | 0;
}

function doubled(before: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const after = new Uint32Array(2 * before.length);
  after.set(before);
  return after;
}
