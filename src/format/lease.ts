import { ULID_PATTERN } from "../base/ids.ts";
import { FORMAT_VERSION } from "./format-version.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";
import type { LaneId } from "./version.ts";

/**
 * Who decides conditional operations of one partition, and in which lane.
 * Key: `_brainy/leases/<partition>.json`. Changed by compare-and-swap, never deleted.
 */
export interface Lease {
  readonly databaseId: string;
  readonly partition: number;
  /** Raised by every change. */
  readonly epoch: number;
  /** `undefined`: given back by its last owner, with nothing of this partition under way. */
  readonly owner: LeaseOwner | undefined;
  /** Random, so that no two leases have the same bytes. */
  readonly nonce: string;
}

/** The run that a lease names. */
export interface LeaseOwner {
  /** Incarnation of the run: a ulid. */
  readonly holder: string;
  readonly instanceId: string;
  /** Where the instance is reached. */
  readonly endpoint?: string | undefined;
  /** The only lane in which conditional operations of the partition are decided. */
  readonly lane: LaneId;
}

/** Pretty-printed JSON with a checksum, like a manifest. */
export function encodeLease({ databaseId, partition, epoch, owner, nonce }: Lease): Uint8Array {
  return encodeSealedJson({
    formatVersion: FORMAT_VERSION,
    databaseId,
    partition,
    epoch,
    holder: owner?.holder,
    instanceId: owner?.instanceId,
    endpoint: owner?.endpoint,
    lane: owner?.lane,
    nonce,
  });
}

/** Checks every field. */
export function decodeLease(bytes: Uint8Array, where: string): Lease {
  const fields = decodeSealedJson(bytes, where);
  fields.integer("formatVersion", 1);
  const isHeld = fields.has("holder");
  return {
    databaseId: fields.nonEmpty("databaseId"),
    partition: fields.integer("partition"),
    epoch: fields.integer("epoch", 1),
    owner: isHeld
      ? {
          holder: fields.matching("holder", ULID_PATTERN, "a ulid"),
          instanceId: fields.nonEmpty("instanceId"),
          ...(fields.has("endpoint") ? { endpoint: fields.nonEmpty("endpoint") } : {}),
          lane: fields.lane("lane"),
        }
      : undefined,
    nonce: fields.nonEmpty("nonce"),
  };
}
