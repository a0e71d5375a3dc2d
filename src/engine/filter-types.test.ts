import { expect, test } from "vitest";
import { compileFilter } from "./filter.ts";
import type { Filter } from "./filter-types.ts";

interface Product {
  title: string;
  price: number;
  tags: string[];
  added: string;
  stock?: number;
  maker: { country: string } | null;
  type: number;
}

// The compiler is the judge of these lines; running them shows that what it accepts also compiles
// as a filter.

test("a typed filter accepts each operator with a fitting operand", () => {
  const filters: Filter<Product>[] = [
    {},
    { title: "x", price: { $gte: 1, $lt: 5 } },
    { tags: { $contains: "red" }, title: { $contains: "re", $startsWith: "r" } },
    { tags: ["a", "b"], stock: { $in: [1, 2], $exists: true } },
    { added: { $gt: new Date(0) }, "maker.country": "DE", maker: null },
    { $or: [{ price: 1 }, { $not: { title: { $ne: "x" } } }], id: "a", type: { $in: ["p"] } },
    { "metadata.type": 5 },
  ];
  for (const filter of filters) expect(() => compileFilter(filter)).not.toThrow();
});

test("a typed filter refuses unknown fields and operands of another type", () => {
  const filters: Filter<Product>[] = [
    // @ts-expect-error no such field
    { titel: "x" },
    // @ts-expect-error a price is a number
    { price: "5" },
    // @ts-expect-error a price has no beginning
    { price: { $startsWith: "5" } },
    // @ts-expect-error an element is a string
    { tags: { $contains: 5 } },
    // @ts-expect-error $in takes an array
    { price: { $in: 5 } },
    // @ts-expect-error no such operator
    { price: { $near: 5 } },
    // @ts-expect-error the type of a record is a string, whatever its metadata says
    { type: 5 },
    // @ts-expect-error a bad filter inside $and
    { $and: [{ price: true }] },
  ];
  expect(filters).toHaveLength(8);
});

test("an untyped filter accepts any field, and knows $and, $or and $not", () => {
  const filter: Filter = { anything: { $gt: 1 }, $and: [{ "a.b": 1 }], $not: { c: null } };
  expect(() => compileFilter(filter)).not.toThrow();
  // @ts-expect-error $and takes an array
  const bad: Filter = { $and: { a: 1 } };
  expect(() => compileFilter(bad)).toThrow();
});
