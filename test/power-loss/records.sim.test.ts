import { expect, test } from "vitest";
import { explore } from "./machine.ts";
import { Records } from "./records.ts";

const SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 6);

for (let seed = SEED; seed < SEED + RUNS; seed++) {
  test(`[F4] records survive: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const records = new Records({
      seed,
      processes: 1 + (seed % 2),
      steps: 6,
      runs: 2,
      deathRate: seed % 3 === 0 ? 0.7 : 0.2,
      idleRate: 0.1,
    });
    await records.work();
    const start = performance.now();
    const result = await explore(records.machine, records, { seed, statesMax: 8, thoroughEvery: 10 });
    console.log(JSON.stringify(result), JSON.stringify([...records.counts]), performance.now() - start);
    expect(records.acknowledgements).toBeGreaterThan(0);
  });
}
