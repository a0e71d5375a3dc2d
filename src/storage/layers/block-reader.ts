import { BrainyError } from "../../base/errors.ts";
import { resolveByteRange } from "../byte-range.ts";
import type { GetOptions, ObjectStore, StoredObject } from "../object-store.ts";
import type { BlockCache, BlockIdentity, CachedBlock } from "./block-cache.ts";
import { BlockTarget } from "./block-target.ts";

/** Objects whose size and etag are remembered. */
const IDENTITIES_MAX = 4_096;
/** Blocks that were kept of late are looked for once more before they are asked for. */
const KEPT_MAX = 4_096;
/** An object that turns out to be another one is forgotten and read again this often. */
const ATTEMPTS_MAX = 2;
/** After these rounds a block that is not there is asked for, whoever else may be doing it. */
const ROUNDS_MAX = 3;
/** Blocks of which a read took a part: the next read often takes the rest. */
const RECENT_MAX = 8;
/** One request of a prefetch asks for at most this many blocks. */
const PREFETCH_BLOCKS_MAX = 8;

type Range = readonly [start: number, end: number];

/** A block on its way from the store, and then into the cache. */
interface Flight {
  /** What the request brings; `undefined` when the store has no such object. */
  readonly answer: Promise<Fetched | undefined>;
  /** Resolves when the cache has the block, or will not have it. */
  readonly landed: Promise<void>;
}

/** Blocks by number, as one request brought them. */
interface Fetched {
  readonly identity: BlockIdentity;
  readonly blocks: ReadonlyMap<number, CachedBlock>;
}

/** Reads of immutable objects, block by block. Spec: docs/specs/cache.md. */
export class BlockReader {
  readonly #inner: ObjectStore;
  readonly #cache: BlockCache;
  readonly #flights = new Map<string, Map<number, Flight>>();
  readonly #identities = new Map<string, BlockIdentity>();
  readonly #kept = new Set<string>();
  /** Checked blocks, the oldest first. */
  readonly #recent = new Map<string, CachedBlock>();
  /** Objects forgotten so far: what was read across one of these moments is not remembered. */
  #forgotten = 0;

  constructor(inner: ObjectStore, cache: BlockCache) {
    this.#inner = inner;
    this.#cache = cache;
  }

  /** As `ObjectStore.get`, without `suffix` and `fresh`. */
  async get(key: string, options: GetOptions): Promise<StoredObject | undefined> {
    const { range = [0, Number.POSITIVE_INFINITY], signal } = options;
    // Whoever gave up does not expect its memory to be written to any more.
    const memory = signal === undefined ? options.target : undefined;
    signal?.throwIfAborted();
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = await untilAborted(this.#read(key, range, memory), signal);
      if (found !== "mixed") return found;
      await this.forget(key);
    }
    return this.#inner.get(key, options);
  }

  /** Waits for what is on its way, so that nothing of it is kept afterwards. */
  async forget(key: string): Promise<void> {
    this.#forgotten++;
    const flights = [...(this.#flights.get(key)?.values() ?? [])];
    await Promise.all(flights.map(({ landed }) => landed));
    this.#identities.delete(key);
    for (const name of this.#recent.keys()) {
      if (name.startsWith(`${key} `)) this.#recent.delete(name);
    }
    await this.#cache.forget(key);
  }

  /** Asks for the blocks of a range that are neither kept nor on their way. */
  async prefetch(key: string, [start, end]: Range, signal: AbortSignal | undefined): Promise<void> {
    const { blockBytes } = this.#cache;
    const last = Math.ceil(end / blockBytes);
    let run: number[] = [];
    for (let index = Math.floor(start / blockBytes); index <= last; index++) {
      signal?.throwIfAborted();
      const isMissing =
        index < last && !this.#flight(key, index) && !(await this.#cache.has(key, index));
      if (isMissing) run.push(index);
      if (run.length === 0 || (isMissing && run.length < PREFETCH_BLOCKS_MAX)) continue;
      // Somebody may have begun to ask for some of them while the cache was looked at.
      for (const [first, stop] of runsOf(run.filter((i) => !this.#flight(key, i)))) {
        await this.#fetch(key, first, stop);
        // The next run waits for the folder, which is slower than the store at times.
        for (const index of run) await this.#flight(key, index)?.landed;
      }
      run = [];
    }
  }

  async #read(
    key: string,
    [start, end]: Range,
    memory: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<StoredObject | "mixed" | undefined> {
    const { blockBytes } = this.#cache;
    let identity = this.#identities.get(key);
    let ready: ReadonlyMap<number, CachedBlock> = new Map();
    if (identity === undefined) {
      const first = Math.floor(start / blockBytes);
      const learnt = await this.#learn(key, first, Math.ceil(end / blockBytes));
      if (learnt === undefined) return undefined;
      ({ identity, blocks: ready } = learnt);
    }
    const { etag, bytesTotal, storeMs } = identity;
    const range = resolveByteRange(key, { range: [start, end] }, bytesTotal);
    const target = new BlockTarget({ range, bytesTotal, blockBytes, memory });
    const outcome = await this.#fill(key, { target, identity, ready });
    if (outcome === "mixed") return outcome;
    if (outcome === "filled") return { bytes: target.bytes, etag, bytesTotal, storeMs };
    await this.forget(key);
    return undefined;
  }

  /** What an object is that nothing is known of, and the blocks that finding out has brought. */
  async #learn(key: string, first: number, end: number): Promise<Fetched | undefined> {
    const flight = this.#flight(key, first);
    if (flight !== undefined) return flight.answer;
    const kept = await this.#readKept(key, first);
    // The look into the cache took a while, in which somebody else may have begun to ask.
    if (kept === undefined) {
      return this.#flight(key, first)?.answer ?? this.#fetch(key, first, end);
    }
    this.#cache.counters.hits++;
    this.#know(key, kept);
    return { identity: kept, blocks: new Map([[first, kept]]) };
  }

  /** Brings every block of the target to its place, or says why not. */
  async #fill(
    key: string,
    {
      target,
      identity,
      ready,
    }: {
      readonly target: BlockTarget;
      readonly identity: BlockIdentity;
      readonly ready: ReadonlyMap<number, CachedBlock>;
    },
  ): Promise<"filled" | "mixed" | "absent"> {
    let wanted: number[] = [];
    for (const index of target.indices) {
      const block = ready.get(index);
      if (block === undefined) wanted.push(index);
      else target.place(index, block.bytes);
    }
    let isMixed = false;
    const place = (index: number, block: CachedBlock | undefined): void => {
      if (block !== undefined && isSame(block, identity)) target.place(index, block.bytes);
      else isMixed = true;
    };
    for (let round = 1; wanted.length > 0; round++) {
      const missing = await this.#findAll(key, wanted, { target, place });
      if (missing === undefined) return "absent";
      if (isMixed) return "mixed";
      // From here to the first `#fetch` nothing is awaited: what is free now stays free.
      const isLast = round === ROUNDS_MAX;
      const own = missing.filter(
        (index) => isLast || !(this.#flight(key, index) || this.#isKept(key, index)),
      );
      const answers = await settleAll(
        runsOf(own).map(([first, end]) => this.#fetch(key, first, end)),
      );
      for (const fetched of answers) {
        if (fetched === undefined) return "absent";
        for (const [index, block] of fetched.blocks) place(index, block);
      }
      if (isMixed) return "mixed";
      const asked = new Set(own);
      wanted = missing.filter((index) => !asked.has(index));
    }
    return "filled";
  }

  /** A block of the cache. One that is not wanted as a whole is remembered for a while. */
  async #readKept(
    key: string,
    index: number,
    whole?: Uint8Array<ArrayBuffer>,
  ): Promise<CachedBlock | undefined> {
    const name = `${key} ${index}`;
    const forgotten = this.#forgotten;
    const recent = this.#recent.get(name);
    const block = recent ?? (await this.#cache.read(key, index, whole));
    const isWhole = whole !== undefined;
    if (block === undefined || isWhole || forgotten !== this.#forgotten) return block;
    this.#recent.delete(name);
    this.#recent.set(name, block);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > RECENT_MAX) this.#recent.delete(oldest!);
    return block;
  }

  /** The blocks that are neither kept nor on their way; `undefined` when the object is gone. */
  async #findAll(
    key: string,
    wanted: readonly number[],
    to: {
      readonly target: BlockTarget;
      readonly place: (index: number, block: CachedBlock | undefined) => void;
    },
  ): Promise<number[] | undefined> {
    const missing: number[] = [];
    let isAbsent = false;
    await settleAll(
      wanted.map(async (index) => {
        const flight = this.#flight(key, index);
        if (flight !== undefined) {
          const answer = await flight.answer;
          isAbsent ||= answer === undefined;
          if (answer !== undefined) to.place(index, answer.blocks.get(index));
          return;
        }
        const block = await this.#readKept(key, index, to.target.whole(index));
        if (block === undefined) missing.push(index);
        else {
          this.#cache.counters.hits++;
          to.place(index, block);
        }
      }),
    );
    return isAbsent ? undefined : missing.sort((a, b) => a - b);
  }

  /**
   * One request for blocks `[first, end)`; with an `end` of infinity for the whole object. Others
   * find the blocks in flight from this call on, until the cache has them.
   */
  #fetch(key: string, first: number, end: number): Promise<Fetched | undefined> {
    const { blockBytes } = this.#cache;
    const isWhole = end === Number.POSITIVE_INFINITY;
    const range: Range | undefined = isWhole ? undefined : [first * blockBytes, end * blockBytes];
    const answer = this.#inner
      .get(key, range && { range })
      .then((found) => found && this.#cut(key, first, found, range));
    const flights = this.#flights.get(key) ?? new Map<number, Flight>();
    this.#flights.set(key, flights);
    for (let index = first; index < (isWhole ? first + 1 : end); index++) {
      if (flights.has(index)) continue;
      const landed = answer
        .then((fetched) => this.#keep(key, index, fetched?.blocks.get(index)))
        .catch(() => {})
        .finally(() => {
          flights.delete(index);
          if (flights.size === 0) this.#flights.delete(key);
        });
      flights.set(index, { answer, landed });
    }
    return answer;
  }

  #cut(key: string, first: number, found: StoredObject, range: Range | undefined): Fetched {
    const { bytes, etag, bytesTotal, storeMs } = found;
    const { blockBytes, counters } = this.#cache;
    const [start, end] = resolveByteRange(key, { range }, bytesTotal);
    if (bytes.byteLength !== end - start) {
      const size = `${bytes.byteLength} bytes came where ${end - start} were asked for`;
      throw new BrainyError("BRAINY_UNAVAILABLE", `get ${key}: ${size}`);
    }
    const identity = { etag, bytesTotal, storeMs };
    this.#know(key, identity);
    const blocks = new Map<number, CachedBlock>();
    for (let at = 0; at < bytes.byteLength; at += blockBytes) {
      const index = first + at / blockBytes;
      blocks.set(index, { ...identity, bytes: bytes.subarray(at, at + blockBytes) });
    }
    counters.misses += blocks.size;
    return { identity, blocks };
  }

  async #keep(key: string, index: number, block: CachedBlock | undefined): Promise<void> {
    if (block === undefined || !(await this.#cache.write(key, index, block))) return;
    remember(this.#kept, `${key} ${index}`, KEPT_MAX);
  }

  /** Whether it was kept since somebody may have looked; said once. */
  #isKept(key: string, index: number): boolean {
    return this.#kept.delete(`${key} ${index}`);
  }

  #flight(key: string, index: number): Flight | undefined {
    return this.#flights.get(key)?.get(index);
  }

  #know(key: string, { etag, bytesTotal, storeMs }: BlockIdentity): void {
    if (this.#identities.size >= IDENTITIES_MAX) {
      const [oldest] = this.#identities.keys();
      this.#identities.delete(oldest!);
    }
    this.#identities.set(key, { etag, bytesTotal, storeMs });
  }
}

function isSame(a: BlockIdentity, b: BlockIdentity): boolean {
  return a.etag === b.etag && a.bytesTotal === b.bytesTotal;
}

/** Ascending numbers as half-open ranges. */
function runsOf(indices: readonly number[]): (readonly [first: number, end: number])[] {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const run = runs.at(-1);
    if (run?.[1] === index) run[1]++;
    else runs.push([index, index + 1]);
  }
  return runs;
}

/** All results; rejects with the first error, but not before every call has ended. */
async function settleAll<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const results: T[] = [];
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === "rejected") throw outcome.reason;
    results.push(outcome.value);
  }
  return results;
}

function remember(names: Set<string>, name: string, most: number): void {
  if (names.size >= most) {
    const [oldest] = names;
    names.delete(oldest!);
  }
  names.add(name);
}

/** The call goes on: others may be waiting for the same bytes. */
async function untilAborted<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return call;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([call, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
