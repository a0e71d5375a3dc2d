import type { Clock } from "../../base/clock.ts";
import { BrainyError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { ObjectStore } from "../object-store.ts";
import type { RequestKind } from "./metered.ts";

/** Options of `faulty`. Rates are chances between 0 and 1, rolled once before and once after. */
export interface FaultyOptions {
  readonly random: Random;
  /** Chance of a fault at each half of a call. */
  readonly errorRate: number;
  /** Other chances for some kinds of request. */
  readonly rates?: Partial<Readonly<Record<RequestKind, number>>> | undefined;
  /** Needed for `latencyMs`. */
  readonly clock?: Clock | undefined;
  /** Longest delay before a call; each is chosen evenly from nothing to this. None by default. */
  readonly latencyMs?: number | undefined;
}

/** A store that fails, and the switch that makes it stop. */
export interface FaultyStore extends ObjectStore {
  /** True at first. While false, calls pass through unharmed and undelayed. */
  isFaulty: boolean;
  /** Faults injected so far: a test that saw none has tested nothing. */
  readonly faultCount: number;
}

/**
 * Fails calls at random, the way a network does: sometimes before the store saw the request and
 * sometimes after it applied it. The second kind is the one that finds bugs.
 */
export function faulty(inner: ObjectStore, options: FaultyOptions): FaultyStore {
  const { random, errorRate, rates = {}, clock, latencyMs = 0 } = options;
  let isFaulty = true;
  let faultCount = 0;

  const roll = (kind: RequestKind, what: string): void => {
    if (!isFaulty || random.next() >= (rates[kind] ?? errorRate)) return;
    faultCount++;
    throw new BrainyError("BRAINY_UNAVAILABLE", `injected fault: ${kind} ${what}`);
  };
  const delay = async (signal: AbortSignal | undefined): Promise<void> => {
    if (isFaulty && latencyMs > 0) await clock?.sleep(random.next() * latencyMs, signal);
  };
  const call = async <T>(
    kind: RequestKind,
    run: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    await delay(signal);
    roll(kind, "lost on its way to the store");
    const answer = await run();
    roll(kind, "answer lost");
    return answer;
  };
  return {
    name: `faulty(${inner.name})`,
    capabilities: inner.capabilities,
    get isFaulty() {
      return isFaulty;
    },
    set isFaulty(value) {
      isFaulty = value;
    },
    get faultCount() {
      return faultCount;
    },
    get: (key, more) => call("get", () => inner.get(key, more), more?.signal),
    getIfChanged: (key, etag, more) =>
      call("get", () => inner.getIfChanged(key, etag, more), more?.signal),
    put: (key, bytes, more) => call("put", () => inner.put(key, bytes, more), more?.signal),
    putStream: (key, chunks, more) =>
      call("put", () => inner.putStream(key, chunks, more), more?.signal),
    deleteMany: (keys, more) => call("delete", () => inner.deleteMany(keys, more), more?.signal),
    head: (key, more) => call("head", () => inner.head(key, more), more?.signal),
    async *list(more) {
      await delay(more?.signal);
      for await (const page of inner.list(more)) {
        roll("list", "page lost");
        yield page;
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(inner[Symbol.asyncDispose]()),
  };
}
