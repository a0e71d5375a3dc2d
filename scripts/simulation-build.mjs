// Compiles the simulation, and the sources that it runs, to plain JavaScript, so that processes
// without a test runner can run seeds. Types are not checked here: `npm run check` does that.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * `from` is a tree with `src/` and `test/simulation/`, the repository by default; `to` becomes a
 * folder with the same two, compiled; `tests` names other folders of `test/`. What was in `to` is replaced. It has to be below the
 * repository, where node finds the packages; the default is `.cache/simulation`. Throws what the
 * compiler says. Gives `to`.
 */
export function buildSimulation({
  from = ROOT,
  to = join(ROOT, ".cache", "simulation"),
  tests = ["simulation"],
} = {}) {
  const [source, target] = [resolve(from), resolve(to)];
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const config = join(target, "tsconfig.json");
  const json = {
    extends: join(ROOT, "tsconfig.base.json"),
    compilerOptions: {
      rootDir: source,
      outDir: target,
      composite: false,
      declaration: false,
      noCheck: true,
      sourceMap: true,
    },
    include: [join(source, "src"), ...tests.map((name) => join(source, "test", name))],
    exclude: ["*.test.ts", "*.test-d.ts"].map((name) => join(source, "**", name)),
  };
  writeFileSync(config, `${JSON.stringify(json, undefined, 2)}\n`);
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  const { status, stdout, stderr, error } = spawnSync(tsc, ["-p", config], { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the simulation does not compile:\n${stdout}${stderr}`);
  return target;
}
