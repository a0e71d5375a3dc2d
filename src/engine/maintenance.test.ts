import { expect, test } from "vitest";
import { Fleet, compaction, patch, put, remove } from "../../test/support/fleet.ts";

test("a flush turns the log into one segment and covers its slots", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1, [1, 2, 3]), put("b", 2, [4, 5, 6])]);
  await lane.append([put("c", 3), remove("b"), patch("a", { more: true })]);
  const { maintenance, events } = fleet.maintenance();
  await maintenance.run({ force: "flush" });
  const manifest = await fleet.newest();
  expect(events.map(({ type }) => type)).toEqual(["took-over", "committed", "collected"]);
  expect(manifest.segments).toHaveLength(1);
  expect(manifest.lanes[0]).toMatchObject({ lane: lane.id, cursor: 2, head: 2 });
  await fleet.expectNothingLost();
});

test("[W10] a crowd lets whoever holds maintenance work for as long as its slots take", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  await lane.append([put("a", 1)]);
  const [a, b] = [fleet.maintenance(), fleet.maintenance()];
  await a.maintenance.run({ force: "flush" });
  const types = async (afterMs: number, crowd: number): Promise<readonly string[]> => {
    await lane.append([put("b", 2)]);
    fleet.clock.advance(afterMs);
    b.events.length = 0;
    await b.maintenance.run({ force: "flush", crowd });
    return b.events.map(({ type }) => type);
  };
  expect(await types(59_000, 1_000)).toEqual(["not-holder"]);
  // The more wait, the longer it may take, however often others look.
  expect(await types(2_000, 2_000)).toEqual(["not-holder"]);
  expect(await types(2_000, 1_000)).toContain("took-over");
  // Who was taken over from lets the new one work in turn.
  await lane.append([put("c", 3)]);
  a.events.length = 0;
  await a.maintenance.run({ force: "flush", crowd: 1_000 });
  expect(a.events.map(({ type }) => type)).toEqual(["not-holder"]);
  await fleet.expectNothingLost();
});

/*
 * Writers with clocks that disagree, flushes that cover part of the log, merges, seals by anyone,
 * crashes of jobs: after every step the store holds the fold of what was acknowledged.
 */
const STEPS = ["write", "write", "write", "flush", "flush", "compact", "idle", "newLane", "close"];

async function play(seed: number, steps: number): Promise<Fleet> {
  const fleet = new Fleet(seed);
  const below = (limit: number): number => Math.floor(fleet.random.next() * limit);
  const skews = [0, -4_000, 3_000];
  const lanes = await Promise.all(skews.map((skewMs) => fleet.openLane({ skewMs })));
  const options = compaction({ mergeFanIn: 2, memoryBytesMax: 12_000, flushSlots: 1 });
  const holders = [0, 1].map(() => fleet.maintenance({ compaction: options }));
  let value = 0;
  for (let i = 0; i < steps; i++) {
    fleet.clock.advance(below(2_000));
    const writer = below(lanes.length);
    const step = STEPS[below(STEPS.length)];
    const id = (): string => `r${below(12)}`;
    const { maintenance } = holders[below(20) === 0 ? 1 : 0]!;
    if (step === "write") {
      const drafts = Array.from({ length: 1 + below(4) }, () => {
        const kind = below(5);
        if (kind === 0) return remove(id());
        if (kind <= 2) return patch(id(), { [`k${below(3)}`]: value++ });
        return put(id(), value++, kind === 3 ? [value, 1, 2] : undefined);
      });
      if (!(await lanes[writer]!.append(drafts))) {
        lanes[writer] = await fleet.openLane({ skewMs: skews[writer]! });
      }
    } else if (step === "idle") {
      if (below(3) === 0) fleet.clock.advance(16 * 60_000);
    } else if (step === "newLane" || step === "close") {
      if (step === "close") await lanes[writer]!.close();
      lanes[writer] = await fleet.openLane({ skewMs: skews[writer]! });
    } else {
      await maintenance.run({ force: step === "flush" ? "flush" : "compact", takeOver: true });
    }
    await fleet.expectNothingLost();
  }
  await holders[0]!.maintenance.run({ force: "compact", takeOver: true });
  await fleet.expectNothingLost();
  return fleet;
}

for (let seed = 1; seed <= Number(process.env["SEEDS"] ?? 12); seed++) {
  test(`[M1] whatever is maintained when, readers see the fold of the log (seed ${seed})`, async () => {
    await play(seed, Number(process.env["STEPS"] ?? 60));
  });
}
