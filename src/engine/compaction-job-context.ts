import { assert } from "../base/assert.ts";
import { BrainyError } from "../base/errors.ts";
import { segmentKey } from "../format/keys.ts";
import type { SegmentEntry, SegmentId } from "../format/manifest.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { SegmentWriter } from "../format/segment-writer.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { CompactionJob } from "./compaction.ts";
import type { Pacer } from "./pacer.ts";
import type { RecordFold } from "./record-fold.ts";
import { storeRange } from "./store-range.ts";

/** Log into a segment. */
export type FlushJob = Extract<CompactionJob, { readonly kind: "flush" }>;
/** Segments into one. */
export type MergeJob = Extract<CompactionJob, { readonly kind: "merge" }>;

/** What a job works with. */
export interface JobContext {
  readonly store: ObjectStore;
  readonly job: CompactionJob;
  readonly fold: RecordFold;
  readonly pacer: Pacer;
  readonly signal: AbortSignal | undefined;
  readonly newUlid: () => string;
}

/** Opens a segment that the job's base lists. */
export async function openSegment(
  { store, job }: Pick<JobContext, "store" | "job">,
  segment: SegmentEntry,
): Promise<SegmentReader> {
  const reader = await SegmentReader.open(storeRange(store, segment), segment.key);
  const { databaseId, rows } = reader.meta;
  if (databaseId !== job.base.databaseId) {
    throw new BrainyError("BRAINY_FENCED", `${segment.key} belongs to database ${databaseId}`);
  }
  if (rows !== segment.rows) {
    throw new BrainyError("BRAINY_CORRUPT", `${segment.key} has ${rows} rows, not ${segment.rows}`);
  }
  return reader;
}

/** Streams a segment of a new name into the store. */
export async function storeSegment(
  context: JobContext,
  make: (id: SegmentId) => SegmentWriter,
): Promise<SegmentEntry> {
  const { store, job, pacer, signal, newUlid } = context;
  const id = newUlid() as SegmentId;
  const key = segmentKey(id, job.limits.partitionCount);
  const writer = make(id);
  await store.putStream(key, pacer.pass(writer), { signal });
  const { rows, vectorRows, minVersion, maxVersion } = writer.meta;
  assert(rows > 0, "a segment without rows");
  return { id, key, bytes: writer.bytes, rows, vectorRows, minVersion, maxVersion };
}
