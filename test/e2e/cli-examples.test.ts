import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REPOSITORY_ROOT } from "../repository.ts";
import { runOk, temporaryFolder } from "./cli-run.ts";

/** Runs an example as its first lines say, from anywhere. */
function runExample(name: string): string {
  const path = join(REPOSITORY_ROOT, "examples", name);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path], {
    cwd: temporaryFolder(),
    encoding: "utf8",
  });
  expect([status, stderr.includes("Error")], stderr).toEqual([0, false]);
  return stdout;
}

test("the demo can be run again, and answers with places that exist", async () => {
  runExample("demo.mjs");
  const said = runExample("demo.mjs");
  const answers = [...said.matchAll(/^ {2}(\S+):(\d+)-(\d+) {2}score 0\.\d{3}\n {2}\| (.*)$/gm)];
  expect(answers).toHaveLength(3);
  for (const [, path, first, , line] of answers) {
    const lines = readFileSync(join(REPOSITORY_ROOT, path!), "utf8").split("\n");
    expect(lines[Number(first) - 1]?.slice(0, 90)).toBe(line);
  }
  const [, query, database] = /npx brainy search "(.*)" -d (\S+)$/m.exec(said)!;
  expect(await runOk(["search", query!, "-d", database!, "-k", "1"])).toMatch(/^0\.\d{3} /);
});

for (const name of readdirSync(join(REPOSITORY_ROOT, "examples")).filter(
  (file) => file.endsWith(".mjs") && file !== "demo.mjs",
)) {
  test(`examples/${name} runs and says something`, () => {
    expect(runExample(name).split("\n").length).toBeGreaterThan(2);
  });
}
