import { BrainyError } from "../base/errors.ts";
import { slotKey } from "../format/keys.ts";
import type { Manifest } from "../format/manifest.ts";
import { VERSION_ZERO, type LaneId, type Version } from "../format/version.ts";
import type { LogListing } from "./log-listing.ts";

/** What a process knew of the log before it listed it. */
export interface KnownLog {
  /** Of each lane the last slot; all before it are known too, or were covered. */
  readonly positions: ReadonlyMap<LaneId, number>;
  /** The greatest version of each lane that was read or written here. */
  readonly versions: ReadonlyMap<LaneId, Version>;
}

/**
 * A slot that was known before the log was listed, and neither is in the listing nor may have been
 * collected, by a manifest that is at least as new; `undefined` where there is none.
 *
 * A slot is collected only when every manifest covers it, and a lane is listed until the floor has
 * passed it. So this means that what was acknowledged has been taken out of the store, by somebody
 * who put an older copy in its place. Spec: docs/specs/older-copy.md.
 */
export function lostSlot(
  { positions, versions }: KnownLog,
  manifest: Manifest,
  listing: LogListing,
): string | undefined {
  const cursors = new Map<LaneId, number>(manifest.lanes.map(({ lane, cursor }) => [lane, cursor]));
  const sealed = new Set(
    manifest.lanes.filter(({ seal }) => seal !== undefined).map(({ lane }) => lane),
  );
  for (const [lane, position] of positions) {
    // Nothing counts after a seal; a retired lane whose open record came again gets another one.
    if (sealed.has(lane)) continue;
    const cursor = cursors.get(lane);
    const from = (cursor ?? -1) + 1;
    if (position < from) continue;
    // Retired, or what came back of it: nothing at or below the floor counts any more.
    if ((versions.get(lane) ?? VERSION_ZERO) <= manifest.floor) continue;
    const listed = new Set(listing.lanes.get(lane)?.map(({ number }) => number));
    for (let number = from; number <= position; number++) {
      if (!listed.has(number)) return slotKey(lane, number);
    }
  }
  return undefined;
}

/** The error of a process that knows more than its store. */
export function historyLost(what: string): BrainyError {
  return new BrainyError(
    "BRAINY_FENCED",
    `${what}: an older copy was put in the place of the database, or part of it is gone; reopen`,
  );
}
