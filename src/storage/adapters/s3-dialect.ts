import { BrainyError, isBrainyError } from "../../base/errors.ts";
import { randomHex, type Random } from "../../base/random.ts";
import type { Etag, PutResult } from "../object-store.ts";
import { PROBE_PREFIX } from "../probe.ts";

/** An etag as one store wants to be given it in `If-Match`. */
export type EtagDialect = (etag: Etag) => string;

/** The headers of a conditional put. */
export type S3PutHeaders = { readonly IfNoneMatch: "*" } | { readonly IfMatch: string };

/** The two requests that learning needs. */
export interface LearnDialectOptions {
  readonly random: Random;
  readonly put: (key: string, bytes: Uint8Array, headers?: S3PutHeaders) => Promise<PutResult>;
  readonly remove: (key: string) => Promise<void>;
}

/** As RFC 9110 (section 8.8.3) writes it, and as AWS takes it. */
export const quoted: EtagDialect = (etag) => `"${etag}"`;

/** As Ceph's gateway compares it: its `If-Match` of a quoted etag never holds. */
const unquoted: EtagDialect = (etag) => etag;

/**
 * Finds out which form of its own etag a store recognises, on a scratch key that nobody else
 * writes: a conflict there can only mean that the form was not understood. Rejects with
 * `BRAINY_UNSUPPORTED` when it knows neither. That a store looks at the condition at all is not
 * shown by this; `probeStore` does that.
 */
export async function learnEtagDialect(options: LearnDialectOptions): Promise<EtagDialect> {
  const { random, put, remove } = options;
  const key = PROBE_PREFIX + randomHex(random, 16);
  try {
    const { etag } = await put(key, Uint8Array.of(1));
    for (const dialect of [quoted, unquoted]) {
      try {
        await put(key, Uint8Array.of(2), { IfMatch: dialect(etag) });
        return dialect;
      } catch (error) {
        if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
      }
    }
    const what = `${key}: the store refuses If-Match of the very etag it gave out`;
    throw new BrainyError("BRAINY_UNSUPPORTED", what);
  } finally {
    // A key that stays is junk under a random name; what was learnt holds all the same.
    await remove(key).catch(() => undefined);
  }
}
