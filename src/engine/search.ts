import type { Clock } from "../base/clock.ts";
import type { Metric } from "../kernel/metric.ts";
import { searchFlat } from "../vector-index/flat.ts";
import { clearBit, hasBit, intersectInto } from "./bitmap.ts";
import type { CompiledFilter } from "./filter.ts";
import type { LoadedSegment } from "./loaded-segment.ts";
import type { VisibleRecord } from "./record-state.ts";
import type { Location } from "./tail-rows.ts";
import type { Snapshot } from "./view.ts";

/** Tail records matched against a filter between two breaths. */
const RECORDS_PER_BREATH = 1_000;

/** One search on one snapshot; everything was checked before. */
export interface SearchInput {
  readonly snapshot: Snapshot;
  readonly metric: Metric;
  readonly query: Float32Array;
  readonly k: number;
  readonly filter?: CompiledFilter | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** A record found, by ordering distance: smaller is nearer, whatever the metric. */
export interface Candidate {
  readonly id: string;
  readonly ordering: number;
  readonly record: VisibleRecord;
  /** Where its content is, when `record.content` is `undefined`. */
  readonly location: Location | undefined;
}

/**
 * The k nearest records of a snapshot, nearest first; equal distances by id.
 *
 * What may not be returned (masked, expired, not matching) takes no part in the scan, so k come
 * back whenever k match.
 */
export async function searchSnapshot(input: SearchInput): Promise<Candidate[]> {
  const { snapshot, k } = input;
  const found: Candidate[] = [];
  for (const { loaded, live } of snapshot.segments) {
    found.push(...(await searchSegment(input, loaded, live)));
  }
  for (const chunk of snapshot.tail) found.push(...(await searchTail(input, chunk)));
  found.sort((a, b) => a.ordering - b.ordering || (a.id < b.id ? -1 : 1));
  return found.slice(0, k);
}

async function searchSegment(
  input: SearchInput,
  loaded: LoadedSegment,
  live: Uint8Array,
): Promise<Candidate[]> {
  const mask = await visibleRows({ ...input, loaded, live });
  const arena = await loaded.vectors();
  if (arena === undefined) return [];
  const hits = await searchFlat({
    ...flatInput(input),
    arena,
    rowCount: loaded.entry.vectorRows,
    mask,
    compareRows: byId((row) => loaded.idOf(row)),
  });
  return hits.map(({ row, distance }) => ({
    id: loaded.idOf(row),
    ordering: distance,
    record: loaded.visible(row),
    location: { segment: loaded, row },
  }));
}

/** Rows that readers see now and that match. */
export async function visibleRows(input: {
  readonly loaded: LoadedSegment;
  readonly live: Uint8Array;
  readonly filter?: CompiledFilter | undefined;
  readonly clock: Clock;
}): Promise<Uint8Array> {
  const { loaded, live, filter, clock } = input;
  if (filter === undefined && loaded.expiring.size === 0) return live;
  const mask = live.slice();
  if (filter !== undefined) intersectInto(mask, await loaded.matching(filter, clock));
  const nowMs = clock.nowMs();
  for (const [row, expiresAtMs] of loaded.expiring) if (nowMs >= expiresAtMs) clearBit(mask, row);
  return mask;
}

async function searchTail(
  input: SearchInput,
  chunk: Snapshot["tail"][number],
): Promise<Candidate[]> {
  const { filter, clock } = input;
  const { rows } = input.snapshot;
  const { arena, entries, rowCount } = chunk;
  const mask = chunk.live.slice();
  const nowMs = clock.nowMs();
  for (let row = 0; row < rowCount; row++) {
    if (!hasBit(mask, row)) continue;
    if (!rows.isVisible(entries[row]!, { filter, nowMs })) clearBit(mask, row);
    if (filter !== undefined && row % RECORDS_PER_BREATH === 0) await clock.breathe();
  }
  const compareRows = byId((row) => rows.id(entries[row]!));
  const hits = await searchFlat({ ...flatInput(input), arena, rowCount, mask, compareRows });
  return hits.map(({ row, distance }) => {
    const { id, visible, location } = rows.record(entries[row]!);
    return {
      id,
      ordering: distance,
      record: visible!,
      location,
    };
  });
}

/** Where records lie changes with every compaction; which of equally near ones are found must not. */
function byId(idOf: (row: number) => string): (a: number, b: number) => number {
  // Asked often of the same rows, where thousands are at one distance.
  const ids = new Map<number, string>();
  const known = (row: number): string => {
    let id = ids.get(row);
    if (id === undefined) ids.set(row, (id = idOf(row)));
    return id;
  };
  return (a, b) => (known(a) < known(b) ? -1 : 1);
}

function flatInput({ metric, query, k, clock, signal }: SearchInput) {
  return { metric, query, k, breathe: () => clock.breathe(), signal };
}
