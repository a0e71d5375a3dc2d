import type { LaneEntry, Manifest, SegmentEntry } from "../../../src/format/manifest.ts";
import { VERSION_ZERO } from "../../../src/format/version.ts";
import type { BucketCheck, BucketRecord, StoredObject } from "./bucket-record.ts";

/** Each manifest was made from the one before it, and takes nothing back. */
export class ManifestChain implements BucketCheck {
  /** Segments that were listed and are not any more. */
  readonly #gone = new Set<string>();

  stored(object: StoredObject, record: BucketRecord): void {
    if (object.kind !== "manifest") return;
    const { manifest: next, isAgain } = object;
    const before = record.newest?.manifest;
    const claim = claimOf(`manifest ${next.number}`);
    if (isAgain) {
      claim(next.number < (before?.number ?? 0), "the newest manifest was collected");
      return;
    }
    claim(next.number === (before?.number ?? 0) + 1, `follows ${before?.number ?? "nothing"}`);
    checkNumbers(before, next, claim);
    checkLanes(before, next, { record, claim });
    this.#checkSegments(before, next, { record, claim });
  }

  #checkSegments(before: Manifest | undefined, next: Manifest, { record, claim }: Context): void {
    const known = new Map(before?.segments.map((segment) => [segment.id, segment]));
    for (const segment of next.segments) {
      const { id, key } = segment;
      const old = known.get(id);
      known.delete(id);
      const object = record.objects.get(key);
      claim(object?.kind === "segment", `names ${key}, which is not there`);
      claim(object?.bytes.byteLength === segment.bytes, `says ${key} has another size`);
      claim(segment.maxVersion <= next.maxVersion, `${key} is above its maxVersion`);
      claim(!this.#gone.has(id), `names ${key} again`);
      if (old !== undefined) checkSegment(old, segment, { record, claim });
      const { deletions } = segment;
      const isThere = deletions === undefined || "inline" in deletions;
      claim(isThere || record.objects.has(deletions.key), `names masks that are not there`);
    }
    for (const id of known.keys()) this.#gone.add(id);
  }
}

/** Throws unless something holds. */
export type Claim = (holds: boolean, what: string) => void;

interface Context {
  readonly record: BucketRecord;
  readonly claim: Claim;
}

/** Throws what is wrong, after the name of what it is wrong with. */
export function claimOf(name: string): Claim {
  return (holds, what) => {
    if (!holds) throw new Error(`${name}: ${what}`);
  };
}

function checkNumbers(before: Manifest | undefined, next: Manifest, claim: Claim): void {
  const { epoch = 0, holder = "", createdMs = 0 } = before ?? {};
  claim(before === undefined || before.databaseId === next.databaseId, "is of another database");
  claim(next.createdMs >= createdMs, `was made at ${next.createdMs}, before ${createdMs}`);
  claim(next.epoch === epoch || next.epoch === epoch + 1, `epoch ${next.epoch} follows ${epoch}`);
  if (next.epoch === epoch) {
    claim(next.holder === holder, `${next.holder} commits in the epoch of ${holder}`);
  } else if (before !== undefined) {
    claim(sameBut(before, next), "a takeover that changes more than epoch and holder");
  }
  const [floor, greatest] = [before?.floor ?? VERSION_ZERO, before?.maxVersion ?? VERSION_ZERO];
  claim(next.floor >= floor, `the floor falls from ${floor} to ${next.floor}`);
  claim(next.maxVersion >= greatest, `maxVersion falls from ${greatest} to ${next.maxVersion}`);
  const isReached = next.floor === floor || next.floor <= greatest;
  claim(isReached, `the floor ${next.floor} is above what its base covers, ${greatest}`);
  const dimensions = before?.dimensions;
  claim(dimensions === undefined || next.dimensions === dimensions, "other dimensions");
}

function sameBut(before: Manifest, next: Manifest): boolean {
  const rest = ({ segments, lanes, floor, maxVersion, dimensions }: Manifest): string =>
    JSON.stringify([segments, lanes, floor, maxVersion, dimensions]);
  return rest(before) === rest(next);
}

function checkLanes(before: Manifest | undefined, next: Manifest, context: Context): void {
  const { record, claim } = context;
  const lanes = new Map(next.lanes.map((entry) => [entry.lane, entry]));
  const known = new Map(before?.lanes.map((entry) => [entry.lane, entry]));
  for (const old of known.values()) {
    const entry = lanes.get(old.lane);
    if (entry === undefined) checkRetired(old, next, context);
    else checkLane(old, entry, claim);
  }
  for (const entry of lanes.values()) {
    const { lane, cursor, lastVersion, seal, incarnation, openVersion } = entry;
    if (known.get(lane)?.cursor === cursor && known.get(lane)?.seal?.slot === seal?.slot) continue;
    claim(
      record.slot(lane, cursor)?.version === lastVersion,
      `lane ${lane}: slot ${cursor} does not end with ${lastVersion}`,
    );
    const open = record.slot(lane, 0);
    const isOpen = open?.incarnation === incarnation && open.version === openVersion;
    claim(isOpen, `lane ${lane} was opened by another`);
    claim(lastVersion <= next.maxVersion, `lane ${lane} is covered above maxVersion`);
    const sealed = seal === undefined ? undefined : record.slot(lane, seal.slot);
    claim(seal === undefined || sealed?.kind === "seal", `lane ${lane} has no seal there`);
    claim(cursor <= (seal?.slot ?? cursor), `lane ${lane} is covered beyond its seal`);
  }
}

function checkLane(old: LaneEntry, entry: LaneEntry, claim: Claim): void {
  const name = `lane ${entry.lane}`;
  claim(entry.cursor >= old.cursor, `${name}: the cursor falls to ${entry.cursor}`);
  claim(entry.head >= old.head, `${name}: the head falls to ${entry.head}`);
  claim(entry.lastVersion >= old.lastVersion, `${name}: lastVersion falls`);
  const isSame = old.openVersion === entry.openVersion && old.incarnation === entry.incarnation;
  claim(isSame, `${name}: another open record`);
  claim(old.seal === undefined || old.seal.slot === entry.seal?.slot, `${name}: another seal`);
}

/** A lane leaves when nothing can come from it and nothing of it is left to be mistaken for new. */
function checkRetired(old: LaneEntry, next: Manifest, { record, claim }: Context): void {
  const name = `lane ${old.lane}`;
  const seal = record.lanes.get(old.lane)?.sealedAt;
  // The manifest that covers the seal itself may be the one that the lane has left.
  if (seal === undefined || old.cursor < seal - 1) {
    return claim(false, `${name} leaves before it was sealed and covered`);
  }
  claim(next.floor >= record.slot(old.lane, seal)!.version, `${name} leaves above the floor`);
  for (const object of record.objects.values()) {
    if (object.kind !== "slot" || object.isAgain || object.slot.lane !== old.lane) continue;
    claim(object.slot.number >= seal, `${name} leaves with ${object.key} behind it`);
  }
}

function checkSegment(old: SegmentEntry, segment: SegmentEntry, { record, claim }: Context): void {
  const { key } = segment;
  const facts = ({ key: k, bytes, rows, vectorRows, minVersion, maxVersion }: SegmentEntry) =>
    [k, bytes, rows, vectorRows, minVersion, maxVersion].join(" ");
  claim(facts(old) === facts(segment), `${key} is described in another way`);
  const masked = new Set(record.masked(segment));
  const lost = [...record.masked(old)].filter((row) => !masked.has(row));
  claim(lost.length === 0, `${key}: rows ${lost.join(", ")} are masked no more`);
  const since = old.remainsSinceMs;
  claim(since === undefined || since === segment.remainsSinceMs, `${key}: remains of another time`);
}
