import { assert } from "../base/assert.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { Attributes, Operation } from "../format/operation.ts";
import { versionMillis } from "../format/version.ts";
import { isExpired, stateOf, type RecordState, type VisibleRecord } from "./record-state.ts";
import type { CompiledFilter } from "./filter.ts";
import { matches, type LoadedSegment } from "./loaded-segment.ts";

/** Where a segment keeps the row of a record. */
export interface Location {
  readonly segment: LoadedSegment;
  readonly row: number;
}

/**
 * A record that has operations in the tail: those operations, without what segments hold of it,
 * and what follows from both. Replaced, never changed.
 */
export interface TailRecord extends RecordState {
  readonly id: string;
  /** The unmasked row that segments hold of it. */
  readonly location: Location | undefined;
  /** What readers see; its content is `undefined` where `location` has it. */
  readonly visible: VisibleRecord | undefined;
}

/**
 * A record of the tail: the number of a row, when that put is all there is of it anywhere, else
 * its fold. Most are rows, and cost no object.
 */
export type TailEntry = number | TailRecord;

/** The slots, or parts of slots, that rows are numbered through. */
interface Batch {
  readonly columns: OperationColumns;
  /** Number of its first row. */
  readonly first: number;
}

/** Rows of slots by number. Numbers are given once and never again, so snapshots share this. */
export class TailRows {
  readonly #batches: Batch[] = [];
  #last: Batch | undefined;
  #count = 0;

  /** The number of the first row of `columns`, which are added unless they came last. */
  add(columns: OperationColumns): number {
    const newest = this.#batches.at(-1);
    if (newest?.columns === columns) return newest.first;
    const batch = { columns, first: this.#count };
    this.#count += columns.count;
    this.#batches.push(batch);
    return batch.first;
  }

  /** The columns that a row is of, and its place there. */
  at(number: number): { readonly columns: OperationColumns; readonly row: number } {
    const { columns, first } = this.#batchOf(number);
    return { columns, row: number - first };
  }

  record(entry: TailEntry): TailRecord {
    if (typeof entry !== "number") return entry;
    const { columns, first } = this.#batchOf(entry);
    const operation = columns.operation(entry - first);
    assert(isPut(operation), "a row that stands for a record is a put");
    const { base, patches } = stateOf(operation);
    return { id: operation.id, base, patches, location: undefined, visible: operation };
  }

  id(entry: TailEntry): string {
    if (typeof entry !== "number") return entry.id;
    const { columns, first } = this.#batchOf(entry);
    return columns.id(entry - first);
  }

  /**
   * When the first operation that the record is made of was stamped; `undefined` of one that is
   * here for what it shows, and whose operations are all in segments.
   */
  millis(entry: TailEntry): number | undefined {
    if (typeof entry !== "number") {
      const first = entry.base ?? entry.patches[0];
      return first && versionMillis(first.version);
    }
    const { columns, first } = this.#batchOf(entry);
    return columns.millis(entry - first);
  }

  /** Whether readers see the record now, and it matches. Makes no record of a row. */
  isVisible(
    entry: TailEntry,
    { filter, nowMs }: { readonly filter?: CompiledFilter | undefined; readonly nowMs: number },
  ): boolean {
    let record: Pick<VisibleRecord, "id" | "attributes" | "metadata"> | undefined;
    let attributes: Attributes | undefined;
    if (typeof entry === "number") {
      const { columns, first } = this.#batchOf(entry);
      const row = entry - first;
      attributes = columns.attributes(row);
      if (filter !== undefined) {
        record = columns.described(row);
      }
    } else {
      record = entry.visible;
      if (record === undefined) return false;
      attributes = record.attributes;
    }
    if (isExpired(attributes, nowMs)) return false;
    return filter === undefined || matches(filter, record!);
  }

  #batchOf(number: number): Batch {
    const last = this.#last;
    // Whoever goes through rows stays in one batch for long.
    if (last !== undefined && number >= last.first && number < last.first + last.columns.count) {
      return last;
    }
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.first <= number) low = middle + 1;
      else high = middle;
    }
    const batch = this.#batches[low - 1];
    assert(batch !== undefined, "a row has a number that was given");
    this.#last = batch;
    return batch;
  }
}

function isPut(operation: Operation): operation is VisibleRecord {
  return operation.kind === "put" && operation.metadata !== undefined;
}
