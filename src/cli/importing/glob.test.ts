import { expect, test } from "vitest";
import { compileGlob } from "./glob.ts";

const CASES: readonly [pattern: string, matches: string[], others: string[]][] = [
  ["*.md", ["a.md", "deep/in/a.md"], ["a.mdx", "a.md/b"]],
  ["**/*.ts", ["a.ts", "x/y/a.ts"], ["a.tsx"]],
  ["src/*.ts", ["src/a.ts"], ["src/x/a.ts", "x/src/a.ts"]],
  ["src/**", ["src/a", "src/x/y"], ["srcs/a", "src"]],
  ["a.{md,txt}", ["a.md", "a.txt"], ["a.mdx", "a.{md,txt}"]],
  ["?.(a+b)", ["x.(a+b)"], ["xx.(a+b)", "x.(aab)", "/.(a+b)"]],
  ["a,b", ["a,b"], ["a"]],
];

for (const [pattern, matches, others] of CASES) {
  test(`${pattern} matches ${matches.join(" and ")}, not ${others.join(" or ")}`, () => {
    const isMatch = compileGlob(pattern);
    expect(matches.filter((path) => !isMatch(path))).toEqual([]);
    expect(others.filter(isMatch)).toEqual([]);
  });
}

test("a brace that is not closed is refused", () => {
  expect(() => compileGlob("a.{md")).toThrow(/a brace is not closed/);
});
