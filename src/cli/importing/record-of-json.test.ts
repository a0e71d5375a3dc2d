import { expect, test } from "vitest";
import { recordOfJson } from "./record-of-json.ts";

test("a record comes back as it was exported, without its version", () => {
  const record = { id: "a", vector: [1], data: { x: 1 }, text: "t", metadata: { y: 2 } };
  expect(recordOfJson({ ...record, version: "v" }, { type: "new" })).toEqual({
    ...record,
    type: "new",
  });
  expect(recordOfJson({ ...record, type: "own" }, { type: "new" })).toMatchObject({ type: "own" });
});

test("any other object is data and metadata at once", () => {
  const object = { id: 7, name: "drill", text: "kept as a field" };
  expect(recordOfJson(object, {})).toEqual({ id: "7", data: object, metadata: object });
});

test("a number too large to be exact is no id", () => {
  expect(recordOfJson({ id: 2 ** 60, name: "x" }, {})).toMatchObject({ id: undefined });
  expect(recordOfJson({ key: 1.5 }, { idField: "key" })).toContain('has no field "key"');
});

test("fields that options name leave the metadata, even of what looks like a record", () => {
  const object = { text: "t", metadata: { a: 1 } };
  expect(recordOfJson(object, { textField: "text" })).toEqual({
    text: "t",
    metadata: { metadata: { a: 1 } },
  });
  expect(recordOfJson(object, { vectorField: "v" })).toBe('has no field "v"');
});

test("null, numbers and booleans are refused in words", () => {
  for (const value of [null, 7, true]) {
    expect(recordOfJson(value, {})).toBe(`is ${value}, not an object, a text or a vector`);
  }
});
