import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY_ROOT, readRepository } from "./repository.ts";

/*
 * Examples in documentation are programs. Blocks of Markdown fenced as `ts run`, and `@example`
 * blocks of sources that import the package, are compiled as a user would, against what was
 * built; the former are run as well, each in a folder of its own, and print what a block
 * `text output` after them says.
 */

interface Example {
  /** File and line, which is what a failure should name. */
  readonly name: string;
  readonly code: string;
  readonly isRun: boolean;
  readonly output: string | undefined;
}

const examples: readonly Example[] = readRepository().flatMap(({ path, text }) => {
  if (/^(README|docs\/guide\/[^/]+)\.md$/.test(path)) return fromMarkdown(path, text);
  if (/^src\/.*\.ts$/.test(path) && !path.includes(".test")) return fromSource(path, text);
  return [];
});

let folder = "";

beforeAll(() => {
  // Below the system's folder, with the package where npm would have put it.
  folder = mkdtempSync(join(tmpdir(), "brainy-docs-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(REPOSITORY_ROOT, join(folder, "node_modules/brainy"), "junction");
  symlinkSync(
    join(REPOSITORY_ROOT, "node_modules/@types"),
    join(folder, "node_modules/@types"),
    "junction",
  );
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    moduleDetection: "force",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    preserveSymlinks: true,
    outDir: "out",
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["*.ts"] }),
  );
  for (const [i, { code }] of examples.entries()) writeFileSync(join(folder, `e${i}.ts`), code);
});

afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

test("examples were found", () => {
  expect(examples.filter(({ isRun }) => isRun).length).toBeGreaterThanOrEqual(8);
  expect(examples.some(({ name, isRun }) => name.startsWith("README.md") && isRun)).toBe(true);
  expect(examples.some(({ name }) => name.startsWith("src/brainy.ts"))).toBe(true);
  expect(existsSync(join(REPOSITORY_ROOT, "dist/index.d.ts")), "npm run build first").toBe(true);
});

test("every example compiles", { timeout: 60_000 }, () => {
  const compiler = join(REPOSITORY_ROOT, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [compiler, "-p", folder, "--pretty", "false"], {
    encoding: "utf8",
  });
  // `e3.ts(4,1)` says nothing to whoever wrote it.
  const named = stdout.replaceAll(/^.*?\be(\d+)\.ts\((\d+)/gm, (_, i: string, line: string) => {
    return `${examples[Number(i)]?.name ?? i}, line ${line} (`;
  });
  expect(named).toBe("");
});

for (const [i, { name, isRun, output }] of examples.entries()) {
  if (!isRun) continue;
  test(`${name} runs`, { timeout: 60_000 }, () => {
    const script = join(folder, "out", `e${i}.js`);
    const cwd = mkdtempSync(join(folder, "run-"));
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
      cwd,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    if (output !== undefined) expect(stdout.trim()).toBe(output.trim());
  });
}

function fromMarkdown(path: string, text: string): Example[] {
  const blocks = /^```ts run\n([\s\S]*?)^```$(?:\s*^```text output\n([\s\S]*?)^```$)?/gm;
  return [...text.matchAll(blocks)].map((match) => ({
    name: `${path}:${lineOf(text, match.index)}`,
    code: match[1]!,
    isRun: true,
    output: match[2],
  }));
}

function fromSource(path: string, text: string): Example[] {
  const blocks = /@example\n((?: *\*.*\n)*?) *\* ```ts\n((?: *\*.*\n)*?) *\* ```/g;
  const found = [...text.matchAll(blocks)].map((match) => ({
    name: `${path}:${lineOf(text, match.index)}`,
    code: match[2]!.replaceAll(/^ *\* ?/gm, ""),
    isRun: false,
    output: undefined,
  }));
  // Those of inner parts import nothing: they are for people who read the part.
  return found.filter(({ code }) => code.includes('from "brainy'));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
