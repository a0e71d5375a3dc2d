import { decodeCheckpoint, type Checkpoint } from "../../../src/format/checkpoint.ts";
import { decodeDeletions, decodeDeletionsInline } from "../../../src/format/deletions.ts";
import {
  CONFIG_KEY,
  manifestKey,
  parseCheckpointKey,
  parseLeaseKey,
  parseManifestKey,
  parseSegmentKey,
  parseSlotKey,
  slotKey,
} from "../../../src/format/keys.ts";
import { decodeLease, type Lease } from "../../../src/format/lease.ts";
import { decodeManifest, type Manifest, type SegmentEntry } from "../../../src/format/manifest.ts";
import { decodeSlot, type Slot } from "../../../src/format/slot.ts";
import type { LaneId } from "../../../src/format/version.ts";

/** What one object says. */
export type Content =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "slot"; readonly slot: Slot }
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "segment" }
  | { readonly kind: "deletions" }
  | { readonly kind: "other" };

/** An object at the moment at which it took effect. */
export type StoredObject = Content & {
  readonly key: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By the store's clock. */
  readonly atMs: number;
  /** There has been something under this key before: what the network brings late or twice. */
  readonly isAgain: boolean;
};

/** One kind of object. */
export type StoredOf<Kind extends Content["kind"]> = Extract<StoredObject, { kind: Kind }>;

/** Something that must never be true of a bucket. Each call throws when it is. */
export interface BucketCheck {
  /** Before `object` is part of `record`. */
  stored?(object: StoredObject, record: BucketRecord): void | Promise<void>;
  /** While `object` still is part of `record`, though the bucket has it no more. */
  deleted?(object: StoredObject, record: BucketRecord, atMs: number): void;
}

/**
 * One lane by what was put into it. When it is gone and its open record comes once more, it lives
 * again, for whoever lists the log; what it brings then is junk for its age.
 */
export interface LaneRecord {
  /** Ulid of the run that opened it. */
  readonly incarnation: string;
  /** Slots of this life, from its open record on without a gap. */
  readonly slots: Slot[];
  sealedAt: number | undefined;
  readonly livesAgain: boolean;
}

/** A manifest, and the lanes that had left the chain before it, with the last slot of each. */
export interface ChainLink {
  readonly manifest: Manifest;
  readonly atMs: number;
  readonly retired: ReadonlyMap<LaneId, number>;
}

/**
 * Everything that is in a bucket and everything that ever was, decoded once: what checks of its
 * structure look at. Knows nothing of how the engine decides.
 */
export class BucketRecord {
  /** What exists. */
  readonly objects = new Map<string, StoredObject>();
  /** The first object under each key. */
  readonly first = new Map<string, StoredObject>();
  /** Every manifest that was ever made, by its number; of one made again the first. */
  readonly chain = new Map<number, ChainLink>();
  readonly lanes = new Map<LaneId, LaneRecord>();
  partitionCount: number | undefined;
  newest: ChainLink | undefined;

  /** Decodes; does not record it yet. */
  read(key: string, bytes: Uint8Array<ArrayBuffer>, atMs: number): StoredObject {
    return { ...contentOf(key, bytes), key, bytes, atMs, isAgain: this.first.has(key) };
  }

  stored(object: StoredObject): void {
    const { key } = object;
    this.objects.set(key, object);
    if (key === CONFIG_KEY) this.partitionCount ??= partitionCountOf(object.bytes);
    if (object.kind === "slot") this.#grow(object.slot, object.isAgain);
    if (object.isAgain) return;
    this.first.set(key, object);
    if (object.kind === "manifest") this.#link(object);
  }

  deleted(key: string): void {
    this.objects.delete(key);
  }

  /** Manifests that exist, but for those that were collected and came again. */
  existingManifests(): ChainLink[] {
    return [...this.chain.values()].filter(
      ({ manifest }) => this.objects.get(manifestKey(manifest.number))?.isAgain === false,
    );
  }

  /** Checkpoints that exist and pin something; whose manifest was gone before them do not. */
  checkpoints(atMs: number): Checkpoint[] {
    const found: Checkpoint[] = [];
    for (const object of this.objects.values()) {
      if (object.kind !== "checkpoint" || !this.#counting.has(object.key)) continue;
      const { expiresAtMs = Number.POSITIVE_INFINITY } = object.checkpoint;
      if (atMs <= expiresAtMs) found.push(object.checkpoint);
    }
    return found;
  }

  /** To be called before a checkpoint is stored. */
  countsFrom(object: StoredOf<"checkpoint">): boolean {
    const key = manifestKey(object.checkpoint.manifest.number);
    const counts = this.objects.get(key)?.isAgain === false;
    if (counts) this.#counting.add(object.key);
    return counts;
  }
  readonly #counting = new Set<string>();

  slot(lane: LaneId, number: number): Slot | undefined {
    return this.lanes.get(lane)?.slots[number];
  }

  /** Nothing can be appended to it any more: a seal is at its end. */
  hasEnded(lane: LaneId): boolean {
    return this.lanes.get(lane)?.sealedAt !== undefined;
  }

  /** Masked rows of a segment, ascending; of an object that was never there, an error. */
  masked(entry: SegmentEntry): Uint32Array {
    const { deletions, rows, key } = entry;
    if (deletions === undefined) return new Uint32Array();
    if ("inline" in deletions) return decodeDeletionsInline(deletions, `masks of ${key}`, rows);
    const found = this.first.get(deletions.key);
    if (found === undefined) throw new Error(`${deletions.key} was never stored`);
    return decodeDeletions(found.bytes, deletions.key, rows);
  }

  #link({ manifest, atMs }: StoredOf<"manifest">): void {
    const retired = new Map(this.newest?.retired);
    const listed = new Set(manifest.lanes.map(({ lane }) => lane));
    for (const { lane, cursor } of this.newest?.manifest.lanes ?? []) {
      if (listed.has(lane)) continue;
      // The manifest that retires a lane may be the first that covers its seal.
      const sealedAt = this.lanes.get(lane)?.sealedAt ?? -1;
      retired.set(lane, Math.max(cursor, sealedAt, retired.get(lane) ?? -1));
    }
    const link = { manifest, atMs, retired };
    this.chain.set(manifest.number, link);
    if (manifest.number > (this.newest?.manifest.number ?? 0)) this.newest = link;
  }

  #grow(slot: Slot, isAgain: boolean): void {
    const { lane, number, incarnation } = slot;
    const isGone = this.newest?.retired.has(lane) === true && !this.#isListed(lane);
    if (number === 0 && (!isAgain || isGone)) {
      const begun = { incarnation, slots: [], sealedAt: undefined, livesAgain: isAgain };
      this.lanes.set(lane, begun);
    }
    const known = this.lanes.get(lane);
    if (known === undefined || known.slots.length !== number) return;
    let next: Slot | undefined = slot;
    while (next !== undefined && known.sealedAt === undefined) {
      known.slots.push(next);
      if (next.kind === "seal") known.sealedAt = next.number;
      // A seal may have stayed behind, where the open record that comes again finds it.
      const after = this.objects.get(slotKey(lane, known.slots.length));
      next = after?.kind === "slot" ? after.slot : undefined;
    }
  }

  #isListed(lane: LaneId): boolean {
    return this.newest?.manifest.lanes.some((entry) => entry.lane === lane) === true;
  }
}

/** Whether a manifest can do without a slot: it is in segments, behind a seal, or of a lane that left. */
export function covers({ manifest, retired }: ChainLink, lane: LaneId, number: number): boolean {
  const entry = manifest.lanes.find((listed) => listed.lane === lane);
  // Whose open record came again may be listed again; what it was before stays covered.
  if (number <= (retired.get(lane) ?? -1)) return true;
  if (entry === undefined) return retired.has(lane);
  return number <= entry.cursor || (entry.seal !== undefined && number > entry.seal.slot);
}

function contentOf(key: string, bytes: Uint8Array<ArrayBuffer>): Content {
  if (parseManifestKey(key) !== undefined) {
    return { kind: "manifest", manifest: decodeManifest(bytes, key) };
  }
  if (parseSlotKey(key) !== undefined) return { kind: "slot", slot: decodeSlot(bytes, key) };
  if (parseLeaseKey(key) !== undefined) return { kind: "lease", lease: decodeLease(bytes, key) };
  if (parseCheckpointKey(key) !== undefined) {
    return { kind: "checkpoint", checkpoint: decodeCheckpoint(bytes, key) };
  }
  const segment = parseSegmentKey(key);
  if (segment === undefined) return { kind: "other" };
  return { kind: segment.kind === "seg" ? "segment" : "deletions" };
}

function partitionCountOf(bytes: Uint8Array): number | undefined {
  const { settings } = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly settings: { readonly partitionCount: number };
  };
  return settings.partitionCount;
}
