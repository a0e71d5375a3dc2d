import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConflictResolution } from "../format/config.ts";
import type { Operation } from "../format/operation.ts";
import { Fleet, compaction, patch, put, remove, statesOf } from "../../test/support/fleet.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { foldFor } from "./record-fold.ts";
import type { RecordState } from "./record-state.ts";

/*
 * The laws of the folds through everything that a record goes through: slots of several lanes, some
 * of which stand still, flushes, merges, floors and manifests, at any moment.
 */

const IDS = ["r0", "r1"] as const;

type Step =
  | { readonly kind: "write"; readonly lane: number; readonly what: number; readonly id: string }
  | { readonly kind: "read"; readonly lane: number }
  | { readonly kind: "compact"; readonly force: "flush" | "compact" };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("write" as const),
        lane: fc.nat(2),
        what: fc.nat(5),
        id: fc.constantFrom(...IDS),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("read" as const), lane: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("compact" as const),
        force: fc.constantFrom("flush" as const, "compact" as const),
      }),
    },
  ),
  { minLength: 6, maxLength: 24 },
);

/** Three lanes, each with what its author has read: nothing but its own until it reads. */
class Authors {
  readonly fleet: Fleet;
  readonly #mode: ConflictResolution;
  readonly #read: Map<string, RecordState>[] = [new Map(), new Map(), new Map()];
  #values = 0;

  constructor(mode: ConflictResolution) {
    this.#mode = mode;
    this.fleet = new Fleet(1, undefined, new ManualClock(), mode);
  }

  async run(plan: readonly Step[]): Promise<void> {
    const { fleet } = this;
    const lanes = [await fleet.openLane(), await fleet.openLane(), await fleet.openLane()];
    const { maintenance } = fleet.maintenance({
      compaction: compaction({ mergeFanIn: 2, conflictResolution: this.#mode }),
    });
    for (const step of plan) {
      fleet.clock.advance(3);
      if (step.kind === "compact") {
        await maintenance.run({ force: step.force });
        await this.check();
      } else if (step.kind === "read") {
        this.#read[step.lane] = await statesOf(fleet.store, await fleet.newest(), fleet.fold);
        await lanes[step.lane]!.readAll();
      } else {
        const written = fleet.acknowledged.length;
        await lanes[step.lane]!.append([this.#draft(step)]);
        for (const operation of fleet.acknowledged.slice(written))
          this.#learn(step.lane, operation);
      }
    }
    for (const lane of lanes) await lane.close();
    fleet.clock.advance(1_000);
    for (let i = 0; i < 3; i++) await maintenance.run({ force: "compact" });
    await this.check();
  }

  /** Visible records, siblings and what a next author would have seen. */
  async check(): Promise<void> {
    const { fold, store, acknowledged } = this.fleet;
    const stored = await statesOf(store, await this.fleet.newest(), fold);
    for (const id of IDS) {
      const own = acknowledged.filter((operation) => operation.id === id);
      const whole = own.length === 0 ? undefined : own.map(fold.stateOf).reduce(fold.merge);
      const state = stored.get(id);
      expect(state === undefined ? [] : fold.siblings(state).map(bare)).toEqual(
        whole === undefined ? [] : fold.siblings(whole).map(bare),
      );
      expect(state === undefined ? [] : fold.known(state)).toEqual(
        whole === undefined ? [] : fold.known(whole),
      );
    }
  }

  #draft({ lane, what, id }: Extract<Step, { kind: "write" }>): Omit<Operation, "version"> {
    const value = ++this.#values;
    const state = this.#read[lane]!.get(id);
    const known = state === undefined ? [] : this.fleet.fold.known(state);
    const seen = known.length === 0 ? undefined : known;
    if (what === 0) return { ...remove(id), seen };
    if (what <= 2 && this.fleet.fold.takesPatches) return patch(id, { [`k${what}`]: value });
    const metadata = JSON.stringify({ [`k${what % 3}`]: value });
    return { ...put(id, value, what === 5 ? undefined : [value, 1, 2]), metadata, seen };
  }

  #learn(lane: number, operation: Operation): void {
    const { fold } = this.fleet;
    const read = this.#read[lane]!;
    const before = read.get(operation.id);
    const own = fold.stateOf(operation);
    read.set(operation.id, before === undefined ? own : fold.merge(before, own));
  }
}

function bare({ seen: _seen, vector, attributes: _none, ...rest }: Operation): unknown {
  return { ...rest, vector: vector && [...vector] };
}

for (const mode of ["vector-clock", "crdt"] as const) {
  test(`[V1] [V2] ${mode}: what is stored is the fold of all operations, whatever is compacted when`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, (plan) => new Authors(mode).run(plan)),
      { numRuns: 40 },
    );
  });
}

test("[V2] fields that are the newest of their kind stay with their versions, all else goes", async () => {
  const fold = foldFor("crdt");
  const authors = new Authors("crdt");
  const { fleet } = authors;
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("r0", 1, [1, 2, 3])]);
  for (let i = 0; i < 5; i++) await lane.append([patch("r0", { k1: i })]);
  await maintenance.run({ force: "compact" });
  await lane.close();
  fleet.clock.advance(1_000);
  await maintenance.run({ force: "compact" });
  await maintenance.run({ force: "compact" });
  const { floor } = await fleet.newest();
  const state = (await statesOf(fleet.store, await fleet.newest(), fold)).get("r0")!;
  expect(state.patches.map(({ kind, metadata }) => [kind, metadata])).toEqual([
    ["put", '{"value":1}'],
    ["patch", '{"k1":4}'],
  ]);
  expect(state.patches.at(-1)!.version <= floor).toBe(true);
  // What is kept for good is no reason to rewrite it again and again.
  fleet.clock.advance(3 * 24 * 3_600_000);
  await maintenance.run();
  const rewritten = (await fleet.newest()).segments;
  expect(rewritten.map(({ remainsSinceMs }) => remainsSinceMs)).toEqual([undefined]);
  fleet.clock.advance(3 * 24 * 3_600_000);
  await maintenance.run();
  expect((await fleet.newest()).segments).toEqual(rewritten);
});
