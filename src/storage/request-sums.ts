import type { RequestCounter, RequestCounters, RequestKind } from "./layers/metered.ts";

/** Adds what another store has counted, one in another thread for instance. */
export function addRequests(counters: RequestCounters, more: RequestCounters): void {
  for (const [kind, counter] of Object.entries(more) as [RequestKind, RequestCounter][]) {
    for (const [name, value] of Object.entries(counter) as [keyof RequestCounter, number][]) {
      counters[kind][name] += value;
    }
  }
}

/** What was counted since, after which everything is zero again. */
export function takeRequests(counters: RequestCounters): RequestCounters {
  const taken = structuredClone(counters);
  for (const counter of Object.values(counters)) {
    Object.assign(counter, { requests: 0, errors: 0, bytesIn: 0, bytesOut: 0 });
  }
  return taken;
}
