import { expect, test } from "vitest";
import { compileFilter } from "./filter.ts";
import type { FilterRecord } from "./filter-types.ts";

function keeps(filter: unknown, metadata: Record<string, unknown>): boolean {
  return compileFilter(filter).matches({ id: "r1", type: "person", domain: "legal", metadata });
}

test("an empty filter keeps every record", () => {
  expect(keeps({}, {})).toBe(true);
});

test("a plain value means equal, of the same type", () => {
  expect(keeps({ a: 1 }, { a: 1 })).toBe(true);
  expect(keeps({ a: 1 }, { a: "1" })).toBe(false);
  expect(keeps({ a: 1 }, { a: true })).toBe(false);
  expect(keeps({ a: 0 }, { a: -0 })).toBe(true);
});

test("several fields, and several operators of one field, must all hold", () => {
  expect(keeps({ a: 1, b: 2 }, { a: 1, b: 2 })).toBe(true);
  expect(keeps({ a: 1, b: 2 }, { a: 1, b: 3 })).toBe(false);
  expect(keeps({ a: { $gt: 1, $lt: 5 } }, { a: 3 })).toBe(true);
  expect(keeps({ a: { $gt: 1, $lt: 5 } }, { a: 7 })).toBe(false);
});

test("an array equals a whole array, and never an element", () => {
  expect(keeps({ tags: ["a", "b"] }, { tags: ["a", "b"] })).toBe(true);
  expect(keeps({ tags: ["b", "a"] }, { tags: ["a", "b"] })).toBe(false);
  expect(keeps({ tags: "a" }, { tags: ["a"] })).toBe(false);
  expect(keeps({ tags: { $in: ["a"] } }, { tags: ["a"] })).toBe(false);
});

test("an object equals a whole object in any order of keys", () => {
  expect(keeps({ size: { x: 1, y: 2 } }, { size: { y: 2, x: 1 } })).toBe(true);
  expect(keeps({ size: { x: 1 } }, { size: { x: 1, y: 2 } })).toBe(false);
  expect(keeps({ size: { $eq: {} } }, { size: {} })).toBe(true);
});

test("null is a value, and an absent field is not null", () => {
  expect(keeps({ a: null }, { a: null })).toBe(true);
  expect(keeps({ a: null }, {})).toBe(false);
  expect(keeps({ a: { $exists: true } }, { a: null })).toBe(true);
  expect(keeps({ a: { $exists: false } }, {})).toBe(true);
  expect(keeps({ "a.b": { $exists: true } }, { a: null })).toBe(false);
});

test("$ne and $nin keep records without the field", () => {
  expect(keeps({ a: { $ne: 1 } }, {})).toBe(true);
  expect(keeps({ a: { $nin: [1, 2] } }, {})).toBe(true);
  expect(keeps({ a: { $ne: 1 } }, { a: 1 })).toBe(false);
  expect(keeps({ a: { $nin: [1, 2] } }, { a: 3 })).toBe(true);
});

test("order compares numbers with numbers and strings with strings", () => {
  expect(keeps({ a: { $gt: 1 } }, { a: 2 })).toBe(true);
  expect(keeps({ a: { $gt: 1 } }, { a: "2" })).toBe(false);
  expect(keeps({ a: { $lt: "b" } }, { a: "a" })).toBe(true);
  expect(keeps({ a: { $lt: "b" } }, { a: 1 })).toBe(false);
  expect(keeps({ a: { $lt: "v" } }, { a: null })).toBe(false);
  expect(keeps({ a: { $gte: 2, $lte: 2 } }, { a: 2 })).toBe(true);
  expect(keeps({ a: { $gt: 2 } }, { a: 2 })).toBe(false);
});

test("a Date compares with ISO strings and with milliseconds", () => {
  const noon = new Date("2024-05-01T12:00:00.000Z");
  expect(keeps({ at: { $gte: noon } }, { at: "2024-05-01T12:00:00.000Z" })).toBe(true);
  expect(keeps({ at: { $gt: noon } }, { at: "2024-05-02" })).toBe(true);
  expect(keeps({ at: { $gt: noon } }, { at: noon.getTime() + 1 })).toBe(true);
  expect(keeps({ at: { $gt: noon } }, { at: noon.getTime() })).toBe(false);
  expect(keeps({ at: noon }, { at: noon.getTime() })).toBe(true);
  expect(keeps({ at: { $in: [noon] } }, { at: noon.toISOString() })).toBe(true);
  expect(keeps({ at: { $contains: noon } }, { at: [noon.getTime()] })).toBe(true);
});

test("$contains finds an element of an array or a part of a string", () => {
  expect(keeps({ a: { $contains: "x" } }, { a: ["y", "x"] })).toBe(true);
  expect(keeps({ a: { $contains: "x" } }, { a: ["xy"] })).toBe(false);
  expect(keeps({ a: { $contains: "x" } }, { a: "yxz" })).toBe(true);
  expect(keeps({ a: { $contains: 1 } }, { a: "1" })).toBe(false);
  expect(keeps({ a: { $contains: { x: 1 } } }, { a: [{ x: 1 }] })).toBe(true);
  expect(keeps({ a: { $containsAny: ["x", "q"] } }, { a: ["q"] })).toBe(true);
  expect(keeps({ a: { $containsAny: [] } }, { a: ["q"] })).toBe(false);
  expect(keeps({ a: { $containsAll: ["x", "q"] } }, { a: ["q"] })).toBe(false);
  expect(keeps({ a: { $containsAll: ["x", "q"] } }, { a: "qax" })).toBe(true);
  expect(keeps({ a: { $containsAll: [] } }, { a: 5 })).toBe(false);
});

test("$startsWith looks at strings only", () => {
  expect(keeps({ a: { $startsWith: "ab" } }, { a: "abc" })).toBe(true);
  expect(keeps({ a: { $startsWith: "1" } }, { a: 12 })).toBe(false);
});

test("a dotted path goes into objects, and a number into arrays", () => {
  const metadata = { a: { b: { c: 1 } }, list: [10, [20, 30]] };
  expect(keeps({ "a.b.c": 1 }, metadata)).toBe(true);
  expect(keeps({ "a.x.c": 1 }, metadata)).toBe(false);
  expect(keeps({ "list.0": 10 }, metadata)).toBe(true);
  expect(keeps({ "list.1.1": 30 }, metadata)).toBe(true);
  expect(keeps({ "list.2": { $exists: true } }, metadata)).toBe(false);
});

test("a path through an array of objects matches when any element does", () => {
  const metadata = { items: [{ price: 3 }, { price: 12 }, 7] };
  expect(keeps({ "items.price": { $gt: 10 } }, metadata)).toBe(true);
  expect(keeps({ "items.price": { $gt: 20 } }, metadata)).toBe(false);
  expect(keeps({ "items.1.price": 12 }, metadata)).toBe(true);
  expect(keeps({ "items.price": { $ne: 3 } }, metadata)).toBe(false);
  // Each operator looks for its own element.
  expect(keeps({ "items.price": { $gt: 10, $lt: 5 } }, metadata)).toBe(true);
});

test("a path looks into the objects of an array, not into arrays inside it", () => {
  expect(keeps({ "rows.x": { $exists: true } }, { rows: [[{ x: 1 }]] })).toBe(false);
  expect(keeps({ "rows.0.x": 1 }, { rows: [[{ x: 1 }]] })).toBe(true);
});

test("filters that mean the same have the same key, others another", () => {
  const at = new Date(5);
  expect(compileFilter({ a: 1 }).key).toBe(compileFilter({ a: { $eq: 1 } }).key);
  expect(compileFilter({ a: at }).key).toBe(compileFilter({ a: { $in: [at] } }).key);
  const keys = [{ a: 1 }, { a: "1" }, { b: 1 }, { a: { $ne: 1 } }, { a: { $gt: 1 } }, { a: [1] }];
  expect(new Set(keys.map((filter) => compileFilter(filter).key)).size).toBe(keys.length);
});

test("id, type and domain address the record, and metadata. the metadata", () => {
  const metadata = { type: "mine", id: 7, domain: { name: "x" } };
  expect(keeps({ id: "r1", type: "person", domain: "legal" }, metadata)).toBe(true);
  expect(keeps({ type: "mine" }, metadata)).toBe(false);
  expect(keeps({ "metadata.type": "mine", "metadata.id": 7 }, metadata)).toBe(true);
  expect(keeps({ "domain.name": "x" }, metadata)).toBe(true);
  const plain: FilterRecord = { id: "a", metadata: {} };
  expect(compileFilter({ type: { $exists: false } }).matches(plain)).toBe(true);
});

test("inherited properties are absent", () => {
  for (const path of [
    "__proto__",
    "constructor",
    "a.constructor",
    "a.b.toString",
    "toString",
    "list.length",
  ]) {
    expect(keeps({ [path]: { $exists: true } }, { a: { b: {} }, list: [1] }), path).toBe(false);
  }
});

test("a filter is read once: changing it later changes nothing", () => {
  const wanted = { tags: ["a"] };
  const filter = compileFilter({ tags: { $eq: wanted.tags } });
  wanted.tags.push("b");
  expect(filter.matches({ id: "a", metadata: { tags: ["a"] } })).toBe(true);
});

const nested = (levels: number): unknown => {
  let filter: unknown = { a: 1 };
  for (let level = 1; level < levels; level++) filter = { $not: filter };
  return filter;
};

const BAD: readonly [name: string, filter: unknown, message: RegExp][] = [
  ["a string", "a = 1", /filter: a filter is a plain object, not "a = 1"/],
  ["an array", [{ a: 1 }], /not an array/],
  ["a Map", new Map(), /not a Map/],
  ["a misspelt operator", { a: { $contians: 1 } }, /filter\.a: .*did you mean \$contains\?/],
  [
    "an operator from elsewhere",
    { a: { $regularExpression: "x" } },
    /unknown operator.*known: \$eq/,
  ],
  ["an operator without a field", { $gt: 1 }, /\$gt needs a field/],
  ["a misspelt $and", { $adn: [] }, /did you mean \$and\?/],
  ["$not inside a field", { a: { $not: { $gt: 1 } } }, /goes around whole filters/],
  ["$in of a single value", { a: { $in: 3 } }, /filter\.a\.\$in: takes an array of values, not 3/],
  [
    "$in with undefined inside",
    { a: { $in: [1, undefined, 2] } },
    /filter\.a\.\$in\[1\]: is undefined/,
  ],
  [
    "$in of 10,001 values",
    { a: { $in: Array(10_001).fill(1) } },
    /at most 10000 values, not 10001/,
  ],
  ["NaN", { a: { $gt: NaN } }, /filter\.a\.\$gt: NaN is not a finite number/],
  ["Infinity deep inside", { a: { $eq: { b: [Infinity] } } }, /filter\.a\.\$eq\.b\[0\]: Infinity/],
  ["undefined", { a: undefined }, /filter\.a: is undefined.*\$exists: false/],
  ["undefined operand", { a: { $ne: undefined } }, /filter\.a\.\$ne: is undefined/],
  ["no operator", { a: {} }, /filter\.a: no operator/],
  ["operators mixed with keys", { a: { $gt: 1, b: 2 } }, /mixed/],
  ["a class instance", { a: new Map() }, /filter\.a: a Map is not a value/],
  ["a bigint", { a: 5n }, /a bigint is not a value/],
  ["a function", { a: () => 1 }, /a function is not a value/],
  ["an order of booleans", { a: { $gt: true } }, /takes a number, a string or a Date, not true/],
  ["an order of null", { a: { $lte: null } }, /not null/],
  ["$exists: 1", { a: { $exists: 1 } }, /\$exists takes true or false, not 1/],
  ["$startsWith of a number", { a: { $startsWith: 1 } }, /takes a string, not 1/],
  ["an invalid Date", { a: new Date("no") }, /the Date is invalid/],
  ["$and of an object", { $and: { a: 1 } }, /filter\.\$and: \$and takes an array/],
  ["an empty $or", { $or: [] }, /at least one filter/],
  ["a bad filter inside $or", { $or: [{ a: 1 }, { b: { $in: 1 } }] }, /filter\.\$or\[1\]\.b\.\$in/],
  ["33 levels", nested(33), /nested over 32 levels/],
  ["an empty path", { "": 1 }, /has an empty part/],
  ["a path with two dots", { "a..b": 1 }, /"a\.\.b" has an empty part/],
  ["a symbol key", { [Symbol("x")]: 1 }, /no symbol keys/],
];

for (const [name, filter, message] of BAD) {
  test(`a filter with ${name} is refused in plain words`, () => {
    expect(() => compileFilter(filter)).toThrow(message);
    expect(() => compileFilter(filter)).toThrow(
      expect.objectContaining({ code: "BRAINY_INVALID_ARGUMENT" }),
    );
  });
}

test("32 levels are accepted", () => {
  expect(() => compileFilter(nested(32))).not.toThrow();
});

test("a filter that contains itself is refused, not followed forever", () => {
  const operand: Record<string, unknown> = {};
  operand["self"] = operand;
  expect(() => compileFilter({ a: { $eq: operand } })).toThrow(/contains itself/);
  const filter: Record<string, unknown> = {};
  filter["$not"] = filter;
  expect(() => compileFilter(filter)).toThrow(/nested over 32 levels/);
});
