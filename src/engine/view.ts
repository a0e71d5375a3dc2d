import { hashId } from "../format/hash-id.ts";
import { emptyManifest, type Manifest, type SegmentId } from "../format/manifest.ts";
import type { Operation } from "../format/operation.ts";
import { VERSION_ZERO, versionLane, type LaneId, type Version } from "../format/version.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import { clearBit, countBits, hasBit } from "./bitmap.ts";
import type { LoadedSegment } from "./loaded-segment.ts";
import {
  mergeStates,
  stateOf,
  visibleRecord,
  type RecordState,
  type VisibleRecord,
} from "./record-state.ts";
import { TailIndex, type TailPosition } from "./tail-index.ts";

/** Where a segment keeps the row of a record. */
export interface Location {
  readonly segment: LoadedSegment;
  readonly row: number;
}

/**
 * A record that has operations in the tail: those operations, without what segments hold of it,
 * and what follows from both. Replaced, never changed.
 */
export interface TailRecord extends RecordState {
  readonly id: string;
  /** The unmasked row that segments hold of it. */
  readonly location: Location | undefined;
  /** What readers see; its content is `undefined` where `location` has it. */
  readonly visible: VisibleRecord | undefined;
  /** Where its vector is indexed; set once, by the first search that could find it. */
  position: TailPosition | undefined;
}

/** Vectors indexed between two breaths: under a millisecond at 1,536 dimensions. */
const VECTORS_PER_BREATH = 256;

interface ViewSegment {
  readonly loaded: LoadedSegment;
  /** Rows that the manifest masks: they stand for nothing. */
  readonly deleted: Uint8Array | undefined;
  /** Rows that readers see. Replaced, not changed, while a snapshot shares it. */
  live: Uint8Array;
  isShared: boolean;
}

/** What every read works on; frozen at the moment it was taken. */
interface SegmentsSnapshot {
  readonly manifest: Manifest;
  readonly segments: readonly { readonly loaded: LoadedSegment; readonly live: Uint8Array }[];
}

/** What one search works on. */
export interface Snapshot extends SegmentsSnapshot {
  readonly tail: readonly {
    readonly arena: VectorArena;
    readonly records: readonly TailRecord[];
    readonly live: Uint8Array;
    readonly rowCount: number;
  }[];
}

/** What one walk over records works on: every tail record, those without a vector included. */
export interface FullSnapshot extends SegmentsSnapshot {
  readonly records: readonly TailRecord[];
}

/** A manifest, opened. */
export interface ViewOptions {
  readonly manifest: Manifest;
  readonly segments: readonly {
    readonly loaded: LoadedSegment;
    readonly deleted: Uint8Array | undefined;
  }[];
  /** `undefined` while the settings that were read have none. */
  readonly dimensions: () => number | undefined;
}

/**
 * One manifest, and the tail of operations beyond it: everything an instance knows.
 *
 * Applying an operation is a join, so operations may come twice and in any order. An id with an
 * operation in the tail is masked in the segments the moment the operation is applied, which is
 * what lets a search cut to k candidates per segment. Spec: docs/specs/reading.md.
 */
export class View {
  readonly manifest: Manifest;
  readonly #segments: readonly ViewSegment[];
  readonly #dimensions: () => number | undefined;
  readonly #tail = new Map<string, TailRecord>();
  /** The last version of each listed lane that segments hold. */
  readonly #covered: ReadonlyMap<LaneId, Version>;
  /** The lane asked about last, and what of it is covered. */
  #lastLane = "none" as LaneId;
  #lastCovered = VERSION_ZERO;
  #index: TailIndex | undefined;
  /** Newest visible records, in the order they came, until a search needs them. */
  #unindexed: TailRecord[] = [];
  /** How many of them have been indexed since. */
  #indexedCount = 0;
  /** Last slot of each lane whose operations are here, in the tail or in segments. */
  readonly positions = new Map<LaneId, number>();
  #snapshot: Snapshot | undefined;
  #segmentCount: number;
  #tailCount = 0;
  tailBytes = 0;
  tailOperations = 0;

  constructor({ manifest, segments, dimensions }: ViewOptions) {
    this.manifest = manifest;
    this.#dimensions = dimensions;
    this.#segments = segments.map(({ loaded, deleted }) => {
      const live = loaded.liveRows.slice();
      if (deleted !== undefined) for (let i = 0; i < live.length; i++) live[i]! &= ~deleted[i]!;
      return { loaded, deleted, live, isShared: false };
    });
    this.#segmentCount = this.#segments.reduce((sum, { live }) => sum + countBits(live), 0);
    for (const { lane, cursor } of manifest.lanes) this.positions.set(lane, cursor);
    this.#covered = new Map(manifest.lanes.map(({ lane, lastVersion }) => [lane, lastVersion]));
  }

  /** Of a database that nothing was written to. */
  static empty(
    options: { readonly databaseId: string; readonly dimensions: () => number | undefined } = {
      databaseId: "",
      dimensions: () => 0,
    },
  ): View {
    const manifest = emptyManifest(options.databaseId);
    return new View({ manifest, segments: [], dimensions: options.dimensions });
  }

  /** Records that readers see, expired ones included until compaction drops them. */
  get recordCount(): number {
    return this.#segmentCount + this.#tailCount;
  }

  get tailRecords(): IterableIterator<TailRecord> {
    return this.#tail.values();
  }

  get loadedSegments(): ReadonlyMap<SegmentId, LoadedSegment> {
    return new Map(this.#segments.map(({ loaded }) => [loaded.entry.id, loaded]));
  }

  /**
   * Whether the segments hold an operation: by its lane's cursor, or by the floor. Also true of a
   * zombie's, which nothing holds and nobody may see.
   */
  covers(version: Version): boolean {
    // Operations come lane by lane, and cutting a lane out of a version costs an object.
    if (!version.endsWith(this.#lastLane)) {
      this.#lastLane = versionLane(version);
      this.#lastCovered = this.#covered.get(this.#lastLane) ?? this.manifest.floor;
    }
    return version <= this.#lastCovered;
  }

  /**
   * What the segments hold already changes nothing: what undid it since may have been dropped.
   */
  apply(operation: Operation): void {
    if (this.covers(operation.version)) return;
    const { id } = operation;
    this.#snapshot = undefined;
    const before = this.#tail.get(id);
    const own = stateOf(operation);
    const state = before === undefined ? own : mergeStates(before, own);
    const { base, patches } = state;
    const location = before === undefined ? this.#mask(id) : before.location;
    const visible = visibleRecord(withSegment(state, location));
    if (before?.visible !== undefined) this.#tailCount--;
    if (visible !== undefined) this.#tailCount++;
    if (before?.position !== undefined) this.#index!.remove(before.position);
    const record: TailRecord = { id, base, patches, location, visible, position: undefined };
    if (visible !== undefined) this.#unindexed.push(record);
    this.#tail.set(id, record);
    this.tailOperations++;
    this.tailBytes += operationBytes(operation);
  }

  /** The record's tail entry, or the row that segments have; neither masked nor expired checks. */
  find(id: string): TailRecord | Location | undefined {
    return this.#tail.get(id) ?? this.#locate(id);
  }

  /**
   * For a search; shared by all until something changes. Makes every vector searchable first:
   * whoever only loads never pays for it, and the vectors of a bulk load stand in memory once
   * until somebody searches. `breathe` is called between slices of work.
   */
  async snapshot(breathe = async (): Promise<void> => {}): Promise<Snapshot> {
    for (const { loaded } of this.#segments) await loaded.vectors();
    while (this.#unindexed.length - this.#indexedCount > VECTORS_PER_BREATH) {
      this.#indexSome(VECTORS_PER_BREATH);
      await breathe();
    }
    // From here on nothing waits: ids that the tail masks in segments are found in the tail.
    this.#indexSome(VECTORS_PER_BREATH);
    if (this.#snapshot !== undefined) return this.#snapshot;
    const chunks = this.#index?.chunks ?? [];
    for (const chunk of chunks) chunk.isShared = true;
    this.#snapshot = {
      ...this.#segmentsSnapshot(),
      tail: chunks.map(({ arena, records, live }) => ({
        arena,
        records,
        live,
        rowCount: records.length,
      })),
    };
    return this.#snapshot;
  }

  #indexSome(count: number): void {
    const end = Math.min(this.#unindexed.length, this.#indexedCount + count);
    while (this.#indexedCount < end) {
      const record = this.#unindexed[this.#indexedCount++]!;
      // Replaced or deleted since, so nobody can find it.
      if (this.#tail.get(record.id) !== record) continue;
      const { visible, location } = record;
      // As in `readVectors`: new content without a vector has none, whatever the segment's row has.
      const isElsewhere = visible?.vector === undefined && visible?.content === undefined;
      const vector = isElsewhere ? location?.segment.vectorNow(location.row) : visible.vector;
      if (vector === undefined) continue;
      // Settings are fixed before the slot that needs them, so its vectors tell what they are.
      this.#index ??= new TailIndex(this.#dimensions() ?? vector.length);
      record.position = this.#index.append(vector, record);
      this.#snapshot = undefined;
    }
    if (this.#indexedCount < this.#unindexed.length) return;
    this.#unindexed = [];
    this.#indexedCount = 0;
  }

  /** For a walk over all records. */
  fullSnapshot(): FullSnapshot {
    return { ...this.#segmentsSnapshot(), records: [...this.#tail.values()] };
  }

  #segmentsSnapshot(): SegmentsSnapshot {
    for (const segment of this.#segments) segment.isShared = true;
    const segments = this.#segments.map(({ loaded, live }) => ({ loaded, live }));
    return { manifest: this.manifest, segments };
  }

  /** At most one unmasked row an id, over all segments: the first found is the only one. */
  #locate(id: string): Location | undefined {
    if (this.#segments.length === 0) return undefined;
    const hash = hashId(id);
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const { loaded, deleted } = this.#segments[i]!;
      const row = loaded.find(id, hash);
      if (row < 0 || (deleted !== undefined && hasBit(deleted, row))) continue;
      return { segment: loaded, row };
    }
    return undefined;
  }

  #mask(id: string): Location | undefined {
    const location = this.#locate(id);
    if (location === undefined) return undefined;
    const segment = this.#segments.find(({ loaded }) => loaded === location.segment)!;
    if (hasBit(segment.live, location.row)) {
      if (segment.isShared) {
        segment.live = segment.live.slice();
        segment.isShared = false;
      }
      clearBit(segment.live, location.row);
      this.#segmentCount--;
    }
    return location;
  }
}

/** The tail's state joined with what the segment's row stands for, read only when it can matter. */
function withSegment(state: RecordState, location: Location | undefined): RecordState {
  if (location === undefined) return state;
  const { segment, row } = location;
  const isNewer = state.base !== undefined && state.base.version > segment.newestVersion(row);
  return isNewer ? state : mergeStates(segment.stateOf(row), state);
}

/** About what an operation takes in memory and in a slot. */
export function operationBytes(operation: Operation): number {
  return (
    64 +
    operation.id.length +
    (operation.vector?.byteLength ?? 0) +
    (operation.metadata?.length ?? 0) +
    (operation.content?.length ?? 0)
  );
}

/** The operations that a tail record stands for, in version order. */
export function tailOperationsOf(record: TailRecord): readonly Operation[] {
  const { base, patches } = record;
  return base === undefined ? patches : [base, ...patches];
}
