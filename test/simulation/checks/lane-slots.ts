import { parseSlotKey } from "../../../src/format/keys.ts";
import type { Slot } from "../../../src/format/slot.ts";
import { covers, type BucketCheck, type BucketRecord, type StoredObject } from "./bucket-record.ts";
import { claimOf, type Claim } from "./manifest-chain.ts";

/** A lane is written by one run, slot after slot, upwards, up to its seal, and above the floor. */
export class LaneSlots implements BucketCheck {
  stored(object: StoredObject, record: BucketRecord): void {
    if (object.kind !== "slot") return;
    const { slot, key } = object;
    const claim = claimOf(key);
    const place = parseSlotKey(key)!;
    claim(slot.lane === place.lane && slot.number === place.number, "names another place");
    const lane = record.lanes.get(slot.lane);
    // Of a life that it had before; what is in the log is decided by the floor.
    if (lane?.livesAgain === true) return;
    if (object.isAgain) return checkAgain(slot, record, claim);
    claim((slot.number === 0) === (slot.kind === "open"), `is of kind ${slot.kind}`);
    claim((lane?.slots.length ?? 0) === slot.number, `follows slot ${lane?.slots.length ?? 0}`);
    claim(lane?.sealedAt === undefined, `comes after the seal ${lane?.sealedAt}`);
    checkVersions(slot, record, claim);
    if (lane === undefined || slot.kind === "seal") return;
    claim(lane.incarnation === slot.incarnation, "is of another run than its lane");
  }
}

function checkVersions(slot: Slot, record: BucketRecord, claim: Claim): void {
  const before = record.slot(slot.lane, slot.number - 1);
  if (slot.kind === "seal") claim(slot.version >= before!.version, "a seal below its lane");
  const floor = record.newest?.manifest.floor ?? "";
  let last = before?.version ?? "";
  for (const { version } of slot.operations) {
    claim(version > last, `${version} comes after ${last}`);
    claim(version > floor, `${version} comes though the floor is at ${floor}`);
    last = version;
  }
}

/**
 * A name is taken again only by the same slot, or where that counts for nobody: by what a stalled
 * writer puts where a seal was, and by the seal of somebody who found the name free long ago.
 */
function checkAgain(slot: Slot, record: BucketRecord, claim: Claim): void {
  const first = record.slot(slot.lane, slot.number);
  const isSame = first?.nonce === slot.nonce && first.version === slot.version;
  claim(isSame || first?.kind === "seal" || slot.kind === "seal", "was written twice");
  const needing = record
    .existingManifests()
    .filter(({ manifest }) => manifest.lanes.some(({ lane }) => lane === slot.lane))
    .find((link) => slot.kind !== "seal" && !covers(link, slot.lane, slot.number));
  claim(needing === undefined, `was written again, manifest ${needing?.manifest.number} needs it`);
}
