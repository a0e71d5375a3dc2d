/** How long requests take: half of them at most `p50Ms`, all but one in a hundred at most `p99Ms`. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** S3 in one region, small objects: what was measured of reads and listings. */
export const S3_READ: Latency = { p50Ms: 63, p99Ms: 78 };
/** The same of writes. */
export const S3_WRITE: Latency = { p50Ms: 100, p99Ms: 274 };

/** The time that a share of all requests does not exceed: a log-normal through both points. */
export function quantileMs({ p50Ms, p99Ms }: Latency, share: number): number {
  return p50Ms * (p99Ms / p50Ms) ** (deviations(share) / deviations(0.99));
}

/** Standard deviations from the mean, within 0.01 of a normal distribution: Tukey's lambda. */
function deviations(share: number): number {
  return (share ** 0.1349 - (1 - share) ** 0.1349) / 0.1975;
}
