import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/base/errors.ts";
import { EXIT_CODES, exitCodeOf } from "../../src/cli/exit-codes.ts";
import { REPOSITORY_ROOT } from "../repository.ts";
import { run, runOk } from "./cli-run.ts";

const guide = readFileSync(join(REPOSITORY_ROOT, "docs/guide/cli.md"), "utf8");

/** The help of each command, by its name. */
const helps = new Map<string, string>();
let general = "";

beforeAll(async () => {
  general = await runOk(["--help"]);
  const list = /^Commands:\n([\s\S]*?)\n\n/m.exec(general)![1]!;
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map((match) => match[1]!);
  for (const name of names.filter((each) => each !== "help")) {
    helps.set(name, await runOk([name, "--help"]));
  }
});

test("the help of every command shows an example of it", () => {
  expect(helps.size).toBe(11);
  for (const [name, help] of helps) {
    expect(help, name).toMatch(new RegExp(`^Examples:\\n[\\s\\S]*\\$ .*brainy ${name}`, "m"));
  }
});

test("the guide has a section for each command, with every option that its help names", () => {
  const common = new Set(longOptions(general));
  const commonSection = sectionOf("## Options of every command");
  for (const option of common) expect(commonSection).toContain(option);
  for (const [name, help] of helps) {
    const section = sectionOf(`## \`brainy ${name}\``);
    const shared = new Set(["--consistency", "--checkpoint"]);
    for (const option of longOptions(help)) {
      if (common.has(option)) continue;
      const where = shared.has(option) ? sectionOf("## `brainy search`") : section;
      expect(where, name).toContain(option);
    }
  }
});

test("the guide names no option that does not exist", () => {
  const known = new Set([general, ...helps.values()].flatMap(longOptions));
  expect(longOptions(guide).filter((option) => !known.has(option))).toEqual([]);
});

test("the exit codes of guide and help are those of the table in the code", () => {
  const rows = Object.values(EXIT_CODES).map(({ code, when, errors }) => {
    const names = errors.map((name) => ` \`${name}\``).join(",");
    return `| ${code} | ${when} |${names} |`;
  });
  const section = sectionOf("## Exit codes").trim().split("\n");
  expect(section.slice(section.indexOf("| --- | --- | --- |") + 1)).toEqual(rows);
  for (const { code, when } of Object.values(EXIT_CODES)) {
    expect(general).toContain(`  ${String(code).padEnd(5)}${when}`);
  }
});

test("every error has one exit code, which is not that of success", () => {
  const listed = Object.values(EXIT_CODES).flatMap(({ errors }) => errors as readonly string[]);
  expect(listed.toSorted((a, b) => a.localeCompare(b))).toEqual(
    Object.keys(ERROR_CODES).toSorted((a, b) => a.localeCompare(b)),
  );
  for (const code of Object.keys(ERROR_CODES)) expect(exitCodeOf(code as ErrorCode)).not.toBe(0);
});

test("without arguments it shows its help, and ends as a wrong call does", async () => {
  const { code, stdout, stderr } = await run([]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toBe(general);
});

/** Text from a heading to the next one of its level. */
function sectionOf(heading: string): string {
  const start = guide.indexOf(`${heading}\n`);
  expect(start, heading).toBeGreaterThanOrEqual(0);
  const end = guide.indexOf("\n## ", start);
  return guide.slice(start + heading.length, end === -1 ? undefined : end);
}

function longOptions(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map((match) => match[0]);
}
