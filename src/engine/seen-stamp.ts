import type { DraftColumns } from "../format/draft-columns.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { VersionRun } from "../format/operations-block.ts";
import { KIND_BITS, KIND_MASK } from "../format/operations-layout.ts";
import { makeVersion, versionLane, type LaneId, type Version } from "../format/version.ts";
import { SIBLINGS_MAX } from "./sibling-fold.ts";

/** An operation of this process that is stamped and not visible here yet. */
interface Pending {
  readonly version: Version;
  readonly seen: readonly Version[];
}

/**
 * Says of each put and delete what its author has read: what this process knew of the record when
 * the write was asked for, and its own writes before this one, also those that are on their way.
 * What it learns between the call and the stamp nobody has read. Of a draft that was made from a
 * read (`update`) it is what that read had seen.
 */
export class SeenStamp {
  readonly #known: (id: string) => readonly Version[];
  /** What was known of each row that was not made from a read. */
  readonly #asked = new WeakMap<DraftColumns, ReadonlyMap<number, readonly Version[]>>();
  readonly #ownLanes = new Set<LaneId>();
  readonly #pending = new Map<string, readonly Pending[]>();

  /** `known`: what somebody has read who has read all that this process knows of a record. */
  constructor(known: (id: string) => readonly Version[]) {
    this.#known = known;
  }

  /** To be called when a write is asked for, or decided. */
  asked(drafts: DraftColumns): void {
    const asked = new Map<number, readonly Version[]>();
    for (const [row, id] of drafts.ids.entries()) {
      // A delete is never made from a read: it is of the record, whatever its author said of it.
      const isMade = drafts.seen(row) !== undefined && !isOf(drafts, row, "delete");
      if (!isMade) asked.set(row, this.#known(id));
    }
    this.#asked.set(drafts, asked);
  }

  /** The same drafts with what they have seen, as they go into the log with these versions. */
  stamp(parts: readonly DraftColumns[], { lane, millis, counter }: VersionRun): DraftColumns[] {
    this.#ownLanes.add(lane);
    let next = counter;
    return parts.map((drafts) =>
      drafts.withSeen((row) => {
        const id = drafts.ids[row]!;
        const seen = this.#seenBy(drafts, row);
        const version = makeVersion(millis, next++, lane);
        this.#pending.set(id, [...this.#pendingOf(id), { version, seen }]);
        return seen;
      }),
    );
  }

  /** They are visible here, or will never be: either way nothing has to be remembered of them. */
  settle(columns: OperationColumns): void {
    for (let row = 0; row < columns.count; row++) {
      const id = columns.id(row);
      const version = columns.version(row);
      const left = this.#pendingOf(id).filter((pending) => pending.version !== version);
      if (left.length === 0) this.#pending.delete(id);
      else this.#pending.set(id, left);
    }
  }

  #pendingOf(id: string): readonly Pending[] {
    return this.#pending.get(id) ?? [];
  }

  #seenBy(drafts: DraftColumns, row: number): readonly Version[] {
    const id = drafts.ids[row]!;
    const asked = this.#asked.get(drafts)?.get(row);
    const given = asked === undefined ? drafts.seen(row) : undefined;
    if (isOf(drafts, row, "patch")) return drafts.seen(row) ?? [];
    const pending = this.#pendingOf(id);
    const replaced = new Set(pending.flatMap(({ seen }) => seen));
    const own = pending.flatMap(({ version }) => (replaced.has(version) ? [] : version));
    const known = [...this.#known(id).filter((version) => !replaced.has(version)), ...own];
    const seen = new Set(given ?? asked);
    const others = known.filter((version) => !seen.has(version));
    // One process alone never makes more siblings than can be shown: the oldest are replaced.
    const more =
      given === undefined
        ? others.filter((version) => this.#ownLanes.has(versionLane(version)))
        : others.slice(0, Math.max(0, others.length - SIBLINGS_MAX + 1));
    for (const version of more) seen.add(version);
    return [...seen];
  }
}

function isOf({ flags }: DraftColumns, row: number, kind: keyof typeof KIND_BITS): boolean {
  return (flags[row]! & KIND_MASK) === KIND_BITS[kind];
}
