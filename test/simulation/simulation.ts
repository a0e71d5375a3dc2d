import { verifyStore } from "../../src/engine/verify.ts";
import type { Database } from "../../src/engine/database.ts";
import type { Fault } from "./faults.ts";
import { Actor, checkCheckpoint, knownOf } from "./actor.ts";
import { CONDITIONAL_IDS, everything, textOf } from "./observe.ts";
import { OlderCopies } from "./older-copies.ts";
import { HOUR, MINUTE, type Plan } from "./plan.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import { VirtualStore } from "./virtual-store.ts";
import { World, type SimulationResult, type WorldOptions } from "./world.ts";

/** Raised with the seed and the end of the trace in its message. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  /** Every fault of the run up to its failure. */
  readonly occurred: readonly Fault[];
  readonly plan: Plan;

  constructor(message: string, { faults, plan }: World, options: ErrorOptions) {
    super(message, options);
    this.occurred = faults.occurred;
    this.plan = plan;
  }
}

/**
 * The engine against a virtual store, clock and network: several process runs at once, each of
 * which may stall or die at any await, over one bucket. Throws when a reader sees what it must
 * not, or when the store's structure is wrong in the end.
 */
export async function simulate(
  options: WorldOptions,
  run: (world: World) => Promise<void> = runEmbedded,
): Promise<SimulationResult> {
  const world = new World(options);
  try {
    await run(world);
  } catch (error) {
    throw new SimulationError(
      `seed ${options.seed}: ${textOfError(error)}\n\n` +
        // Less of a seed is what a campaign runs, which names its own command.
        (options.suppressed === undefined && options.plan === undefined
          ? `replay: BRAINY_SEED=${options.seed} BRAINY_RUNS=1 npx vitest run test/simulation\n`
          : "") +
        `${world.describePlan()}\n${world.scheduler.traceTail}`,
      world,
      { cause: error },
    );
  }
  return world.result();
}

function textOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\n  because of ${textOfError(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

async function runEmbedded(world: World): Promise<void> {
  const { scheduler, plan } = world;
  const actors = Array.from({ length: plan.actors }, (_, i) => new Actor(world, `p${i}`));
  const endAll = (): void => {
    for (const actor of actors) actor.kill();
    world.killAll();
  };
  world.copies = new OlderCopies(world, { rate: plan.restoreRate, endAll });
  for (const actor of actors) actor.start();
  await world.until("the actors to stop", () => actors.every(({ isDone }) => isDone));
  calmDown(world);
  await world.until("what is still under way", () => scheduler.isIdle);
  await settle(world);
}

/** No request fails from now on; those that are under way arrive. */
export function calmDown(world: World): void {
  world.isCalm = true;
  world.bucket.calm();
}

/** Looks at what has become of everything, and lets maintenance do its work. */
export async function settle(world: World): Promise<void> {
  let isSettled = false;
  lookBack(world).then(
    () => {
      isSettled = true;
    },
    (error: unknown) => world.fail(error),
  );
  await world.until("the end", () => isSettled);
}

/** A calm store and two patient processes: they see one state, now and after all maintenance. */
async function lookBack(world: World): Promise<void> {
  const { history, scheduler } = world;
  scheduler.note("everything is calm");
  const process = world.newProcess("last", true);
  const database = await world.open(process, { maintains: true });
  const look = async (what: string, from: Database): Promise<string> => {
    const required = history.expectation();
    const seen = await from.read({ level: "strong" }, (view) => everything(view, process));
    const shown = history.check(what, seen, { required, storedCount: history.storedCount });
    history.witness(what, seen, { shown, nowMs: scheduler.nowMs });
    history.checkDecisions(CONDITIONAL_IDS);
    return textOf(seen);
  };
  const before = await look("the last process", database);
  const known = new Set(marksOf(before));
  const tokens = world.tokens;
  // Else everything is found by those who look now and then, also what is to be erased.
  const isAsked = scheduler.chance(0.5);
  const reader = await world.open(process, { readOnly: true });
  for (const waitMs of [0, 16 * MINUTE, 10 * MINUTE, 26 * HOUR, 2 * HOUR]) {
    await process.wait(waitMs);
    // Whoever has nothing to do does not take maintenance over either.
    const { drafts, tokens } = world.drafts((id) => knownOf(database, id));
    const versions = await database.write({ drafts, bytes: 100 * drafts.length });
    for (const [i, version] of versions.entries())
      history.acknowledged(version, tokens[i], scheduler.nowMs);
    if (isAsked && waitMs < HOUR) await database.compact();
    else await lookAfter(database, process);
    const what = `after ${waitMs / MINUTE} minutes and maintenance`;
    const [own, other] = [await look(what, database), await look(what, reader)];
    if (own !== other) throw new Error(`the last process sees\n${own}\nand a reader\n${other}`);
  }
  history.checkCalls(CONDITIONAL_IDS);
  world.checkLeftovers((mark) => !known.has(mark) && Number(mark.slice(6)) <= tokens);
  for (const name of world.checkpoints.keys()) await checkCheckpoint(world, process, name);
  const { clock, random } = process;
  const report = await verifyStore({
    store: new VirtualStore(world.bucket, process),
    clock,
    random,
  });
  const problems = report.problems.filter(({ severity }) => severity === "error");
  if (problems.length > 0)
    throw new Error(`verify finds ${JSON.stringify(problems, undefined, 2)}`);
  await database.close();
  await reader.close();
}

/** Nobody asks for a compaction: what is due is found by looking now and then. */
async function lookAfter(database: Database, process: VirtualProcess): Promise<void> {
  for (let minutes = 0; minutes < 10; minutes += 2) {
    await database.catchUp();
    await process.wait(2 * MINUTE);
  }
}

/** What marks operations in what a reader sees. */
function marksOf(text: string): readonly string[] {
  return text.match(/token-\d+/g) ?? [];
}
