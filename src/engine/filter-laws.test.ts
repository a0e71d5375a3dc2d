import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileFilter } from "./filter.ts";
import type { FilterRecord } from "./filter-types.ts";

// A second evaluator, from the words of docs/guide/filters.md: it interprets the filter as it was
// written, lists all values at a path first, and compares JSON texts. Slow and hard to get wrong.

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function isSame(wanted: unknown, value: unknown): boolean {
  if (wanted instanceof Date) return value === wanted.getTime() || value === wanted.toISOString();
  return canonical(wanted) === canonical(value);
}

function valuesAt(values: unknown[], parts: string[]): unknown[] {
  const [part, ...rest] = parts;
  if (part === undefined) return values;
  const next = values.flatMap((value) => {
    const holders =
      Array.isArray(value) && !/^\d+$/.test(part)
        ? value.filter((element) => !Array.isArray(element))
        : [value];
    return holders
      .filter((holder) => typeof holder === "object" && holder !== null)
      .filter((holder) => Object.keys(holder as object).includes(part))
      .map((holder) => (holder as Record<string, unknown>)[part]);
  });
  return valuesAt(next, rest);
}

function isOrdered(operator: string, value: unknown, bound: unknown): boolean {
  if (bound instanceof Date) {
    return (
      isOrdered(operator, value, bound.getTime()) || isOrdered(operator, value, bound.toISOString())
    );
  }
  if (typeof value !== typeof bound) return false;
  if (typeof value !== "number" && typeof value !== "string") return false;
  const sign = value === bound ? 0 : value < (bound as typeof value) ? -1 : 1;
  return { $gt: sign > 0, $gte: sign >= 0, $lt: sign < 0, $lte: sign <= 0 }[operator] ?? false;
}

function hasPart(whole: unknown, part: unknown): boolean {
  if (Array.isArray(whole)) return whole.some((element) => isSame(part, element));
  if (part instanceof Date) return typeof whole === "string" && whole.includes(part.toISOString());
  return typeof whole === "string" && typeof part === "string" && whole.indexOf(part) >= 0;
}

function holds(operator: string, operand: unknown, values: unknown[]): boolean {
  const list = operand as unknown[];
  const isWhole = (value: unknown): boolean => typeof value === "string" || Array.isArray(value);
  switch (operator) {
    case "$eq":
      return values.some((value) => isSame(operand, value));
    case "$ne":
      return values.every((value) => !isSame(operand, value));
    case "$in":
      return list.some((one) => values.some((value) => isSame(one, value)));
    case "$nin":
      return list.every((one) => values.every((value) => !isSame(one, value)));
    case "$exists":
      return values.length > 0 === operand;
    case "$contains":
      return values.some((value) => hasPart(value, operand));
    case "$containsAny":
      return values.some((value) => list.some((part) => hasPart(value, part)));
    case "$containsAll":
      return values.some((value) => isWhole(value) && list.every((part) => hasPart(value, part)));
    case "$startsWith":
      return values.some(
        (value) => typeof value === "string" && value.indexOf(operand as string) === 0,
      );
    default:
      return values.some((value) => isOrdered(operator, value, operand));
  }
}

function naive(filter: Record<string, unknown>, record: FilterRecord): boolean {
  return Object.entries(filter).every(([key, value]) => {
    if (key === "$and") return (value as (typeof filter)[]).every((inner) => naive(inner, record));
    if (key === "$or") return (value as (typeof filter)[]).some((inner) => naive(inner, record));
    if (key === "$not") return !naive(value as typeof filter, record);
    const attributes: Record<string, unknown> = { id: record.id, type: record.type };
    const values = Object.hasOwn(attributes, key)
      ? [attributes[key]].filter((attribute) => attribute !== undefined)
      : valuesAt([record.metadata], key.replace(/^metadata\./, "").split("."));
    const operators =
      typeof value === "object" &&
      value !== null &&
      Object.keys(value).some((name) => name[0] === "$")
        ? Object.entries(value)
        : [["$eq", value] as const];
    return operators.every(([operator, operand]) => holds(operator, operand, values));
  });
}

// Few names and few values, so that filters and records meet often.
const name = fc.constantFrom("a", "b", "type");
const scalar: fc.Arbitrary<Json> = fc.constantFrom<Json[]>(
  ...[null, true, false, 0, 1, 2],
  ...["", "a", "ab", "b", "1970-01-01T00:00:00.001Z"],
);
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 2 }),
  ),
}));
const record: fc.Arbitrary<FilterRecord> = fc.record({
  id: fc.constantFrom("a", "b"),
  type: fc.constantFrom("a", "b", undefined),
  metadata: fc.dictionary(name, value, { maxKeys: 3 }),
});

const path = fc.oneof(
  fc.constantFrom("id", "type", "metadata.type"),
  fc
    .array(fc.oneof({ weight: 4, arbitrary: name }, fc.constantFrom("0", "1")), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.join(".")),
);
const operand = fc.oneof(value, fc.constant(new Date(1)), fc.constant(new Date(2)));
const bound = fc.constantFrom<unknown[]>(0, 1, 2, "", "a", "b", new Date(1));
const values = fc.array(operand, { maxLength: 4 });
const OPERANDS: Record<string, fc.Arbitrary<unknown>> = {
  $eq: operand,
  $ne: operand,
  $gt: bound,
  $gte: bound,
  $lt: bound,
  $lte: bound,
  $in: values,
  $nin: values,
  $exists: fc.boolean(),
  $contains: operand,
  $containsAny: values,
  $containsAll: values,
  $startsWith: fc.constantFrom("", "a", "ab"),
};
const operators = fc
  .array(
    fc.oneof(
      ...Object.entries(OPERANDS).map(([operator, of]) =>
        of.map((one) => [operator, one] as const),
      ),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((entries): Record<string, unknown> => Object.fromEntries(entries));

type RawFilter = Record<string, unknown>;
const { filter } = fc.letrec<{ filter: RawFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.dictionary(path, fc.oneof(operators, scalar), { maxKeys: 2 }),
    fc.array(tie("filter"), { minLength: 1, maxLength: 3 }).map(($and) => ({ $and })),
    fc.array(tie("filter"), { minLength: 1, maxLength: 3 }).map(($or) => ({ $or })),
    tie("filter").map(($not) => ({ $not })),
  ),
}));

const matches = (of: RawFilter, on: FilterRecord): boolean => compileFilter(of).matches(on);
const runs = { numRuns: 1000 };

test("compiled filters agree with the naive evaluator", () => {
  let kept = 0;
  fc.assert(
    fc.property(filter, record, (of, on) => {
      const answer = matches(of, on);
      if (answer) kept++;
      expect(answer).toBe(naive(of, on));
    }),
    { numRuns: 4000 },
  );
  // Otherwise the property would compare one constant with another.
  expect(kept).toBeGreaterThan(400);
  expect(kept).toBeLessThan(3600);
});

test("each operator alone agrees with the naive evaluator", () => {
  fc.assert(
    fc.property(path, operators, record, (at, all, on) => {
      for (const [operator, one] of Object.entries(all)) {
        const of = { [at]: { [operator]: one } };
        expect(matches(of, on)).toBe(naive(of, on));
      }
    }),
    { numRuns: 4000 },
  );
});

test("not not x is x", () => {
  fc.assert(
    fc.property(filter, record, (x, on) => {
      expect(matches({ $not: { $not: x } }, on)).toBe(matches(x, on));
    }),
    runs,
  );
});

test("De Morgan's laws hold", () => {
  fc.assert(
    fc.property(filter, filter, record, (x, y, on) => {
      expect(matches({ $not: { $and: [x, y] } }, on)).toBe(
        matches({ $or: [{ $not: x }, { $not: y }] }, on),
      );
      expect(matches({ $not: { $or: [x, y] } }, on)).toBe(
        matches({ $and: [{ $not: x }, { $not: y }] }, on),
      );
    }),
    runs,
  );
});

test("$in is the or of $eq, and $nin the and of $ne", () => {
  const some = fc.array(operand, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(path, some, record, (at, list, on) => {
      expect(matches({ [at]: { $in: list } }, on)).toBe(
        matches({ $or: list.map(($eq) => ({ [at]: { $eq } })) }, on),
      );
      expect(matches({ [at]: { $nin: list } }, on)).toBe(
        matches({ $and: list.map(($ne) => ({ [at]: { $ne } })) }, on),
      );
    }),
    runs,
  );
});
