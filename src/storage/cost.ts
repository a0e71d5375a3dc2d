import type { RequestCounters, RequestKind } from "./layers/metered.ts";

/**
 * What a million requests cost on S3 Standard, in USD, by public prices of us-east-1. Answers that
 * say "missing", "unchanged" or "lost" are charged like any other; storage and transfer are apart.
 */
export const REQUEST_USD_PER_MILLION: Readonly<Record<RequestKind, number>> = {
  put: 5,
  list: 5,
  get: 0.4,
  head: 0.4,
  delete: 0,
};

/** An estimate in USD. */
export interface RequestCost {
  readonly totalUsd: number;
  readonly byKindUsd: Readonly<Record<RequestKind, number>>;
}

/** What the requests counted so far would cost on S3. */
export function estimateRequestCost(counters: RequestCounters): RequestCost {
  const usd = (kind: RequestKind): number =>
    (counters[kind].requests * REQUEST_USD_PER_MILLION[kind]) / 1_000_000;
  const byKindUsd = {
    get: usd("get"),
    head: usd("head"),
    put: usd("put"),
    list: usd("list"),
    delete: usd("delete"),
  };
  const totalUsd = Object.values(byKindUsd).reduce((sum, part) => sum + part, 0);
  return { totalUsd, byKindUsd };
}
