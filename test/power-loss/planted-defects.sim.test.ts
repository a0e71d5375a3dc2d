import { expect, test } from "vitest";
import { DEFECTS, type DiskDefect } from "./disk.ts";
import { PowerLossError } from "./machine.ts";
import { losePower } from "./workloads.ts";

/** Seeds within which a disk that answers and does nothing is caught. */
const SEEDS_MAX: Readonly<Record<DiskDefect, number>> = {
  files: 2,
  names: 2,
  removals: 2,
  folders: 2,
  versions: 2,
  roots: 2,
  others: 4,
};

/*
 * Each fsync that the adapter makes is taken away in turn: of a file, of the folder of a name that
 * was given or taken, of the parent of a new folder, of a chain, above the root, and for the sake of
 * what another process did. The judge has to notice.
 */
for (const defect of DEFECTS) {
  test(`[F4] [F10] an ignored fsync is noticed: ${defect}`, async () => {
    const caught: unknown[] = [];
    const workload = "objects of dying processes";
    for (let seed = 1; seed <= SEEDS_MAX[defect] && caught.length === 0; seed++) {
      const effort = { seed, builtMax: 12, judgedMax: 400, thoroughEvery: 1_000 };
      await losePower(effort, { workload, defect }).catch((error: unknown) => caught.push(error));
      if (process.env["BRAINY_VERBOSE"] !== undefined)
        process.stdout.write(`${defect}, seed ${seed}: ${caught.length}\n`);
    }
    expect(caught).toEqual([expect.any(PowerLossError)]);
  });
}
