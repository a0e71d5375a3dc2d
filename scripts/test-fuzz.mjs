// Gives every decoder damaged input, structured and not; see docs/reliability.md, Fuzzing.
//
//     npm run test:fuzz                                   # one minute
//     npm run test:fuzz -- --minutes 20 --seed 7
//     npm run test:fuzz -- --seed 7 --case 1234           # one input again
//     npm run test:fuzz -- --only segment                 # one decoder
//
// Which input has which number follows from the seed. The report goes to .cache/fuzz-report.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { buildSimulation } from "./simulation-build.mjs";

/** An input that takes longer hangs. */
const HANG_MS = 20_000;
const FOLDER = fileURLToPath(new URL("../.cache", import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** The number of one input. */
    case: { type: "string" },
    /** The name of one decoder. */
    only: { type: "string" },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const single = values.case === undefined ? undefined : Number(values.case);
if (!(minutes > 0) || !Number.isInteger(seed) || (single !== undefined && !(single >= 0))) {
  console.error("usage: npm run test:fuzz -- [--minutes 1] [--seed 1] [--case 17] [--only slot]");
  process.exit(2);
}

const built = buildSimulation({ tests: ["fuzz", "golden"], to: join(FOLDER, "fuzz") });
const shared = new SharedArrayBuffer(8);
const progress = new Float64Array(shared);
const startMs = Date.now();
const worker = new Worker(pathToFileURL(join(built, "test", "fuzz", "fuzz-worker.js")), {
  workerData: { seed, only: values.only, single, shared, untilMs: startMs + minutes * 60_000 },
  resourceLimits: { maxOldGenerationSizeMb: 1_024 },
});
const findings = [];
let counts = [];
let isDone = false;

const add = (finding) => {
  findings.push(finding);
  const { target, number, problem, input } = finding;
  const only = values.only === undefined ? "" : ` --only "${values.only}"`;
  console.error(`\n${target}, again: npm run test:fuzz -- --seed ${seed}${only} --case ${number}`);
  console.error(problem.split("\n").slice(0, 8).join("\n"));
  if (input !== undefined && input.length < 2_000) console.error(`  input: ${input}`);
};

worker.on("message", (message) => {
  if (message.finding !== undefined) add(message.finding);
  if (message.counts !== undefined) counts = message.counts;
  isDone ||= message.isDone === true;
});
const ended = new Promise((resolve) => {
  worker.once("error", (error) => {
    add({ target: "any", number: progress[0], problem: `the process: ${error.stack}` });
    resolve();
  });
  worker.once("exit", resolve);
});
let [last, lastMs] = [-1, Date.now()];
const watch = setInterval(() => {
  if (progress[0] !== last) [last, lastMs] = [progress[0], Date.now()];
  else if (Date.now() - lastMs > HANG_MS && !isDone) {
    add({ target: "any", number: last, problem: `hangs: no end after ${HANG_MS} ms` });
    void worker.terminate();
  }
}, 500);
await ended;
clearInterval(watch);

const rows = counts.map(([name, one]) => ({
  decoder: name,
  executions: one.executions,
  accepted: one.accepted,
  rejected: one.rejected,
  reasons: one.reasons.size,
  "cpu ms, most": Number(one.cpuMsPeak.toFixed(1)),
  "KiB asked for, most": Math.round(one.allocatedBytesPeak / 1_024),
}));
console.table(rows);
const executions = rows.reduce((sum, one) => sum + one.executions, 0);
const seconds = Math.round((Date.now() - startMs) / 1_000);
console.log(`seed ${seed}: ${executions} executions in ${seconds} s, ${findings.length} findings`);
mkdirSync(FOLDER, { recursive: true });
const reasons = Object.fromEntries(
  counts.map(([name, one]) => [name, [...one.reasons].sort((a, b) => b[1] - a[1])]),
);
const report = { seed, seconds, executions, rows, reasons, findings };
writeFileSync(join(FOLDER, "fuzz-report.json"), `${JSON.stringify(report, undefined, 1)}\n`);
process.exit(findings.length === 0 && isDone ? 0 : 1);
