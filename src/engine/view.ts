import { corrupt } from "../base/errors.ts";
import { hashId, hashIdBytes, type IdHash } from "../format/hash-id.ts";
import { emptyManifest, type Manifest, type SegmentId } from "../format/manifest.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { Operation } from "../format/operation.ts";
import {
  maxVersion,
  VERSION_ZERO,
  versionLane,
  type LaneId,
  type Version,
} from "../format/version.ts";
import type { VectorArena } from "../kernel/vector-arena.ts";
import { clearBit, countBits, hasBit } from "./bitmap.ts";
import type { LoadedSegment } from "./loaded-segment.ts";
import { LAST_WRITE_WINS, type RecordFold } from "./record-fold.ts";
import type { RecordState, VisibleRecord } from "./record-state.ts";
import { SiblingChoice, type Resolve } from "./sibling-choice.ts";
import { TailIndex } from "./tail-index.ts";
import { TailTable, hashText, tableSeed } from "./tail-table.ts";
import { TailRows, type Location, type TailEntry, type TailRecord } from "./tail-rows.ts";

/** Vectors indexed between two breaths: under a millisecond at 1,536 dimensions. */
const VECTORS_PER_BREATH = 256;
/** Tail records carried into a new view between two breaths. */
const RECORDS_PER_BREATH = 256;

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
    readonly entries: readonly TailEntry[];
    readonly live: Uint8Array;
    readonly rowCount: number;
  }[];
  readonly rows: TailRows;
}

/** What one walk over records works on: every tail record, those without a vector included. */
export interface FullSnapshot extends SegmentsSnapshot {
  readonly entries: readonly TailEntry[];
  readonly rows: TailRows;
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
  /** Default: the last write wins. */
  readonly fold?: RecordFold | undefined;
  /** What readers see of siblings; default: the newest. */
  readonly resolve?: Resolve | undefined;
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
  readonly fold: RecordFold;
  readonly #choice: SiblingChoice | undefined;
  readonly #tail = new TailTable<TailEntry>();
  /** Of the hashes in `#tail`: another in each database, and unknown to whoever only picks ids. */
  readonly #seed: number;
  readonly #rows = new TailRows();
  /** The last version of each listed lane that segments hold. */
  readonly #covered: ReadonlyMap<LaneId, Version>;
  /** The lane asked about last, and what of it is covered. */
  #lastLane = "none" as LaneId;
  #lastCovered = VERSION_ZERO;
  #index: TailIndex | undefined;
  /** Places in `#tail` of what a search does not find yet, in the order they came. */
  #unindexed: number[] = [];
  /** How many of them have been indexed since. */
  #indexedCount = 0;
  /** Last slot of each lane whose operations are here, in the tail or in segments. */
  readonly positions = new Map<LaneId, number>();
  #snapshot: Snapshot | undefined;
  #segmentCount: number;
  #tailCount = 0;
  tailBytes = 0;
  tailOperations = 0;

  constructor(options: ViewOptions) {
    const { manifest, segments, dimensions, fold = LAST_WRITE_WINS, resolve } = options;
    this.manifest = manifest;
    this.fold = fold;
    this.#choice = resolve && new SiblingChoice(resolve);
    this.#seed = tableSeed(manifest.databaseId);
    this.#dimensions = dimensions;
    this.#segments = segments.map(({ loaded, deleted }) => {
      const live = loaded.liveRows.slice();
      if (deleted !== undefined) for (let i = 0; i < live.length; i++) live[i]! &= ~deleted[i]!;
      return { loaded, deleted, live, isShared: false };
    });
    this.#segmentCount = this.#segments.reduce((sum, { live }) => sum + countBits(live), 0);
    for (const { lane, cursor } of manifest.lanes) this.positions.set(lane, cursor);
    // Nothing at or below the floor counts any more, also where the open record of a retired lane came
    // once more and the lane is listed again, from its beginning.
    this.#covered = new Map(
      manifest.lanes.map(({ lane, lastVersion }) => [
        lane,
        maxVersion(lastVersion, manifest.floor),
      ]),
    );
    if (this.#choice === undefined) return;
    for (const { loaded } of this.#segments) {
      for (const row of loaded.residualRows) this.#choice.changed(loaded.idOf(row));
    }
  }

  /** Of a database that nothing was written to. */
  static empty(
    options: { readonly databaseId: string } & Pick<
      ViewOptions,
      "dimensions" | "fold" | "resolve"
    > = {
      databaseId: "",
      dimensions: () => 0,
    },
  ): View {
    const { databaseId, ...rest } = options;
    return new View({ ...rest, manifest: emptyManifest(databaseId), segments: [] });
  }

  /** Records that readers see, expired ones included until compaction drops them. */
  get recordCount(): number {
    return this.#segmentCount + this.#tailCount;
  }

  /** When the oldest operation that still counts in the tail was stamped. */
  get tailSinceMs(): number | undefined {
    let since: number | undefined;
    for (const entry of this.#tail.entries) {
      const millis = this.#rows.millis(entry);
      if (millis === undefined) continue;
      if (since === undefined || millis < since) since = millis;
    }
    return since;
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
   * Rows `[start, end)` of one slot, in version order. What the segments hold already changes
   * nothing: what undid it since may have been dropped.
   */
  applyColumns(columns: OperationColumns, start = 0, end: number = columns.count): void {
    const from = Math.max(start, this.#firstUncovered(columns));
    if (from >= end) return;
    this.#checkDimension(columns, from);
    this.#snapshot = undefined;
    const first = this.#rows.add(columns);
    const isPlain = this.fold === LAST_WRITE_WINS;
    let row = from;
    const isSame = (entry: TailEntry): boolean => this.#rows.id(entry) === columns.id(row);
    for (; row < end; row++) {
      const hash = columns.idHash(row, this.#seed);
      const place = this.#tail.find(hash, isSame);
      // Again what is here already.
      if (place >= 0 && this.#tail.entries[place] === first + row) continue;
      const location = place < 0 ? this.#mask(this.#locateRow(columns, row)) : undefined;
      if (isPlain && place < 0 && location === undefined && columns.isPut(row)) {
        this.#unindexed.push(this.#tail.add(hash, first + row));
        this.#tailCount++;
      } else this.#join(columns.operation(row), { hash, place, location });
    }
    this.tailOperations += end - from;
    this.tailBytes += Math.ceil((columns.byteLength * (end - from)) / columns.count);
  }

  /** The same for one operation that is of no slot here. */
  apply(operation: Operation): void {
    if (this.covers(operation.version)) return;
    this.#snapshot = undefined;
    const { id } = operation;
    const [hash, place] = this.#findTail(id);
    const location = place < 0 ? this.#mask(this.#locate(id)) : undefined;
    this.#join(operation, { hash, place, location });
    this.tailOperations++;
    this.tailBytes += operationBytes(operation);
  }

  /** The hash of an id, and its place in the tail or -1. */
  #findTail(id: string): readonly [hash: number, place: number] {
    const hash = hashText(id, this.#seed);
    return [hash, this.#tail.find(hash, (entry) => this.#rows.id(entry) === id)];
  }

  /** `location`: what was masked for it just now, when it had no place in the tail. */
  #join(
    operation: Operation,
    at: {
      readonly hash: number;
      readonly place: number;
      readonly location: Location | undefined;
    },
  ): void {
    const { place } = at;
    const held = place < 0 ? undefined : this.#rows.record(this.#tail.entries[place]!);
    const { fold } = this;
    const own = fold.stateOf(operation);
    const state = held === undefined ? own : fold.merge(held, own);
    const { base, patches } = state;
    const location = held === undefined ? at.location : held.location;
    const visible = fold.visible(withSegment(state, location, fold));
    if (held?.visible !== undefined) this.#tailCount--;
    if (visible !== undefined) this.#tailCount++;
    const { id } = operation;
    this.#replace({ id, base, patches, location, visible }, at);
    this.#choice?.changed(id);
  }

  /** Puts a record into its place, or into a new one. */
  #replace(
    record: TailRecord,
    { hash, place }: { readonly hash: number; readonly place: number },
  ): void {
    const { entries } = this.#tail;
    if (place >= 0) {
      this.#index?.remove(entries[place]!);
      entries[place] = record;
    }
    const at = place >= 0 ? place : this.#tail.add(hash, record);
    if (record.visible !== undefined) this.#unindexed.push(at);
  }

  #firstUncovered(columns: OperationColumns): number {
    const lastCovered = this.#covered.get(columns.lane(0)) ?? this.manifest.floor;
    if (columns.version(0) > lastCovered) return 0;
    return columns.firstAbove(lastCovered);
  }

  /** Applies the tail to a view that is to replace this one. What comes meanwhile is its caller's. */
  async carryInto(next: View, breathe: () => Promise<void>): Promise<void> {
    const { entries } = this.#tail;
    const { length } = entries;
    let run: { columns: OperationColumns; start: number; end: number } | undefined;
    let sinceBreath = 0;
    const applyRun = (): void => {
      if (run !== undefined) next.applyColumns(run.columns, run.start, run.end);
      run = undefined;
    };
    for (let place = 0; place < length; place++) {
      const entry = entries[place]!;
      if (typeof entry === "number") {
        const { columns, row } = this.#rows.at(entry);
        // Rows of a slot mostly follow each other here too.
        if (run?.columns === columns && run.end === row) run.end++;
        else {
          applyRun();
          run = { columns, start: row, end: row + 1 };
        }
      } else for (const operation of tailOperationsOf(entry)) next.apply(operation);
      if (++sinceBreath < RECORDS_PER_BREATH) continue;
      applyRun();
      sinceBreath = 0;
      await breathe();
    }
    applyRun();
  }

  /** The record's tail entry, or the row that segments have; neither masked nor expired checks. */
  find(id: string): TailRecord | Location | undefined {
    const [, place] = this.#findTail(id);
    if (place < 0) return this.#locate(id);
    return this.#rows.record(this.#tail.entries[place]!);
  }

  /** All that is known of a record; content of a segment's plain row stays in the store. */
  stateOf(id: string): RecordState | undefined {
    const found = this.find(id);
    if (found === undefined) return undefined;
    if ("patches" in found) return withSegment(found, found.location, this.fold);
    return found.segment.stateOf(found.row, this.fold);
  }

  /** The concurrent records that readers may choose from, oldest first. */
  siblingsOf(id: string): readonly VisibleRecord[] {
    const state = this.stateOf(id);
    return state === undefined ? [] : this.fold.siblings(state);
  }

  /** What the next operation of somebody who has read this record here has seen. */
  knownOf(id: string): readonly Version[] {
    const state = this.stateOf(id);
    return state === undefined ? [] : this.fold.known(state);
  }

  /**
   * Resolves once siblings show what was chosen of them; `undefined`: they do. To be asked again
   * after it, since more may have come meanwhile, right before a read.
   */
  settle(): Promise<void> | undefined {
    return this.#choice === undefined || this.#choice.isSettled
      ? undefined
      : this.#choice.settle(this);
  }

  /** Makes readers see `visible` of a record, until an operation changes it again. */
  show(id: string, visible: VisibleRecord): void {
    const [hash, place] = this.#findTail(id);
    this.#snapshot = undefined;
    const held = place < 0 ? undefined : this.#rows.record(this.#tail.entries[place]!);
    const location = held === undefined ? this.#mask(this.#locate(id)) : held.location;
    const { base, patches = [] } = held ?? {};
    if (held?.visible === undefined) this.#tailCount++;
    this.#replace({ id, base, patches, location, visible }, { hash, place });
  }

  /**
   * For a search; shared by all until something changes. Makes every vector searchable first:
   * whoever only loads never pays for it, and the vectors of a bulk load stand in memory once
   * until somebody searches. `breathe` is called between slices of work.
   */
  async snapshot(breathe = async (): Promise<void> => {}): Promise<Snapshot> {
    for (const { loaded } of this.#segments) await loaded.vectors();
    for (;;) {
      const settling = this.settle();
      if (settling !== undefined) await settling;
      else if (this.#unindexed.length - this.#indexedCount <= VECTORS_PER_BREATH) break;
      else {
        this.#indexSome(VECTORS_PER_BREATH);
        await breathe();
      }
    }
    // From here on nothing waits: ids that the tail masks in segments are found in the tail.
    this.#indexSome(VECTORS_PER_BREATH);
    if (this.#snapshot !== undefined) return this.#snapshot;
    const chunks = this.#index?.chunks ?? [];
    for (const chunk of chunks) chunk.isShared = true;
    this.#snapshot = {
      ...this.#segmentsSnapshot(),
      tail: chunks.map(({ arena, entries, live }) => ({
        arena,
        entries,
        live,
        rowCount: entries.length,
      })),
      rows: this.#rows,
    };
    return this.#snapshot;
  }

  #indexSome(count: number): void {
    const end = Math.min(this.#unindexed.length, this.#indexedCount + count);
    while (this.#indexedCount < end) {
      const entry = this.#tail.entries[this.#unindexed[this.#indexedCount++]!]!;
      // Its place is listed once for each operation, and the newest may be indexed already.
      if (this.#index?.has(entry) === true) continue;
      const { visible, location } = this.#rows.record(entry);
      // As in `readVectors`: new content without a vector has none, whatever the segment's row has.
      const isElsewhere = visible?.vector === undefined && visible?.content === undefined;
      const vector = isElsewhere ? location?.segment.vectorNow(location.row) : visible.vector;
      if (vector === undefined) continue;
      // Settings are fixed before the slot that needs them, so its vectors tell what they are.
      this.#index ??= new TailIndex(this.#dimensions() ?? vector.length);
      this.#index.append(vector, entry);
      this.#snapshot = undefined;
    }
    if (this.#indexedCount < this.#unindexed.length) return;
    this.#unindexed = [];
    this.#indexedCount = 0;
  }

  /** Settings are fixed before the slot that needs them. */
  #checkDimension(columns: OperationColumns, row: number): void {
    const [own, wanted] = [columns.dimension, this.#dimensions()];
    if (own === 0 || wanted === undefined || own === wanted) return;
    throw corrupt(`slot of ${columns.version(row)}`, `has ${own} dimensions, not ${wanted}`);
  }

  /** For a walk over all records. */
  fullSnapshot(): FullSnapshot {
    return { ...this.#segmentsSnapshot(), entries: this.#tail.entries.slice(), rows: this.#rows };
  }

  #segmentsSnapshot(): SegmentsSnapshot {
    for (const segment of this.#segments) segment.isShared = true;
    const segments = this.#segments.map(({ loaded, live }) => ({ loaded, live }));
    return { manifest: this.manifest, segments };
  }

  /** At most one unmasked row an id, over all segments: the first found is the only one. */
  #locate(id: string): Location | undefined {
    if (this.#segments.length === 0) return undefined;
    return this.#locateHashed(hashId(id), () => id);
  }

  #locateRow(columns: OperationColumns, row: number): Location | undefined {
    if (this.#segments.length === 0) return undefined;
    return this.#locateHashed(hashIdBytes(columns.idBytes(row)), () => columns.id(row));
  }

  #locateHashed(hash: IdHash, id: () => string): Location | undefined {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const { loaded, deleted } = this.#segments[i]!;
      if (!loaded.mayContain(hash)) continue;
      const row = loaded.find(id(), hash);
      if (row < 0 || (deleted !== undefined && hasBit(deleted, row))) continue;
      return { segment: loaded, row };
    }
    return undefined;
  }

  /** Takes the row that segments have of an id from readers, and says where it is. */
  #mask(location: Location | undefined): Location | undefined {
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
function withSegment(
  state: RecordState,
  location: Location | undefined,
  fold: RecordFold,
): RecordState {
  if (location === undefined) return state;
  const { segment, row } = location;
  const isNewer = state.base !== undefined && state.base.version > segment.newestVersion(row);
  return isNewer ? state : fold.merge(segment.stateOf(row, fold), state);
}

/** About what an operation takes in memory and in a slot. */
function operationBytes(operation: Operation): number {
  return (
    64 +
    operation.id.length +
    (operation.vector?.byteLength ?? 0) +
    (operation.metadata?.length ?? 0) +
    (operation.content?.length ?? 0)
  );
}

/** The operations that a tail record stands for, in version order. */
function tailOperationsOf(record: TailRecord): readonly Operation[] {
  const { base, patches } = record;
  return base === undefined ? patches : [base, ...patches];
}
