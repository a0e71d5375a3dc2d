import { expect, test } from "vitest";
import { ERROR_CODES } from "../src/base/errors.ts";
import type { RepositoryFile } from "./repository.ts";
import { readRepository } from "./repository.ts";
import * as rules from "./tidy-rules.ts";

/*
 * The repository against its own rules. A failure prints every offender at once, so that one
 * run is enough to mend them all. Each rule is also shown offenders of its own: a rule that
 * cannot fail is worse than none.
 */

const repository = readRepository();

/** One planted file: its path, then its text. */
type Planted = readonly [path: string, text: string];

const TIDY: readonly {
  readonly claim: string;
  readonly rule: rules.Rule;
  /** Each group breaks the rule on its own. */
  readonly breaks: readonly (readonly Planted[])[];
  /** Keeps the rule, though it looks close to breaking it. */
  readonly keeps: readonly Planted[];
}[] = [
  {
    claim: "time and randomness enter through parameters only",
    rule: rules.timeAndRandomnessAreParameters,
    breaks: [
      [["src/engine/log.ts", "const at = Date.now();"]],
      [["src/base/ids.ts", "const read = Math.random;"]],
      [["src/engine/log.ts", "setTimeout(() => {}, 5);"]],
      [["src/engine/log.ts", "const at = new Date();"]],
    ],
    keeps: [
      ["src/base/clock.ts", "const at = Date.now();"],
      ["src/engine/log.ts", "// Date.now() is banned here\nconst at = clock.nowMs();"],
    ],
  },
  {
    claim: "node: imports stay in the folders that may have them",
    rule: rules.nodeImportsStayInTheirFolders,
    breaks: [
      [["src/engine/log.ts", 'import { readFile } from "node:fs/promises";']],
      [["src/engine/log.ts", 'const { Worker } = await import("node:worker_threads");']],
    ],
    keeps: [["src/storage/adapters/file-system-store.ts", 'import fs from "node:fs";']],
  },
  {
    claim: "imports between folders go down only",
    rule: rules.importsGoDown,
    breaks: [
      [["src/base/ids.ts", 'import { a } from "../engine/log.ts";']],
      [["src/format/slot.ts", 'import type { A } from "../storage/object-store.ts";']],
      [["src/engine/log.ts", 'import { a } from "../brainy.ts";']],
      [["src/engine/log.ts", 'import { a } from "../unheard-of/a.ts";']],
      [["src/engine/log.ts", 'import { a } from "../../test/a.ts";']],
    ],
    keeps: [
      ["src/engine/log.ts", 'import { a } from "../storage/object-store.ts";'],
      ["src/cli/main.ts", 'import { Brainy } from "../index.ts";'],
    ],
  },
  {
    claim: "folders have no cycles",
    rule: rules.foldersHaveNoCycles,
    breaks: [
      [
        ["src/engine/tail/a.ts", 'import { b } from "../log/b.ts";'],
        ["src/engine/log/b.ts", 'import { c } from "../tail/c.ts";'],
      ],
    ],
    keeps: [
      ["src/storage/index.ts", 'export { A } from "./adapters/a.ts";'],
      ["src/storage/adapters/a.ts", 'import type { B } from "../object-store.ts";'],
    ],
  },
  {
    claim: "every invariant of every spec is named by a test, and every name is in one spec",
    rule: rules.invariantsAndTestsAgree,
    breaks: [
      [["docs/specs/log.md", "### Q1: nothing is lost"]],
      [["src/engine/log.test.ts", 'test("[Q' + '1] nothing is lost", () => {});']],
      [
        ["docs/specs/log.md", "### Q1: nothing is lost\n### Q1: again"],
        ["src/engine/log.test.ts", 'test("[Q' + '1] nothing is lost", () => {});'],
      ],
    ],
    keeps: [
      ["docs/specs/log.md", "### Q1: nothing is lost\n### Q2: nothing is doubled"],
      ["src/engine/log.test.ts", 'test("[Q' + "1] [Q" + '2] lanes", () => {});'],
    ],
  },
  {
    claim: "files are at most 600 lines",
    rule: rules.filesAreShort,
    breaks: [[["src/engine/log.ts", "a;\n".repeat(601)]]],
    keeps: [
      ["src/engine/log.ts", "a;\n".repeat(600)],
      ["src/kernel/kernel-wasm.ts", "a;\n".repeat(601)],
    ],
  },
  {
    claim: "lock files name no hosts",
    rule: rules.lockFilesNameNoHost,
    breaks: [[["bench/package-lock.json", '"resolved": "https://example.org/a.tgz"']]],
    keeps: [["package-lock.json", '"url": "https://example.org/fund"']],
  },
  {
    claim: "nothing is left for later",
    rule: rules.nothingIsLeftForLater,
    breaks: [[["scripts/a.mjs", "// TO" + "DO: the rest"]]],
    keeps: [["src/a.ts", "// nothing to do"]],
  },
  {
    claim: "no test runs alone",
    rule: rules.noTestIsAlone,
    breaks: [[["src/engine/log.test.ts", "test.only" + '("a", () => {});']]],
    keeps: [["src/engine/log.test.ts", 'test("only", () => {});']],
  },
  {
    claim: "every skip gives its reason",
    rule: rules.skipsGiveReasons,
    breaks: [[["src/engine/log.test.ts", "test.skipIf" + '(!hasData)("a", () => {});']]],
    keeps: [
      ["src/a.test.ts", "// The data set is not part of the repository.\ntest.skip" + '("a");'],
      ["src/b.test.ts", 'if (!hasData) context.skip("no data set");'],
    ],
  },
  {
    claim: "links of Markdown files lead somewhere",
    rule: rules.linksLead,
    breaks: [
      [["docs/a.md", "[b](b.md)"]],
      [["docs/a.md", "# Title\n[b](#titel)"]],
      [
        ["docs/a.md", "[b](b.md#two)"],
        ["docs/b.md", "# One"],
      ],
    ],
    keeps: [
      [
        "docs/a.md",
        "[b](../README.md#how-it-works) [c](https://example.org) `[d](e)` [f](../docs)",
      ],
      ["README.md", "## How it works"],
    ],
  },
  {
    claim: "no file names a path of one machine",
    rule: rules.noPathOfOneMachine,
    breaks: [[["docs/a.md", "see /" + "work/data"]], [["src/a.ts", 'const home = "/' + 'root";']]],
    keeps: [["docs/a.md", "a framework/work and ./home/x and /workers"]],
  },
  {
    claim: "every exported symbol has a doc comment",
    rule: rules.exportsAreDocumented,
    breaks: [
      [["src/a.ts", "export function a(): void {}"]],
      [["src/a.ts", "/* no doc */\nexport const A = 1;"]],
      [["src/a.ts", "/** Doc. */\n\nexport type A = 1;"]],
    ],
    keeps: [
      ["src/a.ts", "/**\n * Doc.\n */\nexport function a(x: 1): 1;\nexport function a(x: 2): 2;"],
      ["src/b.test.ts", "export const b = 1;"],
    ],
  },
  {
    claim: "privacy is real",
    rule: rules.privacyIsReal,
    breaks: [[["src/a.ts", "class A {\n  private readonly a = 1;\n}"]]],
    keeps: [["src/a.ts", "class A {\n  readonly #private = 1;\n  private constructor() {}\n}"]],
  },
  {
    claim: "file names are kebab case",
    rule: rules.namesAreKebabCase,
    breaks: [[["src/engine/laneLog.ts", ""]], [["test/Tidy.test.ts", ""]]],
    keeps: [
      ["src/engine/lane-log.sim.test.ts", ""],
      ["test/api.test-d.ts", ""],
    ],
  },
];

const asFiles = (planted: readonly Planted[]): readonly RepositoryFile[] =>
  planted.map(([path, text]) => ({ path, text }));

for (const { claim, rule, breaks, keeps } of TIDY) {
  test(claim, () => {
    expect(rule(repository).join("\n")).toBe("");
  });

  test(`the rule sees offenders, and only them: ${claim}`, () => {
    for (const planted of breaks) expect(rule(asFiles(planted)), planted[0]?.[1]).not.toEqual([]);
    expect(rule(asFiles(keeps))).toEqual([]);
  });
}

test("the repository was read", () => {
  expect(repository.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["src/base/errors.ts", "test/tidy.test.ts", ".ci/run", "package.json"]),
  );
});

test("callers have at most eleven errors to tell apart", () => {
  expect(Object.keys(ERROR_CODES).length).toBeLessThanOrEqual(11);
});
