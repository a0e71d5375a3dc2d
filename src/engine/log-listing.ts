import type { ObjectStore } from "../storage/object-store.ts";
import { WAL_PREFIX, lanePrefix, parseSlotKey } from "../format/keys.ts";
import type { LaneId } from "../format/version.ts";

/** One slot as a LIST shows it. */
export interface ListedSlot {
  readonly number: number;
  readonly bytes: number;
  /** Store time of its writing. */
  readonly modifiedMs: number;
}

/** All slots of all lanes at one moment. */
export interface LogListing {
  /** Ascending by number; no lane is empty. */
  readonly lanes: ReadonlyMap<LaneId, readonly ListedSlot[]>;
  /** Store time of the last page. */
  readonly storeMs: number;
  /** Slots of all lanes together. */
  readonly objectCount: number;
}

/** One LIST of the log, all its pages, sorted here because no order is promised. */
export function listLog(store: ObjectStore, signal?: AbortSignal): Promise<LogListing> {
  return list(store, WAL_PREFIX, signal);
}

/** One LIST of one lane; no slots where there is none. */
export async function listLane(
  store: ObjectStore,
  lane: LaneId,
): Promise<{ readonly slots: readonly ListedSlot[]; readonly storeMs: number }> {
  const { lanes, storeMs } = await list(store, lanePrefix(lane), undefined);
  return { slots: lanes.get(lane) ?? [], storeMs };
}

async function list(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<LogListing> {
  const lanes = new Map<LaneId, ListedSlot[]>();
  let storeMs = 0;
  let objectCount = 0;
  for await (const page of store.list({ prefix, signal })) {
    // Whole, since both end up in manifests; a store may give fractions.
    storeMs = Math.floor(page.storeMs);
    for (const { key, bytesTotal, modifiedMs } of page.objects) {
      const parsed = parseSlotKey(key);
      if (parsed === undefined) continue;
      const { lane, number } = parsed;
      let slots = lanes.get(lane);
      if (slots === undefined) lanes.set(lane, (slots = []));
      slots.push({ number, bytes: bytesTotal, modifiedMs: Math.floor(modifiedMs) });
      objectCount++;
    }
  }
  for (const slots of lanes.values()) slots.sort((a, b) => a.number - b.number);
  return { lanes, storeMs, objectCount };
}
