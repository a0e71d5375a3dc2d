import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutated } from "./mutant.mjs";
import { MUTANTS } from "./table.mjs";

/*
 * All mutants take many minutes: `npm run test:mutants`. Here the table is held against the source,
 * and a few are caught for real, so that neither it nor the script can rot.
 */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("[Z6] each mutant changes one place of the source as it is", () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
  const rotten = MUTANTS.flatMap((mutant) => {
    try {
      const source = readFileSync(join(ROOT, mutant.file), "utf8");
      return mutated(mutant) === source ? [`${mutant.name} changes nothing`] : [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  expect(rotten).toEqual([]);
});

test("[Z6] each mutant has its own name and breaks an invariant that is specified", () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  const specs = join(ROOT, "docs", "specs");
  const text = readdirSync(specs)
    .map((name) => readFileSync(join(specs, name), "utf8"))
    .join("\n");
  const specified = new Set([...text.matchAll(/^### ([A-Z]+\d+):/gm)].map(([, id]) => id));
  expect(MUTANTS.filter(({ breaks }) => !specified.has(breaks))).toEqual([]);
});

test("[Z6] mutants are caught, and a mutant that changes nothing is told so", () => {
  const caught = run("--only", "flush-does-not-mask");
  expect(caught.stdout).toContain("1 of 1 mutants caught");
  expect(caught.status).toBe(0);
  // No seeds: nobody looks, so nobody notices.
  const survived = run("--only", "flush-does-not-mask", "--seeds", "0");
  expect(survived.stdout).toContain("0 of 1 mutants caught");
  expect(survived.status).toBe(1);
  // Two seconds, but the compiler and the seeds are processes of their own on a machine that may be busy.
}, 60_000);

function run(...args: readonly string[]): { readonly stdout: string; readonly status: number } {
  const script = join(ROOT, "scripts", "test-mutants.mjs");
  const { stdout, status } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  return { stdout, status: status ?? -1 };
}
