import { expect, test } from "vitest";
import { simulate, SimulationError } from "./simulation.ts";

const FIRST_SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Math.ceil(Number(process.env["BRAINY_RUNS"] ?? 120) / 4);
const RESOLUTIONS = ["vector-clock", "crdt"] as const;
/** Every third seed shows a compactor that folds by version. */
const SEEDS_MAX = 12;

for (const resolution of RESOLUTIONS) {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    test(`[V1] [V2] [Z1] [Z4] ${resolution}: readers see the fold of all operations: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
      const result = await simulate({ seed, resolution });
      expect(result.checks).toBeGreaterThan(2 * result.skipped);
      if (process.env["BRAINY_VERBOSE"] !== undefined)
        process.stdout.write(`${JSON.stringify(result)}\n`);
    });
  }

  test(`[Z6] ${resolution}: a compactor that folds by version is caught within ${SEEDS_MAX} seeds`, async () => {
    const caught: string[] = [];
    for (let seed = 1; seed <= SEEDS_MAX && caught.length === 0; seed++) {
      await simulate({ seed, resolution, foldsByVersion: true }).catch((error: unknown) => {
        if (!(error instanceof SimulationError)) throw error;
        caught.push(error.message);
      });
    }
    expect(caught).toHaveLength(1);
  });
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
  test(`[V7] [Z1] [Z4] a resolver decides what every read shows: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const result = await simulate({ seed, resolution: "vector-clock", resolves: true });
    expect(result.checks).toBeGreaterThan(2 * result.skipped);
  });
}
