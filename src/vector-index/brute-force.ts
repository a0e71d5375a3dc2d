import type { Metric } from "../kernel/metric.ts";
import { distance } from "../kernel/oracle.ts";
import type { Neighbour } from "./contract.ts";
import { compareNeighbours } from "./contract.ts";

/** A search over vectors that are plain arrays: row i is `vectors[i]`. */
export interface BruteForceOptions {
  readonly vectors: readonly Float32Array[];
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly k: number;
  readonly mask?: Uint8Array | undefined;
}

/** The oracle that every index is tested against: obviously right, never fast. */
export function bruteForce({ vectors, metric, query, k, mask }: BruteForceOptions): Neighbour[] {
  return vectors
    .map((vector, row): Neighbour => ({ row, distance: distance(metric, query, vector) }))
    .filter(({ row }) => takesPart(mask, row))
    .toSorted(compareNeighbours)
    .slice(0, k);
}

/** Whether a row's bit is set; every row takes part where there is no mask. */
export function takesPart(mask: Uint8Array | undefined, row: number): boolean {
  return mask === undefined || ((mask[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}
