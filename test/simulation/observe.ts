import { encodeText } from "../../src/base/bytes.ts";
import { checksumHex } from "../../src/base/checksum.ts";
import { seededRandom } from "../../src/base/random.ts";
import { findRecord, readRecords, scanRecords } from "../../src/engine/records.ts";
import { searchSnapshot } from "../../src/engine/search.ts";
import type { View } from "../../src/engine/view.ts";
import { lookThroughFilters } from "./checks/filtered-look.ts";
import { describe, type Seen } from "./history.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** The ids that all processes write blindly. */
export const BLIND_IDS: readonly string[] = Array.from({ length: 12 }, (_, i) => `r${i}`);
/** The ids that are written under conditions only, so that each decision rests on the one before. */
export const CONDITIONAL_IDS: readonly string[] = ["c0", "c1", "c2"];
/** All that there are. */
export const IDS: readonly string[] = [...BLIND_IDS, ...CONDITIONAL_IDS];

/** Every record, found by its id, by a scan and by searches, with and without filters: all agree. */
export async function everything(
  view: View,
  process: Pick<VirtualProcess, "clock">,
): Promise<Map<string, Seen>> {
  const { clock } = process;
  const scanned = new Map<string, string>();
  const snapshot = { ...view.fullSnapshot(), ...(await view.snapshot()) };
  const references = IDS.map((id) => findRecord(view, id, clock.nowMs()));
  for await (const record of scanRecords(snapshot, { clock, content: true })) {
    if (scanned.has(record.id)) throw new Error(`${record.id} is there twice`);
    scanned.set(record.id, describe(seenOf(record)));
  }
  const found = references.filter((reference) => reference !== undefined);
  const seen = new Map<string, Seen>();
  const siblings = new Map(
    found.map(({ record: { id } }) => [id, view.siblingsOf(id).map(({ version }) => version)]),
  );
  for (const record of await readRecords(found, { content: true, vector: true })) {
    const one = seenOf(record);
    seen.set(record.id, { ...one, siblings: siblings.get(record.id) });
    if (scanned.get(record.id) !== describe(one)) {
      throw new Error(`${record.id}: ${describe(one)}, by a scan ${scanned.get(record.id)}`);
    }
  }
  if (scanned.size !== seen.size) throw new Error(`a scan finds ${[...scanned.keys()].join(" ")}`);
  const query = Float32Array.from([3, 1, 4, 1]);
  const hits = await searchSnapshot({ snapshot, metric: "euclidean", query, k: 20, clock });
  const nearest = [...seen]
    .flatMap(([id, { vector }]) => (vector === undefined ? [] : [{ id, vector }]))
    .map(({ id, vector }) => ({
      id,
      distance: vector.reduce((sum, x, i) => sum + (x - query[i]!) ** 2, 0),
    }))
    .toSorted((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
  const ids = hits.map(({ id }) => id);
  if (ids.join(" ") !== nearest.join(" ")) {
    throw new Error(`a search finds ${ids.join(" ")}, the nearest are ${nearest.join(" ")}`);
  }
  // Drawn from what is there, so that a look changes nothing of what comes after it.
  const random = seededRandom(
    Number.parseInt(checksumHex(encodeText(textOf(seen))).slice(0, 8), 16),
  );
  await lookThroughFilters({ snapshot, seen, clock, random });
  return seen;
}

function seenOf(record: {
  readonly version: string;
  readonly vector: Float32Array | undefined;
  readonly content: string;
  readonly metadata: string;
}): Seen {
  const { version, vector, content, metadata } = record;
  return { version, vector: vector && [...vector], content, metadata };
}

/** The same text for the same state. */
export function textOf(seen: ReadonlyMap<string, Seen>): string {
  const ids = [...seen.keys()].toSorted();
  return ids.map((id) => `${id} ${describe(seen.get(id)!)}`).join("\n");
}
