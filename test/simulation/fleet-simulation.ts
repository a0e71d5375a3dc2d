import { Actor, Embedded } from "./actor.ts";
import { CalmFleet } from "./fleet-calm.ts";
import { Fleet, FleetTrade, fleetPlanOf } from "./fleet.ts";
import { HOUR, MINUTE } from "./plan.ts";
import { Operator } from "./operator.ts";
import { calmDown, settle, simulate } from "./simulation.ts";
import type { SimulationResult, World, WorldOptions } from "./world.ts";

/**
 * The same as `simulate`, of processes that are a fleet: the real session with its registry, shared
 * settings, partitions and hints, beside a few processes that know of nobody.
 */
export function simulateFleet(options: WorldOptions): Promise<SimulationResult> {
  // Whoever is part of a fleet repeats its reads. Its idle hours are made of requests.
  const idleRate = [0, 0, 0.01, 0.03][(options.seed >> 2) % 4]!;
  const actors = 3 + (options.seed % 4);
  const plan = { isPatient: true, idleRate, actors, ...options.plan };
  return simulate({ ...options, plan }, runFleet);
}

async function runFleet(world: World): Promise<void> {
  const { scheduler, bucket } = world;
  bucket.weather.zombieMs = Math.min(bucket.weather.zombieMs, HOUR);
  // What rots in a document that people may edit cannot be told from an edit.
  bucket.weather.rotRate = 0;
  const fleet = new Fleet(world, fleetPlanOf(world));
  const operator = new Operator(world, fleet.config, fleet.plan.edits);
  const actors = Array.from({ length: world.plan.actors }, (_, i) => newActor(fleet, i));
  for (const actor of actors) actor.start();
  operator.start();
  await world.until("the actors to stop", patiently(world, actors));
  operator.stop();
  calmDown(world);
  await world.until("late requests", () => bucket.zombies === 0 && operator.isIdle);
  // A machine that stands still for another day is nobody's concern.
  for (const { process } of fleet.here) if (process.isStalled) process.kill();
  let isSettled = false;
  new CalmFleet(fleet, operator).settle().then(
    () => {
      isSettled = true;
    },
    (error: unknown) => world.fail(error),
  );
  await world.until("a fleet that agrees", () => isSettled);
  await world.until("what is still under way", () => scheduler.isIdle);
  await settle(world);
}

/** Whether all have stopped, or have had the time to: some sleep for days. */
function patiently(world: World, actors: readonly Actor[]): () => boolean {
  let lastMs: number | undefined;
  return () => {
    if (world.stepsLeft <= 0) lastMs ??= world.scheduler.nowMs;
    const isLate = lastMs !== undefined && world.scheduler.nowMs - lastMs >= 30 * MINUTE;
    return isLate || actors.every(({ isDone }) => isDone);
  };
}

/** Under one name for ever, under a new one each time, as somebody else's twin, or of no fleet. */
function newActor(fleet: Fleet, i: number): Actor {
  const { world } = fleet;
  const name = `p${i}`;
  const dice = world.scheduler.below(10);
  if (dice === 0 && i > 0) return new Actor(world, name, new Embedded(world, fleet));
  const instanceId = dice < 3 ? undefined : dice < 5 ? "twin" : name;
  return new Actor(world, name, new FleetTrade(fleet, instanceId));
}
