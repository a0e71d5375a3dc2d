import { expect, test } from "vitest";
import { explore } from "./machine.ts";
import { Objects } from "./objects.ts";

const SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 10);

for (let seed = SEED; seed < SEED + RUNS; seed++) {
  test(`[F4] objects survive: BRAINY_SEED=${seed} BRAINY_RUNS=1`, async () => {
    const objects = new Objects({ seed, steps: 6, deathRate: seed % 2 === 0 ? 0.7 : 0 });
    await objects.work();
    const result = await explore(objects.machine, objects, { seed, statesMax: 40, thoroughEvery: 10 });
    console.log(JSON.stringify(result), objects.acknowledgements);
    expect(objects.acknowledgements).toBeGreaterThan(5);
  });
}
