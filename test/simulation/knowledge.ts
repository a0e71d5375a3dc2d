import type { Slot } from "../../src/format/slot.ts";

interface Place {
  readonly lane: string;
  readonly number: number;
}

/** Where operations stand in their lanes. A reader has a lane up to some slot, and all before it. */
export class LaneOrder {
  readonly #places = new Map<string, Place>();
  readonly #lanes = new Map<string, (readonly string[])[]>();

  /** To be called with every slot, the first time that it takes effect. */
  stored({ lane, number, operations }: Slot): void {
    const slots = this.#lanes.get(lane) ?? [];
    this.#lanes.set(lane, slots);
    // Where a seal has been, or an operation that came twice: no part of the lane.
    if (slots[number] !== undefined) return;
    slots[number] = operations.map(({ version }) => version);
    for (const { version } of operations) this.#places.set(version, { lane, number });
  }

  placeOf(version: string): Place | undefined {
    return this.#places.get(version);
  }

  /** Versions of slots `[from, to]`. */
  between(lane: string, from: number, to: number): readonly string[] {
    return (this.#lanes.get(lane) ?? []).slice(from, to + 1).flat();
  }
}

/**
 * Operations that somebody may not miss any more, and since when. With one of them come all of its
 * slot, and all that its lane has brought before: of a batch all or nothing is seen, and no later
 * operation of a writer without an earlier one.
 */
export class Knowledge {
  readonly #order: LaneOrder;
  readonly #sinceMs = new Map<string, number>();
  readonly #reached = new Map<string, number>();

  constructor(order: LaneOrder) {
    this.#order = order;
  }

  add(version: string, nowMs: number): void {
    const place = this.#order.placeOf(version);
    if (place === undefined) return this.#keep(version, nowMs);
    const reached = this.#reached.get(place.lane) ?? -1;
    if (place.number <= reached) return;
    this.#reached.set(place.lane, place.number);
    for (const each of this.#order.between(place.lane, reached + 1, place.number)) {
      this.#keep(each, nowMs);
    }
  }

  has(version: string): boolean {
    return this.#sinceMs.has(version);
  }

  /** All of them, or those that were known at a time. */
  versions(atMs = Number.POSITIVE_INFINITY): Set<string> {
    const known = new Set<string>();
    for (const [version, sinceMs] of this.#sinceMs) if (sinceMs <= atMs) known.add(version);
    return known;
  }

  #keep(version: string, nowMs: number): void {
    if (!this.#sinceMs.has(version)) this.#sinceMs.set(version, nowMs);
  }
}
