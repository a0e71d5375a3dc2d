import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/random.ts";
import { compileFilter } from "../../../src/engine/filter.ts";
import { keeps, randomFilter, TAGS } from "./filter-oracle.ts";

const metadata = fc.record(
  {
    n: fc.nat(3),
    tags: fc.subarray([...TAGS]),
    deep: fc.record({ n: fc.nat(3) }),
    k0: fc.constantFrom("token-1", "token-21", "token-3"),
  },
  { requiredKeys: [] },
);

test("[B10] a filter keeps what its words say, and some records and not others", () => {
  const keepsOf = (filter: Record<string, unknown>) =>
    [{ n: 1, tags: ["red"] }, { n: 2, k0: "token-1" }, {}].map((one) =>
      keeps(filter, { id: "r1", metadata: one }),
    );
  expect(keepsOf({ n: { $gte: 1, $lt: 2 } })).toEqual([true, false, false]);
  expect(keepsOf({ n: { $ne: 1 } })).toEqual([false, true, true]);
  expect(keepsOf({ $not: { tags: { $contains: "red" } } })).toEqual([false, true, true]);
  expect(keepsOf({ $or: [{ k0: { $startsWith: "token" } }, { n: 1 }] })).toEqual([
    true,
    true,
    false,
  ]);
  expect(keepsOf({ id: { $in: ["r1"] } })).toEqual([true, true, true]);
});

test("[B10] of the filters that are drawn each kind meets records that it keeps and leaves out", () => {
  let kept = 0;
  fc.assert(
    fc.property(fc.nat(), metadata, (seed, fields) => {
      const filter = randomFilter(seededRandom(seed));
      const record = { id: "r1", metadata: fields };
      const isKept = keeps(filter, record);
      expect(compileFilter(filter).matches(record)).toBe(isKept);
      if (isKept) kept++;
    }),
    { numRuns: 500 },
  );
  expect(kept).toBeGreaterThan(100);
  expect(kept).toBeLessThan(400);
});
