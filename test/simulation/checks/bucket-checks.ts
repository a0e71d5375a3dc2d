import type { ConflictResolution } from "../../../src/format/config.ts";
import { CONDITIONAL_IDS } from "../observe.ts";
import { JUDGES } from "../oracle.ts";
import { BucketRecord, type BucketCheck } from "./bucket-record.ts";
import { DecisionChain } from "./decision-chain.ts";
import { garbageOf, remainsOf } from "./garbage.ts";
import { LaneSlots } from "./lane-slots.ts";
import { LeaseEpochs } from "./lease-epochs.ts";
import { ManifestChain } from "./manifest-chain.ts";
import { NeededObjects } from "./needed-objects.ts";
import { SegmentFold } from "./segment-fold.ts";

/** Feeds every object that takes effect, and every delete, to all checks of a bucket. */
export class BucketChecks {
  readonly record = new BucketRecord();
  /** How much was judged: objects stored, by kind, and deletes. */
  readonly judged = new Map<string, number>();
  readonly #checks: readonly BucketCheck[];
  readonly #fail: (error: unknown) => void;
  readonly #nowMs: () => number;

  /** `fail` is told what a check has thrown; the first time is what counts. */
  constructor(options: {
    readonly checks: readonly BucketCheck[];
    readonly fail: (error: unknown) => void;
    readonly nowMs: () => number;
  }) {
    this.#checks = options.checks;
    this.#fail = options.fail;
    this.#nowMs = options.nowMs;
  }

  /** All that there are. */
  static of(options: {
    readonly resolution: ConflictResolution;
    readonly fail: (error: unknown) => void;
    readonly nowMs: () => number;
  }): BucketChecks {
    const checks = [
      new ManifestChain(),
      new NeededObjects(),
      new LaneSlots(),
      new LeaseEpochs(CONDITIONAL_IDS),
      new DecisionChain(CONDITIONAL_IDS),
      new SegmentFold(JUDGES[options.resolution].fold),
    ];
    return new BucketChecks({ ...options, checks });
  }

  stored(key: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#guard(() => {
      const object = this.record.read(key, bytes, this.#nowMs());
      this.#count(`${object.kind} objects`);
      for (const check of this.#checks) {
        check.stored?.(object, this.record)?.catch((error: unknown) => this.#fail(error));
      }
      this.record.stored(object);
    });
  }

  deleted(key: string): void {
    this.#guard(() => {
      const object = this.record.objects.get(key);
      if (object === undefined) return;
      this.#count("deletes");
      for (const check of this.#checks) check.deleted?.(object, this.record, this.#nowMs());
      this.record.deleted(key);
    });
  }

  #count(what: string): void {
    this.judged.set(what, (this.judged.get(what) ?? 0) + 1);
  }

  /** Throws when there is something that nothing needs, or bytes with a mark that is to be gone. */
  checkLeftovers(isErased: (mark: string) => boolean): void {
    const nowMs = this.#nowMs();
    const garbage = garbageOf(this.record, nowMs);
    if (garbage.length > 0) throw new Error(`nothing needs ${garbage.join(", ")}`);
    const remains = remainsOf(this.record, { nowMs, isErased });
    if (remains.length > 0) throw new Error(`what is gone is still there: ${remains.join(", ")}`);
  }

  /** A check is no part of the request that it looks at: what it throws fails the run, not that. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }
}
