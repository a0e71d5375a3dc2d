import { unreachable } from "../base/assert.ts";

/** How two vectors are compared. */
export type Metric = "cosine" | "euclidean" | "dot";

/** Every metric, in the order of the numbers by which the kernel knows them. */
export const METRICS = ["cosine", "euclidean", "dot"] as const satisfies readonly Metric[];

/*
 * Inside, a comparison is one *ordering distance*, smaller is nearer, cheapest to compute:
 *
 *   metric      ordering      what a user sees as distance     score
 *   cosine      1 - cos       1 - cos                          cos
 *   euclidean   |a - b|²      |a - b|                          1 / (1 + |a - b|)
 *   dot         -a·b          -a·b                             a·b
 */

/** The distance that a user sees for an ordering distance. Keeps the order. */
export function userDistance(metric: Metric, ordering: number): number {
  return metric === "euclidean" ? Math.sqrt(ordering) : ordering;
}

/** The score that a user sees for an ordering distance: grows with similarity. */
export function score(metric: Metric, ordering: number): number {
  switch (metric) {
    case "cosine":
      return 1 - ordering;
    case "euclidean":
      return 1 / (1 + Math.sqrt(ordering));
    case "dot":
      // Not `-ordering`: a product of zero is 0, and not -0.
      return 0 - ordering;
    default:
      return unreachable(metric);
  }
}
