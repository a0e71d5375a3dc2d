import { expect, test } from "vitest";
import { nearestName, refuseUnknownKeys } from "./nearest-name.ts";

const OPERATORS = ["$eq", "$ne", "$gte", "$contains", "$containsAny", "$startsWith"];

test("a typo finds the name it meant", () => {
  expect(nearestName("$contians", OPERATORS)).toBe("$contains");
  expect(nearestName("$startswith", OPERATORS)).toBe("$startsWith");
  expect(nearestName("$get", OPERATORS)).toBe("$gte");
  expect(nearestName("efserch", ["M", "efSearch", "efConstruction"])).toBe("efSearch");
});

test("a name that is near nothing has no suggestion", () => {
  expect(nearestName("$regularExpression", OPERATORS)).toBeUndefined();
  expect(nearestName("xyz", ["abc"])).toBeUndefined();
  expect(nearestName("anything", [])).toBeUndefined();
});

test("swapped neighbours are one edit, so a short name still finds its target", () => {
  expect(nearestName("aft", ["fat"])).toBe("fat");
  expect(nearestName("tfa", ["fat"])).toBeUndefined();
});

test("of two equally near names the first wins, and a nearer one beats it", () => {
  expect(nearestName("limif", ["limit", "limie"])).toBe("limit");
  expect(nearestName("limix", ["lomit", "limit"])).toBe("limit");
});

test("an unknown option is refused with the nearest name, or with all names", () => {
  const allowed = ["filter", "mode"];
  expect(() => refuseUnknownKeys({ filtr: 1 }, allowed, "search options")).toThrow(
    'search options: unknown name "filtr"; did you mean "filter"?',
  );
  expect(() => refuseUnknownKeys({ zzzzzz: 1 }, allowed, "search options")).toThrow(
    "known names: filter, mode",
  );
  expect(() => refuseUnknownKeys({ filter: 1, mode: 2 }, allowed, "x")).not.toThrow();
});
