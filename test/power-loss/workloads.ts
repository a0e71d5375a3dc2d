import type { DiskDefect } from "./disk.ts";
import { explore, type Effort, type Explored } from "./machine.ts";
import { Objects, type ObjectsOptions } from "./objects.ts";
import { Records, type RecordsOptions } from "./records.ts";

type Plan =
  | (Omit<ObjectsOptions, "seed"> & { readonly of: "objects" })
  | (Omit<RecordsOptions, "seed"> & { readonly of: "records" });

const OBJECTS = { of: "objects", steps: 6, deathRate: 0 } as const;
const RECORDS = {
  of: "records",
  processes: 1,
  steps: 6,
  runs: 2,
  deathRate: 0,
  idleRate: 0.1,
} as const;

/** What is done before the power goes; a seed takes them in turn. Its number decides the rest. */
export const WORKLOADS = {
  objects: () => OBJECTS,
  "objects of dying processes": () => ({ ...OBJECTS, deathRate: 0.7 }),
  "objects, an fsync fails": (seed) => ({ ...OBJECTS, faults: failingSync(seed, 40) }),
  "objects, a full disk": (seed) => ({ ...OBJECTS, faults: full(seed, 30) }),
  "objects, many versions": () => ({ ...OBJECTS, steps: 60, deathRate: 0.3, isAlone: true }),
  records: () => RECORDS,
  "records of dying processes": () => ({ ...RECORDS, processes: 2, deathRate: 0.5 }),
  "records, started together": () => ({
    ...RECORDS,
    ...{ processes: 2, steps: 2, runs: 3, deathRate: 0.7, idleRate: 0 },
  }),
  "records over days": () => ({ ...RECORDS, steps: 8, idleRate: 0.6 }),
  "records, an fsync fails": (seed) => ({ ...RECORDS, runs: 3, faults: failingSync(seed, 80) }),
  "records, a full disk": (seed) => ({ ...RECORDS, faults: full(seed, 60) }),
} as const satisfies Record<string, (seed: number) => Plan>;

/** Its name. */
export type WorkloadName = keyof typeof WORKLOADS;

const NAMES = Object.keys(WORKLOADS) as WorkloadName[];

/** The workload of a seed. */
export function workloadOf(seed: number): WorkloadName {
  return NAMES[seed % NAMES.length]!;
}

/** What a seed did, and what was tried. */
export interface PowerLossResult extends Explored {
  readonly workload: WorkloadName;
  readonly acknowledged: number;
}

/**
 * Runs the workload of a seed, and judges what a power loss may leave after each change that it
 * made. Throws when that is not what has to be left, or when a process went on after a failed fsync.
 */
export async function losePower(
  effort: Effort,
  {
    workload = workloadOf(effort.seed),
    defect,
  }: {
    readonly workload?: WorkloadName | undefined;
    readonly defect?: DiskDefect | undefined;
  } = {},
): Promise<PowerLossResult> {
  const { seed } = effort;
  const plan: Plan = WORKLOADS[workload](seed);
  const options = { ...plan, seed, defect };
  const work = options.of === "objects" ? new Objects(options) : new Records(options);
  await work.work();
  if (work.late.length > 0) {
    throw new Error(`${work.late.join(" ")} acknowledged something after a failed fsync`);
  }
  const explored = await explore(work.machine, work, effort);
  return { ...explored, workload, acknowledged: work.acknowledgements };
}

/** Every other one leaves a disk that can only be read, as an aborted journal does. */
function failingSync(seed: number, among: number) {
  const turn = Math.floor(seed / NAMES.length);
  return { failingSync: (turn * 7) % among, isReadOnlyAfter: turn % 2 === 1 };
}

function full(seed: number, among: number) {
  const turn = Math.floor(seed / NAMES.length);
  return { fullFrom: (turn * 11) % among, fullFor: 1 + (turn % 5) };
}
