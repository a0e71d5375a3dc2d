import type { BucketCheck, StoredObject } from "./bucket-record.ts";
import { claimOf } from "./manifest-chain.ts";

/**
 * Of the records that are written under conditions only, each operation that takes effect was made
 * from the one that took effect before it, whoever was told of it. What it was made from is what it
 * says that its author had seen: nothing, or the version that a condition named.
 */
export class DecisionChain implements BucketCheck {
  readonly #present = new Map<string, string | undefined>();

  /** `conditionalIds`: ids that are written under conditions only. */
  constructor(conditionalIds: readonly string[]) {
    for (const id of conditionalIds) this.#present.set(id, undefined);
  }

  stored(object: StoredObject): void {
    // What comes once more has taken effect already, or is behind a seal.
    if (object.kind !== "slot" || object.isAgain) return;
    for (const { id, kind, version, seen = [] } of object.slot.operations) {
      if (!this.#present.has(id)) continue;
      const present = this.#present.get(id);
      const from = seen.toSorted().at(-1);
      claimOf(`${kind} ${version}`)(
        from === present,
        `${id} is at ${present ?? "nothing"}, it was made from ${from ?? "nothing"}`,
      );
      this.#present.set(id, kind === "delete" ? undefined : version);
    }
  }
}
