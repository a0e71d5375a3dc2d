import type { Clock } from "../../base/clock.ts";
import { isBrainyError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { ListPage, ObjectStore } from "../object-store.ts";

/** Options of `retrying`. */
export interface RetryingOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Times one call is made in all, 4 by default. Each is a request to pay for. */
  readonly attemptsMax?: number | undefined;
  /** The wait before attempt n is between nothing and `baseMs` * 2^(n-1). 50 by default. */
  readonly baseMs?: number | undefined;
}

type Abortable = { readonly signal?: AbortSignal | undefined };

/**
 * Repeats what is safe to repeat when the store did not answer: reads, lists, deletes and puts
 * without a condition. A conditional put never: its first attempt may have won, and the second
 * would report that as lost. Nor `putStream`, whose chunks can be read once. The waits are chosen
 * anew over their whole length ("full jitter"), so that a fleet does not come back in step.
 */
export function retrying(inner: ObjectStore, options: RetryingOptions): ObjectStore {
  const { clock, random, attemptsMax = 4, baseMs = 50 } = options;

  const pause = (attempt: number, error: unknown, signal: AbortSignal | undefined) => {
    if (!isBrainyError(error, "BRAINY_UNAVAILABLE") || attempt >= attemptsMax) throw error;
    return clock.sleep(random.next() * baseMs * 2 ** (attempt - 1), signal);
  };
  const repeat = async <T>(call: () => Promise<T>, { signal }: Abortable = {}): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        await pause(attempt, error, signal);
      }
    }
  };
  return {
    name: `retrying(${inner.name})`,
    capabilities: inner.capabilities,
    descriptor: inner.descriptor,
    get: (key, getOptions) => repeat(() => inner.get(key, getOptions), getOptions),
    getIfChanged: (key, etag, getOptions) =>
      repeat(() => inner.getIfChanged(key, etag, getOptions), getOptions),
    put: (key, bytes, putOptions) =>
      putOptions?.condition === undefined
        ? repeat(() => inner.put(key, bytes, putOptions), putOptions)
        : inner.put(key, bytes, putOptions),
    putStream: (key, chunks, putOptions) => inner.putStream(key, chunks, putOptions),
    deleteMany: (keys, deleteOptions) =>
      repeat(() => inner.deleteMany(keys, deleteOptions), deleteOptions),
    head: (key, headOptions) => repeat(() => inner.head(key, headOptions), headOptions),
    async *list(listOptions = {}) {
      // Pages already handed out cannot be taken back, so a listing that fails begins again and
      // passes over what was given; the order of pages is not relied on.
      const given = new Set<string>();
      for (let attempt = 1; ; attempt++) {
        try {
          for await (const page of inner.list(listOptions)) yield withoutGiven(page, given);
          return;
        } catch (error) {
          await pause(attempt, error, listOptions.signal);
        }
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(inner[Symbol.asyncDispose]()),
  };
}

/** The entries of a page that were not given out before, which then count as given. */
function withoutGiven(page: ListPage, given: Set<string>): ListPage {
  const isNew = (name: string): boolean => given.size < given.add(name).size;
  return {
    ...page,
    objects: page.objects.filter(({ key }) => isNew(key)),
    prefixes: page.prefixes.filter((prefix) => isNew(`${prefix}/`)),
  };
}
