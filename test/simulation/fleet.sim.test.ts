import { expect, test } from "vitest";
import { FLEET_FAULT_KINDS } from "./faults.ts";
import { simulateFleet } from "./fleet-simulation.ts";

const FIRST_SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Math.ceil(Number(process.env["BRAINY_RUNS"] ?? 120) / 6);

const occurred = new Set<string>();

for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
  test(`[Z1] [Z4] [Z7] [Z11] [Z12] [Z13] a fleet agrees on everything it shares: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const result = await simulateFleet({ seed });
    for (const kind of Object.keys(result.faults)) occurred.add(kind);
    expect(result.checks).toBeGreaterThan(0);
    if (process.env["BRAINY_VERBOSE"] !== undefined)
      process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}

test.runIf(RUNS >= 20)(
  "[Z8] every kind of fault that needs a fleet occurred in these seeds",
  () => {
    expect(FLEET_FAULT_KINDS.filter((kind) => !occurred.has(kind))).toEqual([]);
  },
);
