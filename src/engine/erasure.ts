import type { Manifest, SegmentEntry } from "../format/manifest.ts";
import { versionMillis } from "../format/version.ts";

/*
 * When what was deleted has to be out of every object. Pure; spec: docs/specs/erasure.md.
 *
 *     delete ──► flush ──► segment rewritten ──► last manifest that names the old one goes
 *            1/4        1/4                   1/4                              1/4 to spare
 *
 * All times are the store's own.
 */

/** The shortest deadline: a quarter of it is an hour. */
export const DELETED_GONE_WITHIN_MIN_MS = 4 * 3_600_000;

/** How long each step may wait before it is due for its age alone. */
export function erasureStepMs(options: { readonly deletedGoneWithinMs: number }): number {
  return options.deletedGoneWithinMs / 4;
}

/** How often a process that may maintain looks whether something is due for its age. */
export function lookEveryMs(options: { readonly deletedGoneWithinMs: number }): number {
  return options.deletedGoneWithinMs / 168;
}

/**
 * Since when something waits to be erased; `undefined` when nothing does, as far as known here.
 * `tailSinceMs` is the time of the oldest operation of the tail.
 */
export function waitingSinceMs(
  manifest: Manifest,
  tailSinceMs: number | undefined,
): number | undefined {
  let since = tailSinceMs;
  for (const segment of manifest.segments) {
    const remains = remainsSinceMs(segment);
    if (remains !== undefined && (since === undefined || remains < since)) since = remains;
  }
  return since;
}

/**
 * Since when a segment holds what no reader sees. Where masks carry no time, an early one: that of
 * its newest row.
 */
export function remainsSinceMs(segment: SegmentEntry): number | undefined {
  if (segment.remainsSinceMs !== undefined) return segment.remainsSinceMs;
  return segment.deletions === undefined ? undefined : versionMillis(segment.maxVersion);
}

/** Segments whose remains have waited for their step, whether or not the floor has passed them. */
export function overdueSegments(
  manifest: Manifest,
  options: { readonly deletedGoneWithinMs: number },
  storeMs: number,
): SegmentEntry[] {
  return manifest.segments.filter((segment) => {
    const since = remainsSinceMs(segment);
    return since !== undefined && storeMs - since >= erasureStepMs(options);
  });
}
