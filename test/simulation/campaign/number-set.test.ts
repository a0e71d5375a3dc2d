import fc from "fast-check";
import { expect, test } from "vitest";
import { numbersOf, textOfOthers } from "./number-set.ts";

test("ranges, single numbers and an open end are what they say", () => {
  expect([...numbersOf("0-2,5,7-8")]).toEqual([0, 1, 2, 5, 7, 8]);
  expect([...numbersOf("")]).toEqual([]);
  const open = numbersOf("3-");
  expect([open.has(2), open.has(3), open.has(4_000)]).toEqual([false, true, true]);
});

test("what is no number is refused", () => {
  for (const text of ["x", "1-x", "-3", "1,,x", "1 2"]) {
    expect(() => numbersOf(text)).toThrow(/neither a number nor a range/);
  }
});

test("all others are exactly those that are not kept", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 12 }), (kept) => {
      const others = numbersOf(textOfOthers(kept));
      for (let number = 0; number < 60; number++) {
        expect(others.has(number)).toBe(!kept.includes(number));
      }
    }),
  );
  expect(textOfOthers([])).toBe("0-");
  expect(textOfOthers([0, 1, 5, 7])).toBe("2-4,6,8-");
});
