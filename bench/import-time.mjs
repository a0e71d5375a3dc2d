// Milliseconds that `import("brainy")` takes in a fresh process, beside the start of Node itself.
import { execFileSync } from "node:child_process";
import { loadavg } from "node:os";
import { performance } from "node:perf_hooks";
import { dist, median, report, round } from "./support/report.mjs";

const PROCESSES = 15;
const loadBefore = loadavg();

/** Wall time of a whole process, and what it says of itself. */
function run(code) {
  const startMs = performance.now();
  const args = ["--input-type=module", "--eval", code];
  const output = execFileSync(process.execPath, args, { encoding: "utf8" });
  return { wholeMs: performance.now() - startMs, said: Number(output) };
}

const MEASURED = `
  const startMs = performance.now();
  await import(${JSON.stringify(dist("index.js"))});
  console.log(performance.now() - startMs);
`;
const BARE = "console.log(0)";

run(MEASURED);
run(BARE);
const measured = [];
const bare = [];
// Taking turns, so that a busy moment of the machine falls on both.
for (let i = 0; i < PROCESSES; i++) {
  measured.push(run(MEASURED));
  bare.push(run(BARE));
}
const wholeMs = median(measured.map((one) => one.wholeMs));
const bareMs = median(bare.map((one) => one.wholeMs));
report(
  "import-time",
  {
    processes: PROCESSES,
    importMs: round(median(measured.map(({ said }) => said))),
    processMs: round(wholeMs),
    bareNodeMs: round(bareMs),
    overBareNodeMs: round(wholeMs - bareMs),
  },
  loadBefore,
);
