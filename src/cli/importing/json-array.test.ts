import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "./entry.ts";
import { jsonArray } from "./json-array.ts";

/** What an array of these bytes yields, arriving `size` bytes at a time. */
async function read(text: string, size: number): Promise<Entry[]> {
  const bytes = new TextEncoder().encode(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  return collect(jsonArray("a.json", chunks(), {}));
}

test("elements are those of JSON.parse, however written and in whatever chunks", async () => {
  const objects = fc.dictionary(
    fc.string({ unit: fc.constantFrom('"', "\\", "{", "]", ",", "é", "a") }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const indents = fc.constantFrom("", " ", "\n", "\r\n\t");
  await fc.assert(
    fc.asyncProperty(
      fc.array(objects),
      indents,
      fc.integer({ min: 1, max: 40 }),
      async (...args) => {
        const [values, indent, size] = args;
        const written = values.map((value) => ({ metadata: value, text: "t" }));
        const entries = await read(JSON.stringify(written, undefined, indent), size);
        const records = entries.map((entry) => (entry.kind === "record" ? entry.record : entry));
        expect(records.map((record) => ({ ...record }))).toEqual(
          written.map(({ metadata }) => ({
            metadata: JSON.parse(JSON.stringify(metadata)) as unknown,
            text: "t",
            type: undefined,
            domain: undefined,
          })),
        );
      },
    ),
  );
});

const BROKEN: readonly [text: string, line: number, problem: string, kept: number][] = [
  ['[\n"one",\n"two",\n{"text":', 4, "is cut off", 2],
  ['["one",\n,"two"]', 2, "has a comma without an element", 1],
  ['["one"]\n]', 2, "has text after the end of the array", 1],
  ['["one", "two",\n]', 2, "has a comma without an element", 2],
  ['["one"\n{"a":1}]', 1, "is not JSON", 0],
  ['["one",\ntrue]', 2, "is true, not an object", 1],
  ["{}", 1, "is not a JSON array", 0],
  ["", 1, "is not a JSON array", 0],
];

for (const [text, line, problem, kept] of BROKEN) {
  test(`${JSON.stringify(text)} is broken in line ${line}, and what is before it counts`, async () => {
    for (const size of [1, 3, 1000]) {
      const entries = await read(text, size);
      const last = entries.at(-1);
      expect(last).toMatchObject({ kind: "problem", where: `a.json:${line}` });
      expect(last?.kind === "problem" && last.problem).toContain(problem);
      expect(entries.slice(0, -1).filter(({ kind }) => kind === "record")).toHaveLength(kept);
    }
  });
}

test("line breaks inside strings and objects count", async () => {
  const entries = await read('[\n{"text":\n"a"},\n\n{"text":"b"}, 7]', 2);
  const wheres = entries.map((entry) => (entry.kind === "file-end" ? "" : entry.where));
  expect(wheres).toEqual(["a.json:2", "a.json:5", "a.json:5"]);
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
