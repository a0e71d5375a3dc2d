import { expect, test } from "vitest";
import { cosineDistance, norm } from "./oracle.ts";
import { prepareQuery } from "./query.ts";

test("a cosine query of any length is scaled to a norm in [1, 2), and keeps its direction", () => {
  for (const scale of [1e-44, 1e-38, 1e-10, 0.3, 1, 7, 1e10, 1e38]) {
    const query = Float32Array.of(scale, -scale * 2, scale / 3);
    const found = prepareQuery({ metric: "cosine", query, dimension: 3, stride: 4 });
    expect(found.components[3]).toBe(0);
    expect(norm(found.components)).toBeGreaterThanOrEqual(1);
    expect(norm(found.components)).toBeLessThan(2);
    expect(found.inverse * norm(found.components)).toBeCloseTo(1, 12);
    expect(cosineDistance(found.components.subarray(0, 3), query)).toBe(0);
    expect(found.norm).toBe(norm(query));
  }
});

test("other queries are taken as they are, and padded", () => {
  const query = Float32Array.of(1e30, -2, 0.1);
  for (const metric of ["euclidean", "dot"] as const) {
    const found = prepareQuery({ metric, query, dimension: 3, stride: 4 });
    expect(found.components).toEqual(Float32Array.of(1e30, -2, 0.1, 0));
  }
});
