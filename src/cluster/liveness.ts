import type { Heartbeat } from "../format/heartbeat.ts";
import { parseHeartbeatKey } from "../format/keys.ts";
import type { ObjectInfo } from "../storage/object-store.ts";

/*
 * Who is alive, by change that this process has seen on its own monotonic clock.
 *
 *     unknown ──first sight──► active ──stood still──► stale
 *        │                        ▲  └──object gone──► gone
 *        └──very old by store time┼────────────────────► stale
 *                                 └────changed────────────┘
 *
 * This file decides and does nothing else. A LIST tells who changed; what an object says is only
 * read at first sight, until it was understood once, and before a run is called stale. Spec: docs/specs/registry.md.
 */

/** Without an operation of a user for so long, a run is idle. */
export const IDLE_AFTER_MS = 10 * 60_000;

/** When a run that nobody could read yet would have spoken at the latest. */
export const IDLE_INTERVAL_MS = 120_000;

/** At first sight, a heartbeat so many times older than it may become is no sign of life. */
const FAR_BEYOND = 5;

/** Store time after which the object of a stale run is removed. */
const REMOVE_AFTER_MS = 24 * 3_600_000;

/** One LIST of all heartbeats. */
export interface Look {
  /** By the observer's monotonic clock: nothing after this is known to be unchanged. */
  readonly startedMs: number;
  readonly endedMs: number;
  /** The store's own clock. */
  readonly storeMs: number;
  readonly objects: readonly ObjectInfo[];
}

/** A process run as its observer knows it. */
export interface ObservedRun {
  readonly key: string;
  readonly instanceId: string;
  readonly incarnation: string;
  /** Of the newest object that was seen. */
  readonly etag: string;
  /** When that was seen first, by the observer's monotonic clock. */
  readonly seenMs: number;
  /** Age of the object by the store's clock, at the newest look. */
  readonly ageMs: number;
  /** Whether the object has changed under the observer's eyes. */
  readonly hasMoved: boolean;
  readonly status: "active" | "stale";
  /** The newest object that was read, and its etag. Unreadable ones have an etag only. */
  readonly heartbeat: Heartbeat | undefined;
  readonly readEtag: string | undefined;
}

/** The runs after a look; whose object is gone is left out. Nobody is judged yet. */
export function observe(
  runs: ReadonlyMap<string, ObservedRun>,
  look: Look,
): Map<string, ObservedRun> {
  const observed = new Map<string, ObservedRun>();
  for (const { key, etag, modifiedMs } of look.objects) {
    const name = parseHeartbeatKey(key);
    if (name === undefined) continue;
    const ageMs = look.storeMs - modifiedMs;
    const known = runs.get(key);
    if (known?.etag === etag) {
      observed.set(key, { ...known, ageMs });
    } else if (known !== undefined) {
      observed.set(key, { ...known, etag, ageMs, seenMs: look.endedMs, hasMoved: true });
    } else {
      observed.set(key, {
        key,
        ...name,
        etag,
        ageMs,
        seenMs: look.endedMs,
        hasMoved: false,
        status: "active",
        heartbeat: undefined,
        readEtag: undefined,
      });
    }
  }
  return observed;
}

/** Whether its object has to be read before the run can be judged. */
export function mustRead(run: ObservedRun, look: Look, timeoutMs: number): boolean {
  if (run.readEtag === undefined) return true;
  // What nobody could understand may have been damaged on its way, and the next one is readable.
  if (run.heartbeat === undefined && run.readEtag !== run.etag) return true;
  return run.readEtag !== run.etag && judge(run, look, timeoutMs) === "stale";
}

/** A run whose object was read. What was read may be newer than the look: that is a change too. */
export function learn(
  run: ObservedRun,
  read: {
    readonly etag: string;
    /** `undefined`: it could not be understood. */
    readonly heartbeat: Heartbeat | undefined;
    readonly nowMs: number;
  },
): ObservedRun {
  const { etag, heartbeat = run.heartbeat, nowMs } = read;
  const learned = { ...run, heartbeat, readEtag: etag };
  return etag === run.etag ? learned : { ...learned, etag, seenMs: nowMs, hasMoved: true };
}

/**
 * Active while it has changed within the time it is allowed, as far as the look can tell. A time
 * in which the observer did not look counts only when the next look finds the object unchanged.
 */
export function judge(run: ObservedRun, look: Look, timeoutMs: number): "active" | "stale" {
  const allowedMs = Math.max(timeoutMs, 2 * (run.heartbeat?.nextInMs ?? IDLE_INTERVAL_MS));
  if (look.startedMs - run.seenMs >= allowedMs) return "stale";
  return !run.hasMoved && run.ageMs >= FAR_BEYOND * allowedMs ? "stale" : "active";
}

/** Whether the object of a run that was judged may go. */
export function isRemovable(run: ObservedRun): boolean {
  return run.status === "stale" && run.ageMs >= REMOVE_AFTER_MS;
}
