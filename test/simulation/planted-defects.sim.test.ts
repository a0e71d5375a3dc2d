import { expect, test } from "vitest";
import type { Plan } from "./plan.ts";
import { simulate, SimulationError } from "./simulation.ts";
import type { Defect } from "./virtual-store.ts";

/*
 * A simulation that finds nothing proves nothing until it has been seen to find something: each
 * of these stores breaks its contract in one way, and must be caught within so many seeds.
 */
interface Planted {
  readonly defect: Defect;
  readonly seedsMax: number;
  /** What the defect needs to show, when seeds rarely choose it by themselves. */
  readonly plan?: Partial<Plan>;
}

/** Processes that are idle for long, so that others seal their lanes, and then go on. */
const IDLE: Partial<Plan> = {
  idleRate: 0.2,
  stallRate: 0,
  deathRate: 0,
  steps: 150,
  flushSlots: 2,
};

/** Processes that never stand still, so that only who takes a partition seals a lane. */
const BUSY: Partial<Plan> = { idleRate: 0, stallRate: 0, deathRate: 0, jumpRate: 0, steps: 150 };

const DEFECTS: readonly Planted[] = [
  { defect: "answers-before-it-stores", seedsMax: 3 },
  { defect: "ignores-if-absent", seedsMax: 10 },
  { defect: "deletes-one-slot-more", seedsMax: 10 },
  { defect: "lists-without-a-page", seedsMax: 3 },
  { defect: "lists-what-was", seedsMax: 3 },
  { defect: "forgets-seals", seedsMax: 20, plan: IDLE },
  { defect: "swallows-seals", seedsMax: 20, plan: BUSY },
];

for (const planted of DEFECTS) {
  const { defect, seedsMax } = planted;
  const name = `a store that ${defect.replaceAll("-", " ")} is caught`;
  test(`[Z6] ${name} by what readers see within ${seedsMax} seeds`, async () => {
    expect(await seedsUntilCaught(planted, false)).toBeLessThanOrEqual(seedsMax);
  });

  test(`[Z6] ${name} by what it holds within ${seedsMax} seeds`, async () => {
    expect(await seedsUntilCaught(planted, true)).toBeLessThanOrEqual(seedsMax);
  });
}

/** `structure`: every object and delete is judged too, which often is sooner. */
async function seedsUntilCaught(
  { defect, seedsMax, plan }: Planted,
  structure: boolean,
): Promise<number> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      await simulate({ seed, defect, plan, structure });
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      if (process.env["BRAINY_VERBOSE"] !== undefined) {
        process.stdout.write(
          `${seed} ${error.message.split("\n").slice(0, 3).join(" | ").slice(0, 200)}\n`,
        );
      }
      return seed;
    }
  }
  return seedsMax + 1;
}
