import fc from "fast-check";
import { expect, test } from "vitest";
import { allFinite } from "./finite.ts";

test("one component that is not finite is seen, wherever it is", () => {
  for (const length of [1, 3, 4, 5, 16, 1_001, 16_384, 16_385, 40_000]) {
    const vector = new Float32Array(length).fill(3e38);
    expect(allFinite(vector)).toBe(true);
    for (const at of [0, length >> 1, length - 1]) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        vector[at] = bad;
        expect(allFinite(vector), `${bad} at ${at} of ${length}`).toBe(false);
        vector[at] = -1e-45;
      }
    }
    expect(allFinite(vector)).toBe(true);
  }
});

test("the kernel agrees with Number.isFinite on every float32", () => {
  fc.assert(
    fc.property(fc.float32Array({ maxLength: 40 }), (vector) => {
      expect(allFinite(vector)).toBe(vector.every(Number.isFinite));
    }),
    { numRuns: 300 },
  );
});
