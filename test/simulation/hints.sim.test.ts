import { expect, test } from "vitest";
import { findRecord } from "../../src/engine/records.ts";
import { Fleet, type Member } from "./fleet.ts";
import { everything } from "./observe.ts";
import { describe } from "./history.ts";
import { MINUTE } from "./plan.ts";
import { World } from "./world.ts";

const SEEDS = [1, 2, 3];

/** What a fleet comes to by the same work, done one after another, with and without hints. */
async function outcome(seed: number, lossRate: number): Promise<Outcome> {
  const plan = { actors: 3, skewMs: 0, isPatient: true, isOpen: false };
  const world = new World({ seed, plan });
  world.bucket.calm();
  const hints = { lossRate, repeatRate: 0, delayMs: 5, garbageRate: 0 };
  const fleet = new Fleet(world, { bus: "pubsub", hints, edits: 0 });
  let result: Outcome | undefined;
  work(fleet).then(
    (done) => {
      result = done;
    },
    (error: unknown) => world.fail(error),
  );
  await world.until("the work", () => result !== undefined);
  return result!;
}

interface Outcome {
  /** What a strong read shows, without the versions, which tell the time. */
  readonly state: readonly string[];
  /** How long it took a reader that asks for nothing to see each write, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly hintsHeard: number;
}

async function work(fleet: Fleet): Promise<Outcome> {
  const { world } = fleet;
  // What is done is drawn apart from what the network does, so that it is the same every time.
  const { random } = world.newProcess("script", true);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const members: Member[] = [];
  for (const role of ["hybrid", "writer", "reader"] as const) {
    const process = world.newProcess(role, true);
    members.push(await fleet.join(process, { role, instanceId: role }));
  }
  const reader = members[2]!;
  const latenciesMs: number[] = [];
  for (let step = 0; step < 20; step++) {
    const { database, process } = members[below(2)]!;
    const id = `r${below(6)}`;
    await database.read({ level: "strong" }, () => Promise.resolve());
    const text = `text-${step}`;
    const isDelete = below(4) === 0;
    const content = JSON.stringify({ text });
    const vector = Float32Array.from({ length: 4 }, () => below(8));
    const metadata = JSON.stringify({ step });
    const draft = isDelete
      ? ({ kind: "delete", id } as const)
      : ({ kind: "put", id, content, vector, metadata } as const);
    const [version] = await database.write({ drafts: [draft], bytes: 100 });
    const startMs = world.scheduler.nowMs;
    const wanted = isDelete ? undefined : version;
    while ((await seen(reader, id)) !== wanted) await reader.process.wait(200);
    latenciesMs.push(world.scheduler.nowMs - startMs);
    if (below(6) === 0) await members[below(2)]!.database.compact({ force: "flush" });
    await process.wait(MINUTE);
  }
  const state = await reader.database.read({ level: "strong" }, async (view) =>
    [...(await everything(view, reader.process))].map(([id, record]) => {
      return `${id} ${describe({ ...record, version: "", siblings: [] })}`;
    }),
  );
  const hintsHeard = reader.session.hints.counters.received;
  for (const member of members) await member.close();
  return { state: state.toSorted(), latenciesMs, hintsHeard };
}

/** The version that a read shows which asks for nothing. */
function seen(reader: Member, id: string): Promise<string | undefined> {
  const nowMs = reader.process.clock.nowMs();
  return reader.use(() =>
    reader.database.readIds({ level: "eventual" }, [id], (view) =>
      Promise.resolve(findRecord(view, id, nowMs)?.record.version),
    ),
  );
}

for (const seed of SEEDS) {
  test(`[Z14] a fleet that hears no hint comes to the same, only later: seed ${seed}`, async () => {
    const [heard, deaf] = [await outcome(seed, 0), await outcome(seed, 1)];
    expect(heard.hintsHeard).toBeGreaterThan(15);
    expect(deaf.hintsHeard).toBe(0);
    expect(heard.state.length).toBeGreaterThan(0);
    expect(deaf.state).toEqual(heard.state);
    const longest = ({ latenciesMs }: Outcome): number => Math.max(...latenciesMs);
    expect(longest(heard)).toBeLessThan(longest(deaf));
    // The longest time between two polls of an instance that believes it is told, and the requests.
    expect(longest(deaf)).toBeLessThan(45_000);
  });
}
