import type { Clock } from "../../../src/base/clock.ts";
import { randomInteger, type Random } from "../../../src/base/random.ts";
import { compileFilter } from "../../../src/engine/filter.ts";
import { countRecords, pageOfRecords } from "../../../src/engine/records.ts";
import { searchSnapshot } from "../../../src/engine/search.ts";
import type { FullSnapshot } from "../../../src/engine/view.ts";
import type { Snapshot } from "../../../src/engine/view.ts";
import type { Seen } from "../history.ts";
import { keeps, randomFilter } from "./filter-oracle.ts";

/** Filters of one look. */
const FILTERS = 2;

/** What a look goes through: the snapshot, and what ids have shown of it. */
export interface Look {
  readonly snapshot: FullSnapshot & Snapshot;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Throws unless searches, counts and pages under random filters give exactly what brute force over
 * the records gives: the nearest k that match, nearest first and equal ones by id, with their
 * distances; as many as match; all of them in the order of ids.
 */
export async function lookThroughFilters(look: Look): Promise<void> {
  for (let i = 0; i < FILTERS; i++) {
    const filter = randomFilter(look.random);
    const matching = [...look.seen]
      .filter(([id, { metadata }]) =>
        keeps(filter, { id, metadata: JSON.parse(metadata) as Record<string, unknown> }),
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    await search(look, filter, matching);
    await list(look, filter, matching);
  }
}

type Matching = readonly (readonly [string, Seen])[];

async function search(look: Look, filter: object, matching: Matching): Promise<void> {
  const { snapshot, clock, random } = look;
  const k = 1 + randomInteger(random, 6);
  const query = Float32Array.from({ length: 4 }, () => randomInteger(random, 8));
  const compiled = compileFilter(filter);
  const metric = "euclidean";
  const found = await searchSnapshot({ snapshot, metric, query, k, clock, filter: compiled });
  const wanted = matching
    .flatMap(([id, { vector }]) => (vector === undefined ? [] : [{ id, vector }]))
    .map(({ id, vector }) => ({
      id,
      distance: vector.reduce((sum, x, at) => sum + (x - query[at]!) ** 2, 0),
    }))
    .toSorted((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .slice(0, k);
  const [is, should] = [
    found.map(({ id, ordering }) => `${id} at ${ordering}`).join(", "),
    wanted.map(({ id, distance }) => `${id} at ${distance}`).join(", "),
  ];
  if (is === should) return;
  const what = `a search for ${k} under ${JSON.stringify(filter)} from ${query.join(" ")}`;
  throw new Error(`${what} finds ${is}, the nearest are ${should}`);
}

async function list(look: Look, filter: object, matching: Matching): Promise<void> {
  const { snapshot, clock, random } = look;
  const compiled = compileFilter(filter);
  const what = `under ${JSON.stringify(filter)}`;
  const count = await countRecords(snapshot, { filter: compiled, clock });
  const wanted = matching.map(([id]) => id).join(" ");
  if (count !== matching.length) throw new Error(`${count} are counted ${what}: ${wanted}`);
  const limit = 1 + randomInteger(random, 5);
  const ids: string[] = [];
  for (let full = true; full;) {
    const options = { filter: compiled, clock, after: ids.at(-1), limit };
    const page = await pageOfRecords(snapshot, options);
    ids.push(...page.map(({ record }) => record.id));
    full = page.length === limit;
  }
  if (ids.join(" ") !== wanted)
    throw new Error(`${what} pages list ${ids.join(" ")}, not ${wanted}`);
}
