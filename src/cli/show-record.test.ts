import * as fc from "fast-check";
import { expect, test } from "vitest";
import { oneLine, placeOf, shortestFloat, snippetOf } from "./show-record.ts";

test("a shortened number is the same float32, with nine digits at most", () => {
  expect(Array.from(Float32Array.of(0.1, -2.5e-7, 16_777_216), shortestFloat)).toEqual([
    0.1, -2.5e-7, 16_777_216,
  ]);
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const shorter = shortestFloat(value);
      // JSON has no negative zero either.
      expect(Math.fround(shorter) === value).toBe(true);
      expect(
        String(shorter)
          .replaceAll(/^-|e.*|\D/g, "")
          .replaceAll(/^0+|0+$/g, "").length,
      ).toBeLessThanOrEqual(9);
    }),
    { numRuns: 2_000 },
  );
});

test("what is stored cannot drive a terminal", () => {
  const text = "a\u001b[2J\u0007b\r\n\tc\u009b31m";
  expect(oneLine(text)).toBe("a [2J b c 31m");
  const record = { id: "x", version: "v", metadata: {}, text };
  expect(snippetOf(record, 5)).toBe("a [2…");
});

test("only passages have a place", () => {
  const record = { id: "x", version: "v" };
  const metadata = { path: "a.md", lineStart: 3, lineEnd: 9 };
  expect(placeOf({ ...record, metadata })).toBe("a.md:3-9");
  expect(placeOf({ ...record, metadata: { path: "a.md" } })).toBeUndefined();
});
