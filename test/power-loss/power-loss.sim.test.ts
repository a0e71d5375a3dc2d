import { expect, test } from "vitest";
import { losePower, workloadOf } from "./workloads.ts";

const SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 22);
const JUDGED_MAX = Number(process.env["BRAINY_STATES"] ?? 60);
const BUILT_MAX = Number(process.env["BRAINY_BUILT"] ?? 12);

for (let seed = SEED; seed < SEED + RUNS; seed++) {
  test(`[F4] [F10] ${workloadOf(seed)}: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const result = await losePower({
      seed,
      builtMax: BUILT_MAX,
      judgedMax: JUDGED_MAX,
      thoroughEvery: 8,
    });
    expect(result.judged).toBeGreaterThan(0);
    if (process.env["BRAINY_VERBOSE"] !== undefined)
      process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}
