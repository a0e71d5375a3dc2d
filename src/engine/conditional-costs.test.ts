import { expect, test } from "vitest";
import { ConditionalFleet } from "../../test/support/conditional-fleet.ts";
import { hashId, partitionOfHash } from "../format/hash-id.ts";
import { metered, type RequestCounters } from "../storage/layers/metered.ts";

/** What a call costs, as `PUT LIST GET HEAD`. */
async function costOf(counters: RequestCounters, run: () => Promise<unknown>): Promise<string> {
  const before = structuredClone(counters);
  await run();
  return (["put", "list", "get", "head"] as const)
    .map((kind) => counters[kind].requests - before[kind].requests)
    .join(" ");
}

/** An id of another partition than the others. */
function elsewhere(...ids: readonly string[]): string {
  const partitionOf = (id: string): number => partitionOfHash(hashId(id), 100);
  const taken = new Set(ids.map(partitionOf));
  for (let i = 0; ; i++) if (!taken.has(partitionOf(`id${i}`))) return `id${i}`;
}

test("[L8] one slot and one look where the partition is held, and a few requests where it is not", async () => {
  const fleet = new ConditionalFleet();
  const { store, counters } = metered(fleet.store);
  const a = await fleet.run(store);
  await a.database.write({ drafts: [{ kind: "delete", id: "any" }], bytes: 9 });
  await a.database.catchUp();
  const costs: Record<string, string> = {};
  costs["the first of a run"] = await costOf(counters, () => a.add("x", 1));
  const { version } = (await a.see("x"))!;
  costs["held"] = await costOf(counters, () => a.update("x", version, 2));
  const y = elsewhere("x");
  costs["the first on a further partition"] = await costOf(counters, () => a.add(y, 1));
  const other = await fleet.run();
  const z = elsewhere("x", y);
  const first = await other.add(z, 1);
  await a.database.catchUp();
  costs["taking over"] = await costOf(counters, () => a.update(z, first, 2));
  // As docs/specs/conditional-operations.md says.
  expect(costs).toEqual({
    "the first of a run": "3 2 2 4",
    held: "1 1 0 2",
    "the first on a further partition": "2 1 1 2",
    "taking over": "3 5 5 2",
  });
});
