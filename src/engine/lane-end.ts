import type { Clock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import { slotKey } from "../format/keys.ts";
import { emptyManifest } from "../format/manifest.ts";
import { decodeSlot, encodeSlot } from "../format/slot.ts";
import type { LaneId, Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { getDecoded } from "./get-decoded.ts";
import { listLane } from "./log-listing.ts";
import { findNewestManifest, readNewestManifest } from "./manifest-store.ts";

/** A lane that is written to all the time is met at its head sooner than that. */
const ATTEMPTS_MAX = 64;

/** A lane, and what is needed to look at it or to end it. */
export interface LaneEndOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly databaseId: string;
  readonly lane: LaneId;
  /** Names the sealer: never the lane's own run, whose seal would say that it has stopped. */
  readonly newUlid: () => string;
}

/** Whether anything can still be appended to a lane. */
export type LaneState =
  | { readonly kind: "ended" }
  | {
      readonly kind: "open";
      /** The slot after its head. */
      readonly next: number;
      readonly headVersion: Version;
      /** By the store's clock, since its head was written. */
      readonly stillMs: number;
    };

/**
 * Whether a lane whose open record has been durable can still grow. The manifest is read before
 * the lane is listed, and again after it: what was covered and collected in between would be
 * missed by both. Spec: docs/specs/conditional-operations.md.
 */
export async function laneState(options: LaneEndOptions): Promise<LaneState> {
  const { store, databaseId, lane } = options;
  let manifest = (await readNewestManifest(store)) ?? emptyManifest(databaseId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const entry = manifest.lanes.find((listed) => listed.lane === lane);
    if (entry?.seal !== undefined) return { kind: "ended" };
    const { slots, storeMs } = await listLane(store, lane);
    if (((await findNewestManifest(store))?.number ?? 0) !== manifest.number) {
      manifest = (await readNewestManifest(store)) ?? manifest;
      continue;
    }
    const first = (entry?.cursor ?? -1) + 1;
    const run = slots.filter(({ number }) => number >= first);
    const gap = run.findIndex(({ number }, i) => number !== first + i);
    const next = first + (gap < 0 ? run.length : gap);
    // Every lane begins with slot 0: this one was retired, which only sealed lanes are.
    if (next === 0) return { kind: "ended" };
    const stillMs = storeMs - (run[next - first - 1]?.modifiedMs ?? entry?.headSeenMs ?? storeMs);
    if (next === first) return { kind: "open", next, headVersion: entry!.lastVersion, stillMs };
    const key = slotKey(lane, next - 1);
    const head = await getDecoded(store, key, ({ bytes }) => decodeSlot(bytes, key));
    if (head === undefined) continue;
    if (head.kind === "seal") return { kind: "ended" };
    return { kind: "open", next, headVersion: head.version, stillMs };
  }
  throw new BrainyError("BRAINY_UNAVAILABLE", `lane ${lane}: manifests pour in, try again`);
}

/**
 * Makes sure that nothing can be appended to a lane any more, by a seal at its head. Afterwards its
 * writer meets that, or a manifest that says so, with every slot it tries. `known` is what it was a
 * while ago, if somebody has looked.
 */
export async function endLane(options: LaneEndOptions, known?: LaneState): Promise<void> {
  const { store, clock, random, databaseId, lane, newUlid } = options;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const state = (attempt === 0 ? known : undefined) ?? (await laneState(options));
    if (state.kind === "ended") return;
    const bytes = encodeSlot({
      kind: "seal",
      databaseId,
      lane,
      number: state.next,
      incarnation: newUlid(),
      nonce: randomHex(random, 16),
      version: state.headVersion,
      operations: [],
    });
    const key = slotKey(lane, state.next);
    const outcome = await createOnce({ store, clock, random, key, bytes });
    if (outcome.kind === "lost") continue;
    // The name may have been used and collected since it was found free: then this is no seal.
    const after = await readNewestManifest(store);
    const entry = after?.lanes.find((listed) => listed.lane === lane);
    if (entry === undefined || entry.seal !== undefined || entry.cursor < state.next) return;
  }
  throw new BrainyError("BRAINY_CONFLICT", `lane ${lane} is written faster than it can be sealed`);
}
