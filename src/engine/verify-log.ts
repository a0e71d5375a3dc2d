import { slotKey } from "../format/keys.ts";
import type { LaneEntry, Manifest } from "../format/manifest.ts";
import { checkRecordTexts } from "../format/record-texts.ts";
import { decodeSlot, type Slot } from "../format/slot.ts";
import type { LaneId, Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { isFinished, isJunk } from "./lane-ledger.ts";
import type { ListedSlot, LogListing } from "./log-listing.ts";
import type { ProblemList } from "./verify-report.ts";

/** Every slot, each lane by itself. `manifest` was read after `listing`. */
export async function verifyLog(options: {
  readonly store: ObjectStore;
  readonly found: ProblemList;
  readonly manifest: Manifest;
  readonly listing: LogListing;
  readonly signal?: AbortSignal | undefined;
  readonly step: () => void;
}): Promise<void> {
  const { manifest, listing, signal, step } = options;
  const known = new Map<LaneId, LaneEntry>(manifest.lanes.map((entry) => [entry.lane, entry]));
  for (const [lane, slots] of listing.lanes) {
    const walk = new LaneWalk(options, lane, known.get(lane));
    for (const slot of slots) {
      signal?.throwIfAborted();
      await walk.visit(slot);
      step();
    }
    walk.checkGaps(slots);
  }
  for (const entry of manifest.lanes) {
    if (listing.lanes.has(entry.lane) || entry.head <= entry.cursor || isFinished(entry)) continue;
    // A lane may be newer than the listing, so only a look tells.
    const key = slotKey(entry.lane, entry.cursor + 1);
    if ((await options.store.head(key)) !== undefined) continue;
    options.found.error(key, `slots ${entry.cursor + 1} to ${entry.head} are missing`);
  }
}

/** One lane from its lowest slot up. */
class LaneWalk {
  readonly #store: ObjectStore;
  readonly #found: ProblemList;
  readonly #manifest: Manifest;
  readonly #lane: LaneId;
  readonly #entry: LaneEntry | undefined;
  #previous: { readonly number: number; readonly slot: Slot } | undefined;

  constructor(
    options: {
      readonly store: ObjectStore;
      readonly found: ProblemList;
      readonly manifest: Manifest;
    },
    lane: LaneId,
    entry: LaneEntry | undefined,
  ) {
    this.#store = options.store;
    this.#found = options.found;
    this.#manifest = options.manifest;
    this.#lane = lane;
    this.#entry = entry;
  }

  async visit({ number }: ListedSlot): Promise<void> {
    const key = slotKey(this.#lane, number);
    const slot = await this.#found.attempt(key, async () => {
      const object = await this.#store.get(key);
      if (object === undefined) return undefined;
      const slot = decodeSlot(object.bytes, key);
      for (const operation of slot.operations) checkRecordTexts(operation, key);
      return slot;
    });
    // Collected since it was listed, or damaged, which is noted already.
    if (slot === undefined) return;
    this.#checkIdentity(key, slot, number);
    this.#checkOrder(key, slot);
    this.#previous = { number, slot };
  }

  #checkIdentity(key: string, slot: Slot, number: number): void {
    if (slot.lane !== this.#lane || slot.number !== number) {
      this.#found.error(key, `holds slot ${slot.number} of lane ${slot.lane}`);
    }
    if (slot.databaseId !== this.#manifest.databaseId) {
      this.#found.error(key, `belongs to database ${slot.databaseId}`);
    }
    if ((number === 0) !== (slot.kind === "open")) {
      this.#found.error(key, `slot ${number} is of kind ${slot.kind}`);
    }
  }

  #checkOrder(key: string, slot: Slot): void {
    const first: Version = slot.operations[0]?.version ?? slot.version;
    const previous = this.#previous?.slot;
    if (previous?.kind === "seal") {
      // At or below the floor it is what a lane left that had ended before, and nothing reads it.
      const isLeft = slot.version <= this.#manifest.floor;
      const problem = `comes after the seal in slot ${previous.number}`;
      this.#found.add(isLeft ? "warning" : "error", key, problem);
    }
    const isLater =
      previous === undefined ||
      (slot.kind === "seal" ? first >= previous.version : first > previous.version);
    if (!isLater)
      this.#found.error(key, `version ${first} does not come after ${previous.version}`);
  }

  /** Above what segments cover, every number up to the highest must be there. */
  checkGaps(slots: readonly ListedSlot[]): void {
    const entry = this.#entry;
    const lowest = slotKey(this.#lane, slots[0]?.number ?? 0);
    if (entry === undefined && isJunk(slots)) {
      this.#found.add("info", lowest, "the rest of a retired lane: collected a day after its seal");
      return;
    }
    // It ended, and was covered to its end. What stands behind that is of a life that it had before:
    // its open record was sent twice and came again, and a checkpoint pins the seal of old.
    if (entry !== undefined && isFinished(entry)) return;
    let next = (entry?.cursor ?? -1) + 1;
    for (const { number } of slots) {
      if (number < next) continue;
      if (number > next) {
        const key = slotKey(this.#lane, next);
        this.#found.error(key, `missing: slot ${number} exists, ${next} is covered by no segment`);
      }
      next = number + 1;
    }
  }
}
