import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

const FIRST_SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 120);

for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
  test(`[Z1] [Z2] [Z3] [Z4] [Z7] whatever fails, readers see what was acknowledged: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const result = await simulate({ seed });
    expect(result.checks).toBeGreaterThan(0);
    if (process.env["BRAINY_VERBOSE"] !== undefined)
      process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}

test("[Z5] one seed is one trace", async () => {
  const first = await simulate({ seed: 7 });
  expect(await simulate({ seed: 7 })).toEqual(first);
  expect((await simulate({ seed: 8 })).traceHash).not.toBe(first.traceHash);
});
