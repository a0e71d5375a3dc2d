import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { emptyManifest, type Manifest, type SegmentEntry } from "../format/manifest.ts";
import { decodeAttributes } from "../format/operation-attributes.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { Operation } from "../format/operation.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { LaneId } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { loadDeletions } from "./deletion-store.ts";
import type { HybridClock } from "./hybrid-clock.ts";
import { isJunk } from "./lane-ledger.ts";
import { listLog } from "./log-listing.ts";
import { isLeftBehind, readSlots } from "./log-reader.ts";
import { readNewestManifest } from "./manifest-store.ts";
import { storeRange } from "./store-range.ts";
import { View } from "./view.ts";

/** How often it begins again because what it listed was collected meanwhile. */
const ATTEMPTS_MAX = 16;

/** Whose records are read, and from where. */
export interface SparseViewOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Is above all that was read afterwards: what its user writes next may rest on that. */
  readonly hybridClock: HybridClock;
  readonly databaseId: string;
  readonly ids: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * A view of some records alone, as strong as a read can be, by an instance that keeps none: the
 * log beyond the newest manifest is read whole, of each segment what its id index points at.
 *
 * Costs two LISTs, a GET for the manifest and one for each slot that no segment covers, and for
 * each segment three small ranged GETs, and about five for an id that it has.
 */
export async function sparseView(
  options: SparseViewOptions,
): Promise<{ readonly view: View; readonly manifestNumber: number }> {
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      const found = await readOperations(options);
      if (found !== undefined) {
        const { operations, manifestNumber } = found;
        return { view: viewOf(options.databaseId, operations), manifestNumber };
      }
    } catch (error) {
      // A segment was replaced and collected under it.
      const isGone = isBrainyError(error, "BRAINY_NOT_FOUND");
      if (!isGone || attempt >= ATTEMPTS_MAX) throw error;
    }
    if (attempt < ATTEMPTS_MAX) continue;
    const what = `${options.store.name}: no consistent state in ${ATTEMPTS_MAX} attempts`;
    throw new BrainyError("BRAINY_UNAVAILABLE", what);
  }
}

/** The tail of a view is a fold of operations: those of segments are as good as those of slots. */
function viewOf(databaseId: string, operations: readonly Operation[]): View {
  const view = View.empty({ databaseId, dimensions: () => undefined });
  for (const operation of operations) view.apply(operation);
  return view;
}

/** `undefined`: a slot vanished, so there is a newer manifest that covers it. */
async function readOperations(
  options: SparseViewOptions,
): Promise<
  { readonly operations: readonly Operation[]; readonly manifestNumber: number } | undefined
> {
  const { store, databaseId, ids, signal, hybridClock } = options;
  const log = await listLog(store, signal);
  // After the log: what was covered and collected before the LIST left no gap to notice.
  const manifest = (await readNewestManifest(store)) ?? emptyManifest(databaseId);
  if (manifest.databaseId !== databaseId) {
    const what = `manifest ${manifest.number} belongs to database ${manifest.databaseId}`;
    throw new BrainyError("BRAINY_FENCED", what);
  }
  hybridClock.observe(manifest.maxVersion);
  for (const { lastVersion } of manifest.lanes) hybridClock.observe(lastVersion);
  const wanted = new Set(ids);
  const operations: Operation[] = [];
  const cursors = new Map<LaneId, number>(manifest.lanes.map((one) => [one.lane, one.cursor]));
  for (const [lane, slots] of log.lanes) {
    const cursor = cursors.get(lane);
    if (cursor === undefined && isJunk(slots)) continue;
    const from = (cursor ?? -1) + 1;
    const waiting = slots.filter(({ number }) => number >= from);
    const gap = waiting.findIndex(({ number }, i) => number !== from + i);
    const to = from + (gap < 0 ? waiting.length : gap);
    const after = waiting[gap];
    const { floor } = manifest;
    if (after && !(await isLeftBehind({ store, lane, number: after.number, floor }))) {
      return undefined;
    }
    for await (const columns of slotsOf(options, { lane, from, to })) {
      if (columns === undefined) return undefined;
      // What is at or below the floor is junk.
      for (let row = columns.firstAbove(manifest.floor); row < columns.count; row++) {
        if (wanted.has(columns.id(row))) operations.push(columns.operation(row));
      }
    }
  }
  for (const segment of manifest.segments) {
    operations.push(...(await segmentOperations(options, manifest, segment)));
  }
  return { operations, manifestNumber: manifest.number };
}

async function* slotsOf(
  options: SparseViewOptions,
  range: { readonly lane: LaneId; readonly from: number; readonly to: number },
): AsyncGenerator<OperationColumns | undefined> {
  const slots = readSlots({ ...options, ...range });
  for (;;) {
    const { value, done } = await slots.next();
    if (done !== true) {
      options.hybridClock.observe(value.version);
      yield value.columns;
    } else if (value) return;
    else yield undefined;
  }
}

/** Those that the unmasked rows of the wanted ids stand for. */
async function segmentOperations(
  { store, databaseId, ids, signal }: SparseViewOptions,
  manifest: Manifest,
  segment: SegmentEntry,
): Promise<Operation[]> {
  signal?.throwIfAborted();
  const reader = await SegmentReader.open(storeRange(store, segment), segment.key);
  if (reader.meta.databaseId !== databaseId) {
    const what = `${segment.key}, of manifest ${manifest.number}, belongs to another database`;
    throw new BrainyError("BRAINY_FENCED", what);
  }
  const operations: Operation[] = [];
  let deleted: ReadonlySet<number> | undefined;
  for (const id of ids) {
    const row = await reader.findCold(id);
    if (row < 0) continue;
    deleted ??= new Set(await loadDeletions(store, segment));
    if (!deleted.has(row)) operations.push(...(await rowOperations(reader, id, row)));
  }
  return operations;
}

async function rowOperations(
  reader: SegmentReader,
  id: string,
  row: number,
): Promise<readonly Operation[]> {
  const residual = (await reader.residual()).get(row);
  if (residual !== undefined) return residual;
  const version = (await reader.versionRows(row, row + 1)).version(0);
  if (row >= reader.meta.liveRows) return [{ kind: "delete", id, version }];
  const [metadata] = await reader.textsOf("metadata", [row]);
  const [content] = await reader.textsOf("content", [row]);
  const [attributes = ""] = await reader.textsOf("attributes", [row]);
  return [
    {
      kind: "put",
      id,
      version,
      vector: await vectorOf(reader, row),
      content,
      metadata,
      attributes: attributes === "" ? undefined : decodeAttributes(attributes, reader.where),
    },
  ];
}

async function vectorOf(reader: SegmentReader, row: number): Promise<Float32Array | undefined> {
  const { vectorRows, dimension } = reader.meta;
  if (row >= vectorRows) return undefined;
  const bytes = await reader.vectorRows(row, row + 1);
  return new Float32Array(bytes.slice(0, 4 * dimension).buffer);
}
