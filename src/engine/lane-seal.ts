import type { Clock } from "../base/clock.ts";
import { randomHex, type Random } from "../base/random.ts";
import { slotKey } from "../format/keys.ts";
import { decodeSlot, encodeSlot } from "../format/slot.ts";
import type { Version } from "../format/version.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createOnce } from "./create-once.ts";
import { getDecoded } from "./get-decoded.ts";
import type { LedgerInput, SealRequest } from "./lane-ledger.ts";

/**
 * Ends lanes by taking their next slot. Whoever loses that slot has lost nothing else: a writer
 * that was alive after all goes on in its lane, or meets the seal and opens another.
 * Returns the lanes that were sealed here. Costs one PUT, and a GET where the head is not covered.
 */
export async function sealLanes(options: {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly incarnation: string;
  readonly input: LedgerInput;
  readonly requests: readonly SealRequest[];
  readonly signal?: AbortSignal | undefined;
}): Promise<SealRequest[]> {
  const { store, clock, random, incarnation, input, requests, signal } = options;
  const sealed: SealRequest[] = [];
  for (const request of requests) {
    signal?.throwIfAborted();
    const { lane, slot: number } = request;
    const version = await versionBefore(store, input, request);
    if (version === undefined) continue;
    const bytes = encodeSlot({
      kind: "seal",
      databaseId: input.manifest.databaseId,
      lane,
      number,
      incarnation,
      nonce: randomHex(random, 16),
      version,
      operations: [],
    });
    const key = slotKey(lane, number);
    const outcome = await createOnce({ store, clock, random, key, bytes });
    if (outcome.kind === "won") sealed.push(request);
  }
  return sealed;
}

/** Version of the lane's head; `undefined` when that is a seal itself or is gone. */
async function versionBefore(
  store: ObjectStore,
  { manifest }: LedgerInput,
  { lane, slot }: SealRequest,
): Promise<Version | undefined> {
  const entry = manifest.lanes.find((known) => known.lane === lane);
  if (entry?.cursor === slot - 1) return entry.lastVersion;
  const key = slotKey(lane, slot - 1);
  const head = await getDecoded(store, key, ({ bytes }) => decodeSlot(bytes, key));
  return head === undefined || head.kind === "seal" ? undefined : head.version;
}
