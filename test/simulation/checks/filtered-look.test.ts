import { expect, test } from "vitest";
import { ManualClock } from "../../support/manual-clock.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { View } from "../../../src/engine/view.ts";
import type { Operation } from "../../../src/format/operation.ts";
import type { Seen } from "../history.ts";
import { lookThroughFilters } from "./filtered-look.ts";
import { laneOf, versionOf } from "./made-bucket.ts";

const [A, clock] = [laneOf("A"), new ManualClock()];
const LOOKS = 20;

/** Looks at twelve records often enough to meet each kind of filter, as if `change` had been seen. */
async function findingOf(change: (seen: Map<string, Seen>) => void): Promise<string> {
  const view = View.empty({ databaseId: "made", dimensions: () => 4 });
  const seen = new Map<string, Seen>();
  for (let i = 0; i < 12; i++) {
    const id = `r${i}`;
    const version = versionOf(A, i);
    const numbers = [i % 2, 1, 2, 3];
    const metadata = JSON.stringify({ n: i % 4, k0: "token-1", tags: ["red"] });
    const put: Operation = { kind: "put", id, version, content: "", metadata };
    view.apply({ ...put, vector: Float32Array.from(numbers) });
    seen.set(id, { version, vector: numbers, content: "", metadata });
  }
  change(seen);
  const snapshot = { ...view.fullSnapshot(), ...(await view.snapshot()) };
  try {
    for (let seed = 0; seed < LOOKS; seed++) {
      await lookThroughFilters({ snapshot, seen, clock, random: seededRandom(seed) });
    }
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
}

test("[B10] searches, counts and pages that agree with brute force are no finding", async () => {
  expect(await findingOf(() => undefined)).toBe("nothing");
});

test("[B10] a record too few, a record too many and another distance are found", async () => {
  const other = (seen: Map<string, Seen>, more: Partial<Seen>): void => {
    for (const [id, one] of seen) seen.set(id, { ...one, ...more });
  };
  expect(await findingOf((seen) => seen.delete("r3"))).toContain("r3");
  const more = await findingOf((seen) => seen.set("r99", { ...seen.get("r1")! }));
  expect(more).toMatch(/r99|are counted/);
  const moved = await findingOf((seen) => other(seen, { vector: [7, 7, 7, 7] }));
  expect(moved).toMatch(/finds .* at .*, the nearest are .* at /);
  const renamed = await findingOf((seen) => other(seen, { metadata: '{"n":3}' }));
  expect(renamed).toMatch(/finds|are counted|pages list/);
});
