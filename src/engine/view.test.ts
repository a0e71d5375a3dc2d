import { expect, test } from "vitest";
import { Fleet, patch, put, remove } from "../../test/support/fleet.ts";
import { columnsOf } from "../../test/support/columns.ts";
import { Machine } from "../../test/support/machine.ts";
import { compileFilter } from "./filter.ts";
import type { Draft } from "../format/operation.ts";
import { countRecords, findRecord, pageOfRecords } from "./records.ts";
import { searchSnapshot } from "./search.ts";

/*
 * Writers, flushes and merges at random; after each step every way of reading is compared with
 * the fold of what was acknowledged, looked through one by one.
 */
const ODD = compileFilter({ odd: true });

for (let seed = 1; seed <= 12; seed++) {
  test(`[R2] [R3] reads see the fold of log and segments, and nothing else (seed ${seed})`, async () => {
    const fleet = new Fleet(seed);
    const below = (limit: number): number => Math.floor(fleet.random.next() * limit);
    const writers = [new Machine(fleet, { slotMax: 8 }), new Machine(fleet, { skewMs: 2_500 })];
    const reader = new Machine(fleet);
    const { maintenance } = fleet.maintenance();
    for (let step = 0; step < 30; step++) {
      fleet.clock.advance(below(1_000));
      const kind = below(6);
      if (kind < 4) await writers[below(2)]!.add(...draftsOf(below));
      else await maintenance.run({ force: kind === 4 ? "flush" : "compact", takeOver: true });
      await reader.follower.catchUp();
      await expectTheFold(fleet, reader, [below(9) - 4, below(9) - 4, 1]);
    }
  });
}

function draftsOf(below: (limit: number) => number): Draft[] {
  return Array.from({ length: 1 + below(4) }, (): Draft => {
    const id = `r${below(15)}`;
    const odd = below(2) === 1;
    switch (below(5)) {
      case 0:
        return remove(id);
      case 1:
        return patch(id, { odd });
      case 2:
        return { ...patch(id, {}), content: "", vector: Float32Array.of(below(9), below(9), 1) };
      default:
        return { ...put(id, 0, [below(9) - 4, below(9) - 4, 1]), metadata: `{"odd":${odd}}` };
    }
  });
}

async function expectTheFold(fleet: Fleet, reader: Machine, query: number[]): Promise<void> {
  const { clock, follower } = reader;
  const { view } = follower;
  const snapshot = { ...view.fullSnapshot(), ...(await view.snapshot()) };
  const expected = [...fleet.expected().values()];
  const ids = expected.map(({ id }) => id).toSorted();
  expect(view.recordCount).toBe(ids.length);
  expect(await countRecords(snapshot, { clock })).toBe(ids.length);
  const page = await pageOfRecords(snapshot, { clock, limit: 100 });
  expect(page.map(({ record }) => record.id)).toEqual(ids);
  for (const { id, version, metadata } of expected) {
    expect(findRecord(view, id, clock.nowMs())?.record).toMatchObject({ id, version, metadata });
  }
  for (const filter of [undefined, ODD]) {
    const wanted = expected.filter(
      ({ metadata }) => filter === undefined || JSON.parse(metadata).odd === true,
    );
    expect(await countRecords(snapshot, { clock, filter })).toBe(wanted.length);
    const nearest = wanted
      .filter(({ vector }) => vector !== undefined)
      .map(({ id, vector }) => ({
        id,
        ordering: vector!.reduce((sum, value, i) => sum + (value - query[i]!) ** 2, 0),
      }))
      .toSorted((a, b) => a.ordering - b.ordering || (a.id < b.id ? -1 : 1));
    for (const k of [3, 100]) {
      const hits = await searchSnapshot({
        snapshot,
        metric: "euclidean",
        query: Float32Array.from(query),
        k,
        filter,
        clock,
      });
      expect(hits.map(({ ordering }) => ordering)).toEqual(
        nearest.slice(0, k).map(({ ordering }) => ordering),
      );
      if (k === 100) expect(hits.map(({ id }) => id)).toEqual(nearest.map(({ id }) => id));
    }
  }
}

test("[R2] applying an operation again, or an older one, changes nothing that readers see", async () => {
  const fleet = new Fleet();
  const machine = new Machine(fleet);
  await machine.add(put("a", 1, [1, 0, 0]), put("b", 2, [0, 1, 0]));
  await machine.add(put("a", 3, [0, 0, 1]), patch("b", { more: 1 }));
  const before = await idsAndMetadata(machine);
  for (const operation of [...fleet.acknowledged, ...fleet.acknowledged].toReversed()) {
    machine.follower.apply(columnsOf([operation]));
  }
  expect(await idsAndMetadata(machine)).toEqual(before);
  expect(machine.follower.view.recordCount).toBe(2);
});

async function idsAndMetadata({ follower, clock }: Machine): Promise<string[]> {
  const page = await pageOfRecords(follower.view.fullSnapshot(), { clock, limit: 10 });
  return page.map(({ record }) => `${record.id} ${record.metadata}`);
}
