import type { Clock } from "./base/clock.ts";
import { Coalesced } from "./cluster/coalesced.ts";
import type { Hint } from "./cluster/hint.ts";
import type { Hints } from "./cluster/hints.ts";
import type { Database } from "./engine/database.ts";
import type { View } from "./engine/view.ts";
import type { LaneId } from "./format/version.ts";

/*
 * Compaction on request: `compact()` of an instance that does not hold maintenance asks the one
 * that does.
 *
 *   asks ──compact──► holder works, and says so every few seconds ──done──► asker looks, and checks
 *     │                                        │
 *     └──────── silence for ten seconds ───────┴──► the asker does it itself
 */

/** How often the holder says that it is at work. */
const PROGRESS_MS = 3_000;
/** Silence, and a manifest that stands still for so long, mean that nobody does it. */
const SILENCE_MS = 10_000;
/** The longest that anybody waits for another. */
const WAIT_MS_MAX = 10 * 60_000;
/** How often the asker looks whether it is done, if nobody wakes it. */
const LOOK_MS = 1_000;
/** Requests that are answered together. */
const REQUESTS_MAX = 100;
/** Between two compactions on request. */
const SPACING_MS = 1_000;

/** What serving requests needs. */
export interface CompactionServiceOptions {
  readonly clock: Clock;
  readonly hints: Hints;
  readonly signal: AbortSignal;
  readonly database: () => Database | undefined;
}

/** Compacts when others ask, if this run holds maintenance. One at a time, for all who asked. */
export class CompactionService {
  readonly #options: CompactionServiceOptions;
  readonly #requests = new Set<string>();
  readonly #work: Coalesced;

  constructor(options: CompactionServiceOptions) {
    const { clock, signal } = options;
    this.#options = options;
    this.#work = new Coalesced({
      clock,
      signal,
      spacingMs: SPACING_MS,
      run: () => this.#compact(),
    });
  }

  hear({ payload: { request } }: Hint): void {
    const isNew = typeof request === "string" && request.length <= 64;
    if (!isNew || this.#requests.size >= REQUESTS_MAX) return;
    if (this.#options.database()?.isHolder !== true) return;
    this.#requests.add(request);
    this.#work.request();
  }

  settled(): Promise<void> {
    return this.#work.settled();
  }

  async #compact(): Promise<void> {
    const { clock, hints, signal, database } = this.#options;
    const requests = [...this.#requests];
    this.#requests.clear();
    const over = new AbortController();
    const answer = (isDone: boolean): void => {
      for (const request of requests) hints.publish("compacted", { request, isDone }, request);
    };
    const tell = async (): Promise<void> => {
      while (!over.signal.aborted) {
        answer(false);
        await clock.sleep(PROGRESS_MS, over.signal).catch(() => undefined);
      }
    };
    const telling = tell();
    try {
      // Never taken over for others: who asked has other means.
      await database()?.compact({ signal, takeOver: false });
      over.abort();
      await telling;
      answer(true);
    } finally {
      over.abort();
      await telling;
    }
  }
}

/**
 * Asks `holder` to compact, and waits while it says or shows that it is at work. `true` once it is
 * done and everything that was in the log before is in segments; `false` when nobody does it.
 */
export async function askToCompact(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly hints: Hints;
  /** Incarnation that the newest manifest names. */
  readonly holder: string;
  /** Of this process. */
  readonly incarnation: string;
  readonly signal: AbortSignal | undefined;
}): Promise<boolean> {
  const { database, clock, hints, signal } = options;
  let { holder } = options;
  const request = database.newUlid();
  const targets = new Map(database.view!.positions);
  let wake = new AbortController();
  let isDone = false;
  let number = database.view!.manifest.number;
  const startedMs = clock.monotonicMs();
  let heardMs = startedMs;
  const stop = hints.subscribe("compacted", ({ incarnation, payload }) => {
    if (incarnation !== holder || payload["request"] !== request) return;
    heardMs = clock.monotonicMs();
    isDone ||= payload["isDone"] === true;
    if (isDone) wake.abort();
  });
  const giveUp = (): void => wake.abort();
  signal?.addEventListener("abort", giveUp);
  try {
    hints.publish("compact", { request }, request);
    for (;;) {
      await clock.sleep(LOOK_MS, wake.signal).catch(() => undefined);
      signal?.throwIfAborted();
      wake = new AbortController();
      await database.catchUp();
      const view = database.view!;
      if (isDone && view.manifest.holder === holder) return isCovered(view, targets);
      const nowMs = clock.monotonicMs();
      if (view.manifest.number !== number) heardMs = nowMs;
      number = view.manifest.number;
      if (view.manifest.holder !== holder) {
        // Whoever has taken over is let work, and asked in turn: else all would fence each other.
        ({ holder } = view.manifest);
        if (holder === "" || holder === options.incarnation) return false;
        isDone = false;
        hints.publish("compact", { request }, request);
      }
      if (nowMs - heardMs >= SILENCE_MS || nowMs - startedMs >= WAIT_MS_MAX) return false;
    }
  } finally {
    stop();
    signal?.removeEventListener("abort", giveUp);
  }
}

/** Whether segments hold every slot up to these; a lane that is gone was retired, and so it is. */
function isCovered(view: View, targets: ReadonlyMap<LaneId, number>): boolean {
  const cursors = new Map(view.manifest.lanes.map(({ lane, cursor }) => [lane, cursor]));
  for (const [lane, slot] of targets) {
    if (view.positions.has(lane) && (cursors.get(lane) ?? -1) < slot) return false;
  }
  return true;
}
