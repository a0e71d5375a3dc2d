import type { IdHash } from "../format/hash-id.ts";
import type { SegmentEntry, SegmentId } from "../format/manifest.ts";
import { decodeAttributes } from "../format/operation-attributes.ts";
import type { Operation } from "../format/operation.ts";
import type { SegmentReader } from "../format/segment-reader.ts";
import type { VersionColumn } from "../format/version-column.ts";
import type { Version } from "../format/version.ts";
import { openSegment, type JobContext } from "./compaction-job-context.ts";
import type { FlushTail } from "./compaction-job-tail.ts";
import { loadDeletions } from "./deletion-store.ts";
import { isSameState, type RecordState } from "./record-state.ts";
import { RowSet } from "./row-set.ts";
import { stateOfResidual } from "./state-row.ts";

/** Up to so many ids are looked up by ranged reads, more by loading index and ids. */
const COLD_LOOKUPS_MAX = 32;

/** Vectors of rows this close together come with one read. */
const VECTOR_SPAN_BYTES = 1 << 20;

const ITEMS_PER_LOOK = 256;

interface Candidate {
  readonly id: string;
  readonly hash: IdHash;
  /** In the tail of the flush. */
  readonly place: number;
}

interface Found {
  readonly id: string;
  readonly place: number;
  /** In the segment. */
  readonly row: number;
}

/**
 * Merges states from the log with the rows that older segments have of the same ids. Works on
 * one segment after the other, so that only one has its index in memory.
 */
export class FlushLookup {
  /** Rows that the new ones replace, ascending. */
  readonly masked = new Map<SegmentId, Uint32Array>();
  readonly #context: JobContext;
  readonly #tail: FlushTail;
  readonly #states: Map<string, RecordState>;
  /** By place, high and low; made for the first segment. */
  #hashes: readonly [Uint32Array, Uint32Array] | undefined;

  /** Records that turn out not to change are taken out of the tail's states. */
  constructor(context: JobContext, tail: FlushTail) {
    this.#context = context;
    this.#tail = tail;
    this.#states = tail.states;
  }

  async visit(segment: SegmentEntry): Promise<void> {
    if (this.#tail.count === 0) return;
    const reader = await openSegment(this.#context, segment);
    const candidates = await this.#candidates(reader);
    if (candidates.length === 0) return;
    const deletions = new RowSet(segment.rows, await loadDeletions(this.#context.store, segment));
    const rows = await this.#findRows(reader, candidates);
    const found = rows.filter(({ row }) => !deletions.has(row)).sort((a, b) => a.row - b.row);
    if (found.length === 0) return;
    const masked = await this.#merge(reader, found);
    if (masked.length > 0) this.masked.set(segment.id, Uint32Array.from(masked).sort());
  }

  async #candidates(reader: SegmentReader): Promise<Candidate[]> {
    const filter = await reader.idFilter();
    const [his, los] = (this.#hashes ??= await this.#hashAll());
    const candidates: Candidate[] = [];
    for (let place = 0; place < his.length; place++) {
      const hash = { hi: his[place]!, lo: los[place]! };
      if (filter.mayContain(hash)) candidates.push({ id: this.#tail.id(place), hash, place });
    }
    await this.#breatheIfDue();
    return candidates;
  }

  async #hashAll(): Promise<readonly [Uint32Array, Uint32Array]> {
    const { count } = this.#tail;
    const [his, los] = [new Uint32Array(count), new Uint32Array(count)];
    for (let place = 0; place < count; place++) {
      const { hi, lo } = this.#tail.hash(place);
      his[place] = hi;
      los[place] = lo;
      if (place % ITEMS_PER_LOOK === 0) await this.#breatheIfDue();
    }
    return [his, los];
  }

  async #findRows(reader: SegmentReader, candidates: readonly Candidate[]): Promise<Found[]> {
    const found: Found[] = [];
    if (candidates.length <= COLD_LOOKUPS_MAX) {
      for (const { id, hash, place } of candidates) {
        const row = await reader.findCold(id, hash);
        if (row >= 0) found.push({ id, place, row });
      }
      return found;
    }
    const [index, column] = await Promise.all([reader.idIndex(), reader.ids()]);
    for (const [i, { id, hash, place }] of candidates.entries()) {
      const row = index.find(id, (candidate) => column.text(candidate), hash);
      if (row >= 0) found.push({ id, place, row });
      if (i % ITEMS_PER_LOOK === 0) await this.#breatheIfDue();
    }
    return found;
  }

  /** Rows to mask. Those whose values matter are read last, all columns at once. */
  async #merge(reader: SegmentReader, found: readonly Found[]): Promise<number[]> {
    const { fold } = this.#context;
    const versions = await versionsOf(reader, found);
    const residual = await reader.residual();
    const masked: number[] = [];
    const patched: Found[] = [];
    for (const one of found) {
      const state = this.#tail.state(one.place);
      // Taken out: a row of a segment before this one is newer than all of it.
      if (state === undefined) continue;
      const operations = residual.get(one.row);
      const isLive = one.row < reader.meta.liveRows;
      const version = versions(one.row);
      if (operations !== undefined) {
        this.#replace(one, stateOfResidual(operations, fold), masked);
      } else if (state.base !== undefined && state.base.version > version) {
        masked.push(one.row);
      } else if (fold.isOrdered && !state.patches.some((patch) => patch.version > version)) {
        // All of it is older than the row: what arrives late is itself masked.
        this.#states.delete(one.id);
      } else if (isLive) patched.push(one);
      else this.#replace(one, fold.stateOf({ kind: "delete", id: one.id, version }), masked);
    }
    for (const { one, put } of await this.#readPuts(reader, patched, versions)) {
      this.#replace(one, fold.stateOf(put), masked);
    }
    return masked;
  }

  #replace({ id, row }: Found, before: RecordState, masked: number[]): void {
    const merged = this.#context.fold.merge(before, this.#states.get(id)!);
    if (isSameState(merged, before)) {
      this.#states.delete(id);
      return;
    }
    this.#states.set(id, merged);
    masked.push(row);
  }

  async #readPuts(
    reader: SegmentReader,
    found: readonly Found[],
    versions: (row: number) => Version,
  ): Promise<{ readonly one: Found; readonly put: Operation }[]> {
    if (found.length === 0) return [];
    const rows = found.map(({ row }) => row);
    const metadata = await reader.textsOf("metadata", rows);
    const content = await reader.textsOf("content", rows);
    const attributes = await reader.textsOf("attributes", rows);
    const vectors = await this.#readVectors(reader, rows);
    return found.map((one, i) => ({
      one,
      put: {
        kind: "put",
        id: one.id,
        version: versions(one.row),
        vector: vectors.get(one.row),
        content: content[i],
        metadata: metadata[i],
        attributes:
          attributes[i] === "" ? undefined : decodeAttributes(attributes[i]!, reader.where),
      },
    }));
  }

  /** `rows` ascend. */
  async #readVectors(
    reader: SegmentReader,
    rows: readonly number[],
  ): Promise<ReadonlyMap<number, Float32Array>> {
    const { vectorRows, stride, dimension } = reader.meta;
    const vectors = new Map<number, Float32Array>();
    const spanRows = Math.max(1, Math.floor(VECTOR_SPAN_BYTES / (4 * Math.max(stride, 1))));
    for (let i = 0; i < rows.length;) {
      const start = rows[i]!;
      if (start >= vectorRows) break;
      let stop = i + 1;
      const limit = Math.min(vectorRows, start + spanRows);
      while (stop < rows.length && rows[stop]! < limit) stop++;
      const bytes = await reader.vectorRows(start, rows[stop - 1]! + 1);
      for (; i < stop; i++) {
        const from = (rows[i]! - start) * stride * 4;
        vectors.set(rows[i]!, new Float32Array(bytes.slice(from, from + 4 * dimension).buffer));
      }
      await this.#breatheIfDue();
    }
    return vectors;
  }

  async #breatheIfDue(): Promise<void> {
    const { pacer } = this.#context;
    if (pacer.isDue()) await pacer.breathe();
  }
}

/** Versions of a few rows by ranged reads, of many by loading the column. */
async function versionsOf(
  reader: SegmentReader,
  found: readonly Found[],
): Promise<(row: number) => Version> {
  if (found.length > COLD_LOOKUPS_MAX) {
    const column = await reader.versions();
    return (row) => column.version(row);
  }
  const columns = new Map<number, VersionColumn>();
  for (const { row } of found) columns.set(row, await reader.versionRows(row, row + 1));
  return (row) => columns.get(row)!.version(0);
}
