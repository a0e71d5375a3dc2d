// Seeds of the simulation for as long as wanted, on all cores; see docs/specs/simulation.md.
//
//     npm run test:campaign -- --minutes 60 --seed 1
//     npm run test:campaign -- --operations 1000000 --record    # the report goes into the docs
//     npm run test:campaign -- --replay .cache/campaign/failures/crdt-17.json
//
// What fails is made small, written to .cache/campaign/failures and printed with the command that
// runs it again; other seeds go on. The end is not zero then.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { buildSimulation } from "./simulation-build.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const RELIABILITY = join(ROOT, "docs", "reliability.md");
const BUILD = join(ROOT, ".cache", "campaign", `build-${process.pid}`);

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    /** Ends after so many simulated operations; without `--minutes` however long that takes. */
    operations: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    jobs: { type: "string", default: String(availableParallelism()) },
    /** Only these, by name and with commas. */
    modes: { type: "string" },
    /** A defect of the store that every run gets, to see a campaign find it. */
    defect: { type: "string" },
    /** Runs one failure again: its file, or what it says under `task`. */
    replay: { type: "string" },
    /** Where the report and the failures go. */
    folder: { type: "string", default: join(ROOT, ".cache", "campaign") },
    /** Seconds that one run may take. */
    patience: { type: "string", default: "300" },
    /** Puts the report into docs/reliability.md. */
    record: { type: "boolean", default: false },
  },
});
const numbers = Object.fromEntries(
  ["minutes", "operations", "seed", "jobs", "patience"].map((name) => {
    const value = values[name] === undefined ? undefined : Number(values[name]);
    const isRight = value === undefined || (value >= 0 && Number.isFinite(value));
    if (!isRight) fail(`--${name} is a number, and not ${values[name]}`);
    return [name, value];
  }),
);
const { jobs, seed, operations, patience } = numbers;
const minutes = numbers.minutes ?? (operations === undefined ? 5 : Infinity);
if (!Number.isInteger(jobs) || jobs < 1) fail("--jobs is a whole number above zero");
if (!Number.isInteger(seed)) fail("--seed is a whole number");

process.once("exit", () => rmSync(BUILD, { recursive: true, force: true }));
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // The first time it ends with its report, the second at once.
    if (interrupted.signal.aborted) process.exit(1);
    interrupted.abort();
  });
}
buildSimulation({ to: BUILD });
const load = (name) => import(pathToFileURL(join(BUILD, "test/simulation/campaign", name)).href);
const { MODES, runTask } = await load("run-task.js");
process.exit((await (values.replay === undefined ? campaign() : replay())) ? 0 : 1);

function fail(message) {
  console.error(message);
  process.exit(2);
}

async function replay() {
  const isText = values.replay.startsWith("{");
  const task = JSON.parse(isText ? values.replay : readFileSync(values.replay, "utf8"));
  const answer = await runTask(task.task ?? task);
  if (answer.kind === "passed") console.log(JSON.stringify(answer.result));
  else console.error(answer.message);
  return answer.kind === "passed";
}

async function campaign() {
  const { runCampaign } = await load("campaign.js");
  const { markdownOf, replayOf } = await load("campaign-markdown.js");
  const modes = values.modes?.split(",") ?? MODES;
  const unknown = modes.filter((mode) => !MODES.includes(mode));
  if (unknown.length > 0) fail(`no such mode: ${unknown.join(", ")}; there are ${MODES.join(" ")}`);
  const failures = join(values.folder, "failures");
  mkdirSync(failures, { recursive: true });
  console.log(`seeds from ${seed}, ${jobs} processes, ${modes.join(", ")}`);
  const report = await runCampaign({
    child: join(BUILD, "test/simulation/campaign/child.js"),
    jobs,
    runMsMax: patience * 1000,
    rssBytesMax: 512 * 2 ** 20,
    firstSeed: seed,
    durationMs: minutes * 60_000,
    operationsMax: operations,
    modes,
    defect: values.defect,
    nowMs: Date.now,
    signal: interrupted.signal,
    log: (line) => console.log(line),
    onFailure: ({ task, kind, message, minimised }) => {
      const path = join(failures, `${task.mode}-${task.seed}.json`);
      const least = { kind, task, ...minimised, firstMessage: message };
      writeFileSync(path, `${JSON.stringify(least, undefined, 2)}\n`);
      const faults = minimised?.faults.map(({ number, kind }) => `${number} ${kind}`).join(", ");
      console.error(
        `${minimised?.message ?? message}\n` +
          (minimised === undefined ? "" : `${minimised.runs} runs; faults needed: ${faults}\n`) +
          `replay: ${replayOf(relative(process.cwd(), path))}\n` +
          `     or: ${replayOf(`'${JSON.stringify(least.task)}'`)}\n`,
      );
    },
  });
  const command = `npm run test:campaign -- ${process.argv.slice(2).join(" ")}`;
  const machine = `${availableParallelism()} processors (${cpus()[0]?.model.trim() ?? "unknown"})`;
  const when = new Date().toISOString().slice(0, 10);
  const markdown = markdownOf(report, { command, when, machine });
  writeFileSync(
    join(values.folder, "report.json"),
    `${JSON.stringify({ command, ...report }, undefined, 2)}\n`,
  );
  writeFileSync(join(values.folder, "report.md"), `${markdown}\n`);
  console.log(`\n${markdown}`);
  if (values.record) record(markdown);
  return report.failures.length === 0;
}

/** Between two comments, so that the text around it stays. */
function record(markdown) {
  const [begin, end] = ["<!-- campaign -->", "<!-- end of campaign -->"];
  const text = readFileSync(RELIABILITY, "utf8");
  const [start, stop] = [text.indexOf(begin), text.indexOf(end)];
  if (start < 0 || stop < start) throw new Error(`${RELIABILITY} has no ${begin} … ${end}`);
  const before = text.slice(0, start + begin.length);
  writeFileSync(RELIABILITY, `${before}\n\n${markdown}\n\n${text.slice(stop)}`);
}
