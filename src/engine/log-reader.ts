import type { Clock } from "../base/clock.ts";
import { BrainyError, corrupt } from "../base/errors.ts";
import { slotKey } from "../format/keys.ts";
import { decodeSlot, decodeSlotColumns, type SlotColumns } from "../format/slot.ts";
import type { LaneId, Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { getDecoded } from "./get-decoded.ts";

/** Slots read at once: enough to hide a store's latency, few enough to bound memory to 64 MiB. */
const READS_AT_ONCE = 16;

/**
 * Slots `[from, to)` of one lane, in order, read ahead of the consumer.
 *
 * Ends early, by returning `false`, when one has vanished: it was collected, so there is a newer
 * manifest that covers it.
 */
export async function* readSlots(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly databaseId: string;
  readonly lane: LaneId;
  readonly from: number;
  readonly to: number;
}): AsyncGenerator<SlotColumns, boolean> {
  const { store, clock, databaseId, lane, from, to } = options;
  for (let start = from; start < to; start += READS_AT_ONCE) {
    const end = Math.min(to, start + READS_AT_ONCE);
    const numbers = Array.from({ length: end - start }, (_, i) => start + i);
    const found = await Promise.all(
      numbers.map((number) => {
        const key = slotKey(lane, number);
        return getDecoded(store, key, ({ bytes }) => decodeSlotColumns(bytes, key));
      }),
    );
    for (const [i, slot] of found.entries()) {
      if (slot === undefined) return false;
      const key = slotKey(lane, start + i);
      if (slot.databaseId !== databaseId) {
        throw new BrainyError("BRAINY_FENCED", `${key} belongs to database ${slot.databaseId}`);
      }
      if (slot.lane !== lane || slot.number !== start + i) {
        throw corrupt(key, `holds slot ${slot.number} of lane ${slot.lane}`);
      }
      yield slot;
      await clock.breathe();
    }
  }
  return true;
}

/**
 * Whether a slot that follows a gap is of a lane that has ended long ago: its open record was
 * sent twice, and the second arrived after the lane was collected up to its seal. Nothing at or
 * below the floor can appear any more. Above it, what is missing has to be waited for.
 */
export async function isLeftBehind(options: {
  readonly store: ObjectStore;
  readonly lane: LaneId;
  readonly number: number;
  readonly floor: Version;
}): Promise<boolean> {
  const { store, lane, number, floor } = options;
  const key = slotKey(lane, number);
  const slot = await getDecoded(store, key, ({ bytes }) => decodeSlot(bytes, key));
  return slot !== undefined && slot.version <= floor;
}
