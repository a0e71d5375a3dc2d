import type { Clock } from "../base/clock.ts";

/** Ids sorted between two breaths: about 2 ms. */
const PER_BREATH = 2_000;

/**
 * Numbers `0..count-1` in order of their ids (by UTF-16 code units). Merge sort in pieces, so that
 * sorting a million ids does not stop the event loop.
 */
export async function sortById(
  count: number,
  idOf: (row: number) => string,
  clock: Clock,
): Promise<Uint32Array> {
  const ids: string[] = [];
  let runs: number[][] = [];
  for (let start = 0; start < count; start += PER_BREATH) {
    const end = Math.min(count, start + PER_BREATH);
    const run: number[] = [];
    for (let row = start; row < end; row++) {
      ids.push(idOf(row));
      run.push(row);
    }
    runs.push(run.sort((a, b) => (ids[a]! < ids[b]! ? -1 : 1)));
    await clock.breathe();
  }
  while (runs.length > 1) {
    const merged: number[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const [a, b] = [runs[i]!, runs[i + 1]];
      merged.push(b === undefined ? a : await mergeRuns(a, b, ids, clock));
    }
    runs = merged;
  }
  return Uint32Array.from(runs[0] ?? []);
}

async function mergeRuns(
  a: readonly number[],
  b: readonly number[],
  ids: readonly string[],
  clock: Clock,
): Promise<number[]> {
  const merged: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const takeA = j >= b.length || (i < a.length && ids[a[i]!]! < ids[b[j]!]!);
    merged.push(takeA ? a[i++]! : b[j++]!);
    if (merged.length % (8 * PER_BREATH) === 0) await clock.breathe();
  }
  return merged;
}
