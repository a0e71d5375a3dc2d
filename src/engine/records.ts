import type { Clock } from "../base/clock.ts";
import type { Attributes } from "../format/operation.ts";
import type { Version } from "../format/version.ts";
import { countBits, hasBit } from "./bitmap.ts";
import type { ContentCache } from "./content-cache.ts";
import type { CompiledFilter } from "./filter.ts";
import type { LoadedSegment } from "./loaded-segment.ts";
import { isExpired, type VisibleRecord } from "./record-state.ts";
import { visibleRows } from "./search.ts";
import { sortById } from "./sort-by-id.ts";
import type { Location, TailEntry } from "./tail-rows.ts";
import type { FullSnapshot, View } from "./view.ts";

/** Records whose content is read from a segment at once. */
const CONTENT_ROWS = 256;
/** Tail records matched against a filter between two breaths. */
const RECORDS_PER_BREATH = 1_000;

const NO_ATTRIBUTES: Attributes = {};

/** A record as it is stored: JSON as text, the vector as it was given. */
export interface StoredRecord {
  readonly id: string;
  readonly version: Version;
  readonly vector: Float32Array | undefined;
  /** JSON text of `{ data?, text? }`, or `""`. */
  readonly content: string;
  readonly metadata: string;
  readonly attributes: Attributes;
}

/** A record found but not read yet: content, and perhaps the vector, are still in the store. */
export interface RecordReference {
  readonly record: VisibleRecord;
  readonly location: Location | undefined;
}

/** What every walk over records takes. */
export interface ScanOptions {
  readonly filter?: CompiledFilter | undefined;
  readonly clock: Clock;
}

/** The record with this id as readers see it now. */
export function findRecord(view: View, id: string, nowMs: number): RecordReference | undefined {
  const found = view.find(id);
  if (found === undefined) return undefined;
  let reference: RecordReference;
  if ("patches" in found) {
    if (found.visible === undefined) return undefined;
    reference = { record: found.visible, location: found.location };
  } else {
    if (!hasBit(found.segment.liveRows, found.row)) return undefined;
    reference = { record: found.segment.visible(found.row), location: found };
  }
  return isExpired(reference.record.attributes, nowMs) ? undefined : reference;
}

/** The records that a found one was chosen from, oldest first; none where there is no choice. */
export function siblingsOf(
  view: View,
  { record: { id }, location }: RecordReference,
): readonly RecordReference[] {
  const siblings = view.siblingsOf(id);
  return siblings.length < 2 ? [] : siblings.map((record) => ({ record, location }));
}

/** Reads what references left elsewhere, as far as it is wanted. */
export async function readRecords(
  references: readonly RecordReference[],
  options: {
    readonly content: boolean;
    readonly vector: boolean;
    /** Asked for contents before segments are, and given what they had. */
    readonly cache?: ContentCache | undefined;
  },
): Promise<StoredRecord[]> {
  const contents = options.content ? await readContents(references, options.cache) : undefined;
  const vectors = options.vector ? await readVectors(references) : undefined;
  return references.map(({ record }, i) => ({
    id: record.id,
    version: record.version,
    metadata: record.metadata,
    attributes: record.attributes ?? NO_ATTRIBUTES,
    vector: vectors?.[i],
    content: contents?.[i] ?? "",
  }));
}

/**
 * Copies of vectors, wherever they are. Content and vector are one field: an operation that
 * brought the content and no vector has taken the segment's away.
 */
export function readVectors(
  references: readonly RecordReference[],
): Promise<readonly (Float32Array | undefined)[]> {
  return readParts(references, {
    own: ({ record }) => record.vector,
    isElsewhere: ({ vector, content }) => vector === undefined && content === undefined,
    read: (segment, rows) => segment.vectorsOf(rows),
  });
}

async function readContents(
  references: readonly RecordReference[],
  cache: ContentCache | undefined,
): Promise<readonly (string | undefined)[]> {
  return readParts(references, {
    own({ record, location }) {
      if (record.content !== undefined) cache?.countHits(1);
      if (record.content !== undefined || location === undefined) return record.content;
      return cache?.find(location.segment.entry.id, location.row);
    },
    isElsewhere: ({ content }) => content === undefined,
    async read(segment, rows) {
      const contents = await segment.contentOf(rows);
      for (const [i, row] of rows.entries()) cache?.keep(segment.entry.id, row, contents[i]!);
      return contents;
    },
  });
}

/** One part of each record: what it carries itself, else read from segments, together for each. */
async function readParts<T>(
  references: readonly RecordReference[],
  part: {
    readonly own: (reference: RecordReference) => T | undefined;
    readonly isElsewhere: (record: VisibleRecord) => boolean;
    readonly read: (
      segment: LoadedSegment,
      rows: readonly number[],
    ) => Promise<readonly (T | undefined)[]>;
  },
): Promise<readonly (T | undefined)[]> {
  const parts = references.map((reference) => part.own(reference));
  const missing = new Map<LoadedSegment, { at: number; row: number }[]>();
  for (const [at, { record, location }] of references.entries()) {
    if (parts[at] !== undefined || location === undefined || !part.isElsewhere(record)) continue;
    const wanted = missing.get(location.segment) ?? [];
    wanted.push({ at, row: location.row });
    missing.set(location.segment, wanted);
  }
  for (const [segment, wanted] of missing) {
    const found = await part.read(
      segment,
      wanted.map(({ row }) => row),
    );
    for (const [i, { at }] of wanted.entries()) parts[at] = found[i];
  }
  return parts;
}

/** How many records of a snapshot readers see, and match. */
export async function countRecords(
  snapshot: FullSnapshot,
  { filter, clock }: ScanOptions,
): Promise<number> {
  let count = 0;
  for (const { loaded, live } of snapshot.segments) {
    count += countBits(await visibleRows({ loaded, live, filter, clock }));
  }
  for await (const _ of visibleTail(snapshot, { filter, clock })) count++;
  return count;
}

/** How many records readers see of each partition. Reads nothing from the store. */
export async function countByPartition(
  snapshot: FullSnapshot,
  options: {
    readonly clock: Clock;
    readonly partitionOf: (id: string) => number;
    readonly partitionCount: number;
  },
): Promise<number[]> {
  const { clock, partitionOf, partitionCount } = options;
  const counts = Array.from({ length: partitionCount }, () => 0);
  for (const { loaded, live } of snapshot.segments) {
    const mask = await visibleRows({ loaded, live, clock });
    for (let row = 0; row < loaded.rows; row++) {
      if (row % RECORDS_PER_BREATH === RECORDS_PER_BREATH - 1) await clock.breathe();
      if (hasBit(mask, row)) counts[partitionOf(loaded.idOf(row))]!++;
    }
  }
  for await (const entry of visibleTail(snapshot, { clock })) {
    counts[partitionOf(snapshot.rows.id(entry))]!++;
  }
  return counts;
}

/**
 * Every record of a snapshot that matches, in storage order, read block by block. With
 * `content: false` neither content nor vectors are read.
 */
export async function* scanRecords(
  snapshot: FullSnapshot,
  { filter, clock, content }: ScanOptions & { readonly content: boolean },
): AsyncGenerator<StoredRecord> {
  const parts = { content, vector: content };
  for (const { loaded, live } of snapshot.segments) {
    const mask = await visibleRows({ loaded, live, filter, clock });
    let block: RecordReference[] = [];
    for (let row = 0; row < loaded.rows; row++) {
      if (!hasBit(mask, row)) continue;
      block.push({ record: loaded.visible(row), location: { segment: loaded, row } });
      if (block.length < CONTENT_ROWS) continue;
      yield* await readRecords(block, parts);
      block = [];
    }
    yield* await readRecords(block, parts);
  }
  for await (const entry of visibleTail(snapshot, { filter, clock })) {
    const { visible, location } = snapshot.rows.record(entry);
    yield* await readRecords([{ record: visible!, location }], parts);
  }
}

/**
 * The first `limit` matching records in order of their ids, after the id `after`. A cursor is an
 * id and never a position, so pages neither repeat nor skip what stays while others change.
 */
export async function pageOfRecords(
  snapshot: FullSnapshot,
  options: ScanOptions & { readonly after?: string | undefined; readonly limit: number },
): Promise<RecordReference[]> {
  const { filter, clock, after, limit } = options;
  const found: RecordReference[] = [];
  for (const { loaded, live } of snapshot.segments) {
    const mask = await visibleRows({ loaded, live, filter, clock });
    const order = await loaded.idOrder();
    let at = firstAfter(order.length, (i) => loaded.idOf(order[i]!), after);
    for (let taken = 0; at < order.length && taken < limit; at++) {
      const row = order[at]!;
      if (!hasBit(mask, row)) continue;
      found.push({ record: loaded.visible(row), location: { segment: loaded, row } });
      taken++;
    }
    await clock.breathe();
  }
  const { rows } = snapshot;
  const tail: { readonly id: string; readonly entry: TailEntry }[] = [];
  for await (const entry of visibleTail(snapshot, { filter, clock })) {
    const id = rows.id(entry);
    if (after === undefined || id > after) tail.push({ id, entry });
  }
  const order = await sortById(tail.length, (i) => tail[i]!.id, clock);
  for (const i of order.subarray(0, limit)) {
    const { visible, location } = rows.record(tail[i]!.entry);
    found.push({ record: visible!, location });
  }
  found.sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
  return found.slice(0, limit);
}

/** Lowest index whose id is after `after`. */
function firstAfter(count: number, idAt: (i: number) => string, after: string | undefined): number {
  if (after === undefined) return 0;
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (idAt(middle) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function* visibleTail(
  { entries, rows }: FullSnapshot,
  { filter, clock }: ScanOptions,
): AsyncGenerator<TailEntry> {
  const nowMs = clock.nowMs();
  for (const [i, entry] of entries.entries()) {
    if (i % RECORDS_PER_BREATH === RECORDS_PER_BREATH - 1) await clock.breathe();
    if (rows.isVisible(entry, { filter, nowMs })) yield entry;
  }
}
