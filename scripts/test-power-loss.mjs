/*
 * Power losses on the file system, more of them than `npm test` has time for:
 *
 *   npm run test:power-loss -- --seed 1 --workloads 100
 *
 * Each seed is one workload of the store or the engine, and one of the disk cache; `--states` is how
 * many different states are judged of each. Prints a line for each, and what they come to.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    workloads: { type: "string", default: "100" },
    states: { type: "string", default: "400" },
  },
});

const TESTS = ["test/power-loss/power-loss", "test/power-loss/cache"];

const run = spawn(
  "npx",
  ["vitest", "run", "--project", "fast", "--testTimeout", "600000", ...TESTS],
  {
    env: {
      ...process.env,
      BRAINY_SEED: values.seed,
      BRAINY_RUNS: values.workloads,
      BRAINY_STATES: values.states,
      BRAINY_BUILT: "64",
      BRAINY_VERBOSE: "1",
    },
    stdio: ["ignore", "pipe", "inherit"],
  },
);
const sums = new Map();
for await (const line of createInterface({ input: run.stdout })) {
  console.log(line);
  if (!line.startsWith('{"changes"')) continue;
  const { workload, ...counts } = JSON.parse(line);
  for (const name of [workload, "all"]) {
    const sum = sums.get(name) ?? { workloads: 0 };
    sum.workloads++;
    for (const [key, count] of Object.entries(counts)) sum[key] = (sum[key] ?? 0) + count;
    sums.set(name, sum);
  }
}
for (const [name, sum] of sums) {
  const { judged, different, possible } = sum;
  console.log(
    `${name}: crash states: ${judged} of ${different} different, of ${possible} possible`,
  );
  console.log(JSON.stringify(sum));
}
process.exitCode = run.exitCode ?? 1;
