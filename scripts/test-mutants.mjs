// Plants one small mistake after the other into a copy of the engine and has the simulation look
// for it. A mistake that it does not notice within the stated number of seeds is a place where the
// simulation is blind: the script then ends with 1.
//
//     npm run test:mutants                                   # all of them
//     npm run test:mutants -- --only floor-is-the-greatest   # one or more, with commas
//     npm run test:mutants -- --report mutants.md            # and the table of what caught what
import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { plantMutant } from "../test/mutants/mutant.mjs";
import { MUTANTS } from "../test/mutants/table.mjs";
import { buildSimulation } from "./simulation-build.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, ".cache", "mutants", String(process.pid));
const RUNNER = join(ROOT, "test", "mutants", "run-seeds.mjs");
/** A seed takes a fifth of a second; one that takes this long never comes to an end. */
const SEED_MS_MAX = 10_000;
const START_MS = 60_000;

const { values } = parseArgs({
  options: {
    /** Names, with commas. */
    only: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    /** Instead of each mutant's own number. */
    seeds: { type: "string" },
    /** Where the table goes, as Markdown. */
    report: { type: "string" },
  },
});
const names = values.only?.split(",");
const unknown = (names ?? []).filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
const jobs = Number(values.jobs);
if (unknown.length > 0 || !Number.isInteger(jobs) || jobs < 1) {
  console.error(
    unknown.length > 0
      ? `no such mutant: ${unknown.join(", ")}`
      : "usage: test-mutants [--only name,…] [--jobs 2] [--seeds 20] [--report file]",
  );
  process.exit(2);
}

const chosen = MUTANTS.filter(({ name }) => names === undefined || names.includes(name));
const startMs = Date.now();
const results = [];
const waiting = [...chosen.entries()];
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
await Promise.all(
  Array.from({ length: jobs }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [place, mutant] = next;
      const result = await examine(mutant);
      results[place] = { mutant, ...result };
      console.log(lineOf(results[place]));
      if (values.report !== undefined) writeFileSync(values.report, `${tableOf(results)}\n`);
    }
  }),
);

const seconds = Math.round((Date.now() - startMs) / 1_000);
const survivors = results.filter(({ kind }) => kind !== "caught");
const summary = `${results.length - survivors.length} of ${results.length} mutants caught in ${seconds} s`;
console.log(summary);
for (const { mutant, kind, what } of survivors) {
  console.error(
    `${mutant.name} (${mutant.breaks}) ${kind}: ${mutant.story}${what ? `\n  ${what}` : ""}`,
  );
}
if (values.report !== undefined)
  writeFileSync(values.report, `${tableOf(results)}\n\n${summary}\n`);
process.exit(survivors.length === 0 ? 0 : 1);

/** Plants, compiles and runs one mutant. */
async function examine(mutant) {
  const folder = join(FOLDER, mutant.name);
  const began = Date.now();
  try {
    plantMutant(mutant, join(folder, "from"));
    buildSimulation({ from: join(folder, "from"), to: join(folder, "to") });
    const count = values.seeds === undefined ? mutant.seedsMax : Number(values.seeds);
    const { seedFirst = 1, entry, world = {} } = mutant;
    const order = { seeds: [seedFirst, seedFirst + count - 1], entry, world };
    const outcome = await run([RUNNER, join(folder, "to"), JSON.stringify(order)], count);
    return { ...outcome, count, seconds: (Date.now() - began) / 1_000 };
  } catch (error) {
    return { kind: "broken", what: error.message, count: 0, seconds: (Date.now() - began) / 1_000 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(args, count) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    let out = "";
    let wrong = "";
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (wrong += data));
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS + count * SEED_MS_MAX);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      if (code === 0) resolve(JSON.parse(out));
      else if (signal === null) resolve({ kind: "broken", what: wrong.slice(0, 2_000) });
      else resolve({ kind: "endless", what: "it had to be ended from outside" });
    });
  });
}

function lineOf({ mutant, kind, seed, checker, what = "", count, seconds }) {
  const how =
    kind === "caught"
      ? `caught by seed ${seed}: ${checker}: ${what.split("\n").slice(0, 2).join(" ").slice(0, 110)}`
      : `${kind.toUpperCase()} within ${count} seeds`;
  return `${mutant.name}: ${how} (${seconds.toFixed(1)} s)`;
}

function tableOf(rows) {
  const lines = rows.filter(Boolean).map(({ mutant, kind, seed, checker, seconds }) => {
    const by = kind === "caught" ? `${checker} | ${seed} of ${mutant.seedsMax}` : `**${kind}** | `;
    return `| \`${mutant.name}\` | ${mutant.story} | ${mutant.breaks} | ${by} | ${seconds.toFixed(1)} |`;
  });
  const head = "| mutant | what its author believed | breaks | caught by | seed | seconds |";
  return [head, "| --- | --- | --- | --- | --- | --- |", ...lines].join("\n");
}
