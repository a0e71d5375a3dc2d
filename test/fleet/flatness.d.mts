/** A quantity at a moment. */
export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** What became of it. */
export interface Flatness {
  readonly isFlat: boolean;
  /** From the first low point to the last, by the median of all slopes. */
  readonly growth: number;
  /** Of the greatest low point, from the first third to the last. */
  readonly peakGrowth: number;
  readonly allowed: number;
  readonly median: number;
  readonly first: number;
  readonly last: number;
  readonly windows: readonly number[];
}

/** `undefined` where there are too few samples to tell. */
export function judgeFlatness(
  samples: readonly Sample[],
  tolerance: { readonly share: number; readonly units: number },
): Flatness | undefined;
