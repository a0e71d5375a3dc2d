import { encodeText } from "../../../src/base/bytes.ts";
import { encodeCheckpoint } from "../../../src/format/checkpoint.ts";
import { encodeDeletions } from "../../../src/format/deletions.ts";
import {
  CONFIG_KEY,
  checkpointKey,
  deletionKey,
  leaseKey,
  manifestKey,
  segmentKey,
  slotKey,
} from "../../../src/format/keys.ts";
import { encodeLease, type LeaseOwner } from "../../../src/format/lease.ts";
import {
  emptyManifest,
  encodeManifest,
  type LaneEntry,
  type Manifest,
  type SegmentEntry,
  type SegmentId,
} from "../../../src/format/manifest.ts";
import type { Draft } from "../../../src/format/operation.ts";
import { encodeSlot, type Slot } from "../../../src/format/slot.ts";
import { makeVersion, type LaneId, type Version } from "../../../src/format/version.ts";
import { BucketChecks } from "./bucket-checks.ts";
import type { BucketCheck, BucketRecord } from "./bucket-record.ts";

/** The database of everything made here. */
const DATABASE = "made";
/** Store time at which a made history begins. */
const BEGIN_MS = 1_700_000_000_000;

/** A ulid that ends in this letter or digit. */
export function ulid(end: string): string {
  return end.padStart(26, "0");
}

/** The lane of this letter. */
export function laneOf(end: string): LaneId {
  return ulid(end) as LaneId;
}

/** The version of a lane at this second. */
export function versionOf(lane: LaneId, second: number): Version {
  return makeVersion(BEGIN_MS + 1000 * second, 0, lane);
}

/** A history of objects made by hand, as good or as bad as a test wants it, and what checks say. */
export class MadeBucket {
  readonly #checks: BucketChecks;
  nowMs = BEGIN_MS;
  /** The first thing that a check has thrown. */
  finding: string | undefined;

  constructor(...checks: readonly BucketCheck[]) {
    this.#checks = new BucketChecks({
      checks,
      fail: (error) => (this.finding ??= (error as Error).message),
      nowMs: () => this.nowMs,
    });
    const config = { settings: { partitionCount: 1 } };
    this.#checks.stored(CONFIG_KEY, new Uint8Array(encodeText(JSON.stringify(config))));
  }

  get record(): BucketRecord {
    return this.#checks.record;
  }

  put(key: string, bytes: Uint8Array): void {
    this.#checks.stored(key, new Uint8Array(bytes));
  }

  delete(key: string): void {
    this.#checks.deleted(key);
  }

  /** By default an open record at 0, then one put of `id` at that many seconds. */
  slot(lane: LaneId, number: number, slot: Partial<Slot> & { readonly id?: string } = {}): void {
    const { id = "x", ...given } = slot;
    const version = given.version ?? versionOf(lane, number);
    const kind = given.kind ?? (number === 0 ? "open" : "operations");
    const draft: Draft = { kind: "put", id, content: "", metadata: "{}" };
    const operations = kind === "operations" ? [{ ...draft, version }] : [];
    const incarnation = ulid("W");
    const head = { databaseId: DATABASE, lane, number, incarnation, nonce: `${lane} ${number}` };
    this.put(slotKey(lane, number), encodeSlot({ ...head, kind, version, operations, ...given }));
  }

  /** Stores a segment of these bytes, which no check here opens; gives its entry. */
  segment(end: string, bytes = new Uint8Array(8)): SegmentEntry {
    const id = ulid(end) as SegmentId;
    const key = segmentKey(id, 1);
    this.put(key, bytes);
    const version = versionOf(laneOf("A"), 1);
    const counts = { bytes: bytes.byteLength, rows: 4, vectorRows: 0 };
    return { id, key, ...counts, minVersion: version, maxVersion: version };
  }

  /** `segment` with these rows masked by an object of its own. */
  masked(segment: SegmentEntry, end: string, ...rows: readonly number[]): SegmentEntry {
    const key = deletionKey(ulid(end), 1);
    const bytes = encodeDeletions(Uint32Array.from(rows));
    this.put(key, bytes);
    return { ...segment, deletions: { count: rows.length, key, bytes: bytes.byteLength } };
  }

  /** Stores a manifest and gives it. */
  manifest(number: number, fields: Partial<Manifest>): Manifest {
    const nonce = `manifest ${number}`;
    const manifest = {
      ...emptyManifest(DATABASE),
      number,
      nonce,
      epoch: 1,
      holder: ulid("H"),
      createdMs: this.nowMs,
      maxVersion: versionOf(laneOf("A"), 100),
      ...fields,
    };
    this.put(manifestKey(number), encodeManifest(manifest));
    return manifest;
  }

  lease(epoch: number, owner: Partial<LeaseOwner> | undefined): void {
    const lease = { databaseId: DATABASE, partition: 0, epoch, nonce: `nonce ${epoch}` };
    const held = owner && { holder: ulid("W"), instanceId: "w", lane: laneOf("A"), ...owner };
    this.put(leaseKey(0), encodeLease({ ...lease, owner: held }));
  }

  checkpoint(
    name: string,
    manifest: Manifest,
    more: {
      readonly expiresAtMs?: number;
      readonly tail?: readonly {
        readonly lane: LaneId;
        readonly from: number;
        readonly to: number;
      }[];
    } = {},
  ): void {
    const { formatVersion, databaseId } = manifest;
    const head = { formatVersion, databaseId, name, nonce: name, createdMs: this.nowMs };
    const checkpoint = { ...head, manifest, tail: [], ...more };
    this.put(checkpointKey(name), encodeCheckpoint(checkpoint));
  }
}

/** What a manifest says of a lane that it covers up to `cursor`, which is its head. */
export function entryOf(lane: LaneId, cursor: number, more: Partial<LaneEntry> = {}): LaneEntry {
  const openVersion = versionOf(lane, 0);
  const lastVersion = versionOf(lane, cursor);
  const head = { head: cursor, headSeenMs: BEGIN_MS, incarnation: ulid("W") };
  return { lane, openVersion, cursor, lastVersion, ...head, ...more };
}
