import type { LaneEntry, Manifest } from "../format/manifest.ts";
import { maxVersion, minVersion, type LaneId, type Version } from "../format/version.ts";
import type { CoveredLane, LaneRange } from "./compaction.ts";
import type { ListedSlot, LogListing } from "./log-listing.ts";

/*
 * Which lanes a manifest lists, how far each is covered, and the floor that follows.
 * Spec: docs/specs/merge.md, invariants J3 to J5, and docs/specs/manifest.md.
 *
 * Everything here rests on one order: `manifest` was read before `listing` was made. A lane that
 * the listing does not show was then opened later, so its writer has read `manifest` or a newer
 * one, and stamps above `manifest.maxVersion`.
 */

/** A lane whose head has stood still this long is sealed; a live writer just opens another. */
export const LANE_IDLE_MS = 15 * 60_000;

/** How long a seal lives that its lane's own writer did not make. */
export const SEAL_LIVES_MS = 24 * 3_600_000;

/** A manifest, and a listing of the log that was begun after it was read. */
export interface LedgerInput {
  readonly manifest: Manifest;
  readonly listing: LogListing;
}

/** The part of a manifest that follows from the log. */
export interface Ledger {
  readonly lanes: readonly LaneEntry[];
  readonly floor: Version;
}

/** The lanes and the floor of the manifest after `manifest`, which also covers `covered`. */
export function nextLedger(
  input: LedgerInput & { readonly covered: readonly CoveredLane[] },
): Ledger {
  const { manifest, listing, covered } = input;
  const entries = new Map<LaneId, LaneEntry>(manifest.lanes.map((entry) => [entry.lane, entry]));
  for (const lane of covered) entries.set(lane.lane, cover(entries.get(lane.lane), lane, listing));
  const lanes = [...entries.values()].map((entry) => withHead(entry, listing));
  const floor = nextFloor(input, lanes);
  return {
    floor,
    lanes: lanes
      .filter((entry) => !isRetirable(entry, floor, listing))
      .toSorted((a, b) => (a.lane < b.lane ? -1 : 1)),
  };
}

function cover(
  before: LaneEntry | undefined,
  covered: CoveredLane,
  listing: LogListing,
): LaneEntry {
  const { lane, incarnation, openVersion, cursor, lastVersion, sealSlot } = covered;
  const seen = sealSlot !== undefined && covered.sealedByWriter !== true ? listing.storeMs : 0;
  const seal = sealSlot === undefined ? before?.seal : { slot: sealSlot, seenMs: seen };
  if (before !== undefined && before.cursor >= cursor) return { ...before, seal };
  const known = before ?? { head: -1, headSeenMs: listing.storeMs };
  return { ...known, lane, incarnation, openVersion, cursor, lastVersion, seal };
}

function withHead(entry: LaneEntry, listing: LogListing): LaneEntry {
  const listed = unbrokenRun(listing.lanes.get(entry.lane) ?? [], entry.cursor + 1).at(-1);
  const head = Math.max(entry.head, entry.cursor, listed?.number ?? -1);
  if (head === entry.head) return entry;
  return { ...entry, head, headSeenMs: listed?.modifiedMs ?? listing.storeMs };
}

/** Sealed, and every slot up to the seal is in segments: nothing can come from it any more. */
export function isFinished(entry: LaneEntry): boolean {
  return entry.seal !== undefined && entry.cursor >= entry.seal.slot;
}

/**
 * The least of the previous manifest's greatest version and what each lane that may still bring
 * something has brought so far. A listed lane of which nothing is covered holds it where it is.
 */
function nextFloor({ manifest, listing }: LedgerInput, lanes: readonly LaneEntry[]): Version {
  const known = new Set<LaneId>(lanes.map((entry) => entry.lane));
  for (const [lane, slots] of listing.lanes) {
    if (!known.has(lane) && !isJunk(slots)) return manifest.floor;
  }
  let floor = manifest.maxVersion;
  for (const entry of lanes) {
    if (!isFinished(entry)) floor = minVersion(floor, entry.lastVersion);
  }
  return maxVersion(floor, manifest.floor);
}

/**
 * A lane stays listed until the floor has passed it and its slots are collected: if it were
 * dropped earlier, the rest of its slots would look like a new lane. A seal that somebody else
 * made stays behind alone and is junk by its number.
 */
function isRetirable(entry: LaneEntry, floor: Version, listing: LogListing): boolean {
  const { seal } = entry;
  if (seal === undefined || !isFinished(entry) || floor < entry.lastVersion) return false;
  const left = listing.lanes.get(entry.lane) ?? [];
  return left.every(({ number }) => number === seal.slot && seal.seenMs !== 0);
}

/** Slots of a lane that the newest manifest does not know: a real lane begins with slot 0. */
export function isJunk(slots: readonly ListedSlot[]): boolean {
  return slots[0]?.number !== 0;
}

/** Slots that no segment covers: of each lane the unbroken run after its cursor. */
export interface LaneTail extends LaneRange {
  /** Sizes of the slots `from`, `from + 1`, … */
  readonly slotBytes: readonly number[];
  /** Store time of the writing of slot `from`. */
  readonly sinceMs: number;
}

/** What there is to flush, in lane order. */
export function uncoveredTails({ manifest, listing }: LedgerInput): LaneTail[] {
  const known = new Map<LaneId, LaneEntry>(manifest.lanes.map((entry) => [entry.lane, entry]));
  const tails: LaneTail[] = [];
  for (const [lane, slots] of listing.lanes) {
    const entry = known.get(lane);
    if (entry === undefined ? isJunk(slots) : isFinished(entry)) continue;
    const from = (entry?.cursor ?? -1) + 1;
    const run = unbrokenRun(slots, from);
    const [first] = run;
    if (first === undefined) continue;
    const slotBytes = run.map(({ bytes }) => bytes);
    tails.push({ lane, from, to: from + run.length, slotBytes, sinceMs: first.modifiedMs });
  }
  return tails.toSorted((a, b) => (a.lane < b.lane ? -1 : 1));
}

/**
 * Slots `from`, `from + 1`, … as far as they are there. What follows a gap was left behind by a
 * lane that ended long ago, whose open record was sent twice and arrived again.
 */
function unbrokenRun(slots: readonly ListedSlot[], from: number): ListedSlot[] {
  const run: ListedSlot[] = [];
  for (const slot of slots) {
    if (slot.number < from) continue;
    if (slot.number !== from + run.length) break;
    run.push(slot);
  }
  return run;
}

/** A lane to be sealed at `slot`, the one after its head. */
export interface SealRequest {
  readonly lane: LaneId;
  readonly slot: number;
}

/** Lanes that hold the floor back and whose head has not moved for `LANE_IDLE_MS`. */
export function sealRequests({ manifest, listing }: LedgerInput): SealRequest[] {
  const requests: SealRequest[] = [];
  const known = new Set<LaneId>();
  for (const before of manifest.lanes) {
    known.add(before.lane);
    const { seal, head, headSeenMs, lane } = withHead(before, listing);
    if (seal !== undefined || listing.storeMs - headSeenMs < LANE_IDLE_MS) continue;
    requests.push({ lane, slot: head + 1 });
  }
  for (const [lane, slots] of listing.lanes) {
    const head = unbrokenRun(slots, 0).at(-1);
    if (known.has(lane) || head === undefined) continue;
    if (listing.storeMs - head.modifiedMs < LANE_IDLE_MS) continue;
    requests.push({ lane, slot: head.number + 1 });
  }
  return requests;
}
