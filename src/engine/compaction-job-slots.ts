import { BrainyError, corrupt } from "../base/errors.ts";
import { slotKey } from "../format/keys.ts";
import type { LaneEntry } from "../format/manifest.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import { decodeSlotColumns, type SlotColumns } from "../format/slot.ts";
import { VERSION_ZERO, type LaneId, type Version } from "../format/version.ts";
import type { StoredObject } from "../storage/object-store.ts";
import type { FlushJob, JobContext } from "./compaction-job-context.ts";
import type { CoveredLane } from "./compaction.ts";
import { getDecoded } from "./get-decoded.ts";

/** Slots on their way at once. */
const GETS_AT_ONCE = 8;

/** Share of the memory bound that slots may take: rows made from them take about as much again. */
const SLOT_SHARE = 0.5;

/** Operations after which a job stops reading: each may bring an older row's columns with it. */
const OPERATIONS_MAX = 200_000;

/** The operations of one slot, and its key for errors. */
export interface SlotBatch {
  readonly columns: OperationColumns;
  readonly where: string;
}

interface Address {
  readonly lane: LaneId;
  readonly number: number;
}

/**
 * Reads the slots of a flush, whole and in order, until they are through or memory is full; at
 * least one is read. What is left is the next flush's.
 */
export async function readSlots(
  context: JobContext,
  job: FlushJob,
  onSlot: (batch: SlotBatch) => Promise<void>,
): Promise<{ readonly lanes: readonly CoveredLane[] }> {
  const bytesMax = job.limits.memoryBytesMax * SLOT_SHARE;
  const lanes = new Map<LaneId, CoveringLane>();
  const known = new Map(job.base.lanes.map((entry) => [entry.lane, entry]));
  const waiting = addresses(job);
  let bytes = 0;
  let operations = 0;
  let isFull = false;
  while (!isFull) {
    const batch = waiting.splice(0, GETS_AT_ONCE);
    if (batch.length === 0) break;
    const found = await Promise.all(batch.map((address) => getSlot(context, address)));
    for (const [i, { slot, bytesTotal }] of found.entries()) {
      const { lane, number } = batch[i]!;
      isFull = bytes > 0 && (bytes + bytesTotal > bytesMax || operations >= OPERATIONS_MAX);
      if (isFull) break;
      const where = slotKey(lane, number);
      bytes += bytesTotal;
      operations += slot.columns.count;
      let covering = lanes.get(lane);
      if (covering === undefined) {
        lanes.set(lane, (covering = new CoveringLane(lane, known.get(lane))));
      }
      // Nothing counts after a seal.
      if (!covering.advance(slot, number, where)) continue;
      await onSlot({ columns: slot.columns, where });
    }
  }
  return { lanes: [...lanes.values()].map((lane) => lane.covered()) };
}

function addresses({ lanes }: FlushJob): Address[] {
  const all: Address[] = [];
  for (const { lane, from, to } of lanes) {
    for (let number = from; number < to; number++) all.push({ lane, number });
  }
  return all;
}

async function getSlot(
  context: JobContext,
  address: Address,
): Promise<{ readonly slot: SlotColumns; readonly bytesTotal: number }> {
  const { store, signal } = context;
  const key = slotKey(address.lane, address.number);
  const decode = (object: StoredObject) => ({
    slot: decodeOwn(context, address, object),
    bytesTotal: object.bytesTotal,
  });
  const found = await getDecoded(store, key, decode, { signal });
  if (found !== undefined) return found;
  throw new BrainyError("BRAINY_CONFLICT", `${key} is gone: another flush has covered it`);
}

function decodeOwn(
  { job }: JobContext,
  { lane, number }: Address,
  { bytes }: StoredObject,
): SlotColumns {
  const where = slotKey(lane, number);
  const slot = decodeSlotColumns(bytes, where);
  if (slot.databaseId !== job.base.databaseId) {
    throw new BrainyError("BRAINY_FENCED", `${where} belongs to database ${slot.databaseId}`);
  }
  if (slot.lane !== lane || slot.number !== number) {
    throw corrupt(where, `holds slot ${slot.number} of lane ${slot.lane}`);
  }
  return slot;
}

/** How far one lane is covered while its slots are read. */
class CoveringLane {
  readonly #lane: LaneId;
  #incarnation: string;
  #openVersion: Version;
  #cursor: number;
  #lastVersion: Version;
  #seal: { readonly slot: number; readonly incarnation: string } | undefined;

  constructor(lane: LaneId, known: LaneEntry | undefined) {
    this.#lane = lane;
    this.#incarnation = known?.incarnation ?? "";
    this.#openVersion = known?.openVersion ?? VERSION_ZERO;
    this.#cursor = known?.cursor ?? -1;
    this.#lastVersion = known?.lastVersion ?? VERSION_ZERO;
  }

  /** `false` for slots after a seal. */
  advance(slot: SlotColumns, number: number, where: string): boolean {
    if (this.#seal !== undefined) return false;
    if (number !== this.#cursor + 1) {
      throw new BrainyError("BRAINY_CONFLICT", `${where} does not follow slot ${this.#cursor}`);
    }
    if ((number === 0) !== (slot.kind === "open")) {
      throw corrupt(where, `slot ${number} of a lane is of kind ${slot.kind}`);
    }
    const { columns } = slot;
    const first = columns.count > 0 ? columns.version(0) : slot.version;
    const isLater = slot.kind === "seal" ? first >= this.#lastVersion : first > this.#lastVersion;
    if (!isLater) throw corrupt(where, `version ${first} comes after ${this.#lastVersion}`);
    if (slot.kind === "open") {
      this.#incarnation = slot.incarnation;
      this.#openVersion = slot.version;
    }
    if (slot.kind === "seal") this.#seal = { slot: number, incarnation: slot.incarnation };
    this.#cursor = number;
    this.#lastVersion = slot.version;
    return true;
  }

  covered(): CoveredLane {
    const seal = this.#seal;
    return {
      lane: this.#lane,
      incarnation: this.#incarnation,
      openVersion: this.#openVersion,
      cursor: this.#cursor,
      lastVersion: this.#lastVersion,
      ...(seal === undefined
        ? {}
        : { sealSlot: seal.slot, sealedByWriter: seal.incarnation === this.#incarnation }),
    };
  }
}
