import { expect, test } from "vitest";
import { FAULT_KINDS, FLEET_FAULT_KINDS } from "./faults.ts";
import { simulate } from "./simulation.ts";

const FIRST_SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 120);
const occurred = new Set<string>();

for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
  test(`[Z1] [Z2] [Z3] [Z4] [Z7] whatever fails, readers see what was acknowledged: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const result = await simulate({ seed });
    for (const kind of Object.keys(result.faults)) occurred.add(kind);
    expect(result.checks).toBeGreaterThan(0);
    if (process.env["BRAINY_VERBOSE"] !== undefined)
      process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}

test.runIf(RUNS >= 100)("[Z8] every kind of fault occurred in these seeds", () => {
  const expected = FAULT_KINDS.filter((kind) => !FLEET_FAULT_KINDS.includes(kind));
  expect(expected.filter((kind) => !occurred.has(kind))).toEqual([]);
});

test("[Z5] one seed is one trace", async () => {
  const first = await simulate({ seed: 7 });
  expect(await simulate({ seed: 7 })).toEqual(first);
  expect((await simulate({ seed: 8 })).traceHash).not.toBe(first.traceHash);
});
