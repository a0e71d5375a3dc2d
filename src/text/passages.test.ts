import * as fc from "fast-check";
import { expect, test } from "vitest";
import { kindOfFile } from "./kind-of-file.ts";
import { cutPassages } from "./passages.ts";
import type { Passage, PassageKind } from "./passages.ts";

const KINDS: readonly PassageKind[] = ["markdown", "text", "code"];
const lineOf = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("", "", "  ", "```", "~~~", "---", "===", "}") },
  fc.constantFrom("# One", "## Two", "### Three ##", "#", "plain words", "  indented", "\tcode();"),
  fc.string({ unit: "grapheme", maxLength: 40 }).map((line) => line.replace(/[\r\n]/g, "")),
);
const document = fc.array(lineOf, { maxLength: 30 });

test("each line that is not blank is in exactly one passage, word for word", () => {
  fc.assert(
    fc.property(
      document,
      fc.constantFrom(...KINDS),
      fc.integer({ min: 200, max: 600 }),
      (lines, kind, charactersMax) => {
        const passages = cutPassages(lines.join("\n"), { kind, charactersMax });
        const covered = passages.flatMap(({ lineStart, lineEnd, text }) => {
          expect(text).toBe(lines.slice(lineStart - 1, lineEnd).join("\n"));
          expect(text.length).toBeLessThanOrEqual(charactersMax);
          return Array.from({ length: lineEnd - lineStart + 1 }, (_, i) => lineStart + i);
        });
        const solid = (line: number): boolean => lines[line - 1]?.trim() !== "";
        expect(covered.filter(solid)).toEqual(lines.map((_, i) => i + 1).filter(solid));
      },
    ),
    { numRuns: 500 },
  );
});

test("lines longer than a passage are cut without losing a character", () => {
  const long = fc.array(fc.string({ unit: "grapheme", maxLength: 90 }), { maxLength: 12 });
  fc.assert(
    fc.property(
      long,
      fc.constantFrom(...KINDS),
      fc.integer({ min: 16, max: 40 }),
      (lines, kind, charactersMax) => {
        const text = lines.join("\n");
        const passages = cutPassages(text, { kind, charactersMax });
        const solid = (some: string): string => some.replace(/\s+/g, "");
        expect(solid(passages.map((passage) => passage.text).join(""))).toBe(solid(text));
        for (const { text: piece } of passages) {
          expect(piece.length).toBeLessThanOrEqual(charactersMax);
          expect(piece.trim()).not.toBe("");
        }
      },
    ),
    { numRuns: 500 },
  );
});

function heads(passages: readonly Passage[]): unknown[] {
  return passages.map(({ heading, lineStart, lineEnd }) => [heading, lineStart, lineEnd]);
}

test("Markdown is cut along headings, with the trail of headings kept", () => {
  const text = [
    "Before.",
    "",
    "# Guide",
    "",
    "Intro.",
    "",
    "## Install",
    "Run it.",
    "",
    "## Use",
    "### Fast",
    "Now.",
    "# Next",
    "End.",
  ].join("\n");
  expect(heads(cutPassages(text, { kind: "markdown" }))).toEqual([
    [undefined, 1, 1],
    ["Guide", 3, 5],
    ["Guide > Install", 7, 8],
    ["Guide > Use > Fast", 10, 12],
    ["Next", 13, 14],
  ]);
});

test("underlined headings are headings, rules and table lines are not", () => {
  const text = "Title\n=====\nText.\n\nPart\n---\nMore.\n\n---\n\na | b\n--- | ---\n";
  expect(heads(cutPassages(text, { kind: "markdown" }))).toEqual([
    ["Title", 1, 3],
    ["Title > Part", 5, 12],
  ]);
});

test("a hash in a fenced block is no heading", () => {
  const text = "# A\n```sh\n# comment\n\nrun\n```\n~~~\n# still\n```\n# inside\n~~~\n# B\nEnd.";
  expect(heads(cutPassages(text, { kind: "markdown" }))).toEqual([
    ["A", 1, 11],
    ["B", 12, 13],
  ]);
});

test("two sections with the same words stay two passages", () => {
  const text = "# Example\nOne.\n# Example\nTwo.";
  expect(heads(cutPassages(text, { kind: "markdown" }))).toEqual([
    ["Example", 1, 2],
    ["Example", 3, 4],
  ]);
});

test("code is cut between top-level blocks, not inside a function that fits", () => {
  const body = (name: string): string => `function ${name}() {\n  one();\n\n  two();\n}\n`;
  const passages = cutPassages(`${body("a")}\n${body("b")}`, { kind: "code", charactersMax: 50 });
  expect(heads(passages)).toEqual([
    [undefined, 1, 5],
    [undefined, 7, 11],
  ]);
});

test("a block that is too long is cut at its blank lines first", () => {
  const lines = ["def f():", "  first = 1", "", "  second = 2", "  third = 3"];
  const passages = cutPassages(lines.join("\n"), { kind: "code", charactersMax: 36 });
  expect(heads(passages)).toEqual([
    [undefined, 1, 2],
    [undefined, 4, 5],
  ]);
});

test("short paragraphs share a passage until it is full", () => {
  const text = "aaaa aaaa\n\nbbbb bbbb\n\ncccc cccc\n";
  expect(heads(cutPassages(text, { kind: "text", charactersMax: 20 }))).toEqual([
    [undefined, 1, 3],
    [undefined, 5, 5],
  ]);
});

test("a long line is cut after a sentence, else at a space, and never inside a pair", () => {
  const cut = (text: string): string[] =>
    cutPassages(text, { kind: "text", charactersMax: 20 }).map((passage) => passage.text);
  expect(cut("One two three. Four five six seven")).toEqual([
    "One two three.",
    "Four five six seven",
  ]);
  expect(cut("one two three four five six seven")).toEqual([
    "one two three four",
    "five six seven",
  ]);
  expect(cut("x" + "😀".repeat(12))).toEqual(["x" + "😀".repeat(9), "😀😀😀"]);
});

test("all kinds of line ends count as one line", () => {
  const passages = cutPassages("a\r\nb\rc\n\n", { kind: "text" });
  expect(passages).toEqual([{ text: "a\nb\nc", lineStart: 1, lineEnd: 3, heading: undefined }]);
});

test("blank text has no passages, and a bad option is refused", () => {
  expect(cutPassages(" \n\n", { kind: "code" })).toEqual([]);
  expect(() => cutPassages("a", { kind: "text", charactersMax: 1.5 })).toThrow(/not 1\.5/);
  expect(() => cutPassages("a", { kind: "html" as never })).toThrow(/not "html"/);
});

test("a file's name tells its kind", () => {
  expect(
    ["README.md", "src/a.ts", "a/Makefile", "notes.txt", ".gitignore", "x.PY"].map(kindOfFile),
  ).toEqual(["markdown", "code", "code", "text", "text", "code"]);
});

test("a heading is not cut from the long table under it", () => {
  const table = Array.from({ length: 6 }, (_, i) => `| row ${i} of the table |`);
  const passages = cutPassages(["# T", "", ...table].join("\n"), {
    kind: "markdown",
    charactersMax: 100,
  });
  expect(heads(passages)).toEqual([
    ["T", 1, 6],
    ["T", 7, 8],
  ]);
});
