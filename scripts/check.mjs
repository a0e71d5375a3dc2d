// Everything that can be known about the repository without running its tests. Every step runs,
// also after a failure, so that one run shows all there is to mend. Names of steps as arguments
// run only those: `npm run check -- lint format`.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const binaries = join(root, "node_modules", ".bin");

/** In order: later steps read what `types` wrote. */
const STEPS = [
  { name: "types", run: () => tool("tsc", "-b") },
  {
    name: "lint",
    run: () => tool("oxlint", "--deny-warnings", "--report-unused-disable-directives"),
  },
  { name: "format", run: () => tool("oxfmt", "--check", ".") },
  { name: "knip", run: () => tool("knip", "--no-progress") },
  { name: "kernel", run: () => node("scripts/build-kernel.mjs", "--check") },
  { name: "publint", run: () => tool("publint", "--strict", "--pack", "false") },
  { name: "attw", run: attw },
  { name: "lock-files", run: lockFilesServeEverybody },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(
    `no such step: ${unknown.join(", ")}; steps: ${STEPS.map((s) => s.name).join(" ")}`,
  );
  process.exit(2);
}

const failed = [];
for (const { name, run } of STEPS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startMs = Date.now();
  console.log(`\n=== ${name}`);
  const passed = run();
  console.log(`=== ${name}: ${passed ? "passed" : "FAILED"} in ${Date.now() - startMs} ms`);
  if (!passed) failed.push(name);
}
if (failed.length > 0) {
  console.error(`\ncheck failed: ${failed.join(", ")}`);
  process.exit(1);
}
console.log("\ncheck passed");

/** Runs a development dependency. A missing one is a failure, never a pass. */
function tool(name, ...args) {
  return spawn(join(binaries, name), args);
}

function node(...args) {
  return spawn(process.execPath, args);
}

function spawn(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    ...options,
  });
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

/** Packs without the `prepack` script, since `types` has just run, and asks what importers see. */
function attw() {
  const env = { ...process.env, npm_config_ignore_scripts: "true" };
  const args = ["--pack", ".", "--profile", "esm-only", "--no-emoji", "--no-color"];
  return spawn(join(binaries, "attw"), args, { env });
}

/**
 * A lock file that names a registry's host sends every installer there, mirrors or not; the
 * setting in .npmrc leaves hosts out. And one that was written from a mirror without the binaries
 * of some platforms fails `npm ci` wherever those can be seen. This notices both.
 */
function lockFilesServeEverybody() {
  const problems = [];
  for (const path of ["package-lock.json", "bench/package-lock.json"]) {
    if (!existsSync(join(root, path))) continue;
    const { packages } = JSON.parse(readFileSync(join(root, path), "utf8"));
    for (const [name, entry] of Object.entries(packages)) {
      if (/^[a-z+]+:\/\//.test(entry.resolved ?? "")) {
        problems.push(`${path}: ${name} is resolved to ${entry.resolved}`);
      }
      for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
        const places = [`${name}/node_modules/${optional}`, `node_modules/${optional}`];
        if (places.some((place) => place in packages)) continue;
        problems.push(`${path}: ${optional}, optional for ${name}, has no entry`);
      }
    }
  }
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}
