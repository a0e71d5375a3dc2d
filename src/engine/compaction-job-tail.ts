import { corrupt } from "../base/errors.ts";
import { hashId, hashIdBytes, type IdHash } from "../format/hash-id.ts";
import type { Manifest } from "../format/manifest.ts";
import type { OperationColumns } from "../format/operation-columns.ts";
import type { PlainRows } from "../format/segment-from-rows.ts";
import type { SlotBatch } from "./compaction-job-slots.ts";
import { LAST_WRITE_WINS, type RecordFold } from "./record-fold.ts";
import type { RecordState } from "./record-state.ts";
import { TailRows } from "./tail-rows.ts";
import { TailTable, tableSeed } from "./tail-table.ts";

/** The number of a row that is all there is of its record, or the id of one in `states`. */
type FlushEntry = number | string;

/** What a flush has read of the log, folded record by record. */
export class FlushTail {
  /** Records that are more than one plain put, or that an older segment has too. */
  readonly states = new Map<string, RecordState>();
  readonly #fold: RecordFold;
  readonly #rows = new TailRows();
  readonly #table = new TailTable<FlushEntry>();
  readonly #seed: number;
  readonly #floor: Manifest["floor"];
  #dimension: number | undefined;
  /** Operations at or below the floor: nothing may appear there any more. */
  junkCount = 0;

  constructor(fold: RecordFold, { databaseId, floor, dimensions }: Manifest) {
    this.#fold = fold;
    this.#seed = tableSeed(databaseId);
    this.#floor = floor;
    this.#dimension = dimensions;
  }

  /** Records, in places `[0, count)`. */
  get count(): number {
    return this.#table.entries.length;
  }

  add({ columns, where }: SlotBatch): void {
    const from = columns.firstAbove(this.#floor);
    this.junkCount += from;
    this.#checkDimension(columns, from, where);
    const first = this.#rows.add(columns);
    const { entries } = this.#table;
    // Every other fold has more to keep of a put than what readers see.
    const isCopied = this.#fold === LAST_WRITE_WINS;
    let row = from;
    const isSame = (entry: FlushEntry): boolean => this.#idOf(entry) === columns.id(row);
    for (; row < columns.count; row++) {
      const hash = columns.idHash(row, this.#seed);
      const place = this.#table.find(hash, isSame);
      if (isCopied && place < 0 && columns.isPlain(row)) {
        this.#table.add(hash, first + row);
        continue;
      }
      const operation = columns.operation(row);
      if (place < 0) {
        this.states.set(operation.id, this.#fold.stateOf(operation));
        this.#table.add(hash, operation.id);
        continue;
      }
      if (typeof entries[place] === "number") this.state(place);
      const before = this.states.get(operation.id)!;
      this.states.set(operation.id, this.#fold.merge(before, this.#fold.stateOf(operation)));
    }
  }

  id(place: number): string {
    return this.#idOf(this.#table.entries[place]!);
  }

  /** The hash of its id that segments have. */
  hash(place: number): IdHash {
    const entry = this.#table.entries[place]!;
    if (typeof entry === "string") return hashId(entry);
    const { columns, row } = this.#rows.at(entry);
    return hashIdBytes(columns.idBytes(row));
  }

  /** The record as a state, which it stays; `undefined` when it was taken out of `states`. */
  state(place: number): RecordState | undefined {
    const entry = this.#table.entries[place]!;
    if (typeof entry === "string") return this.states.get(entry);
    const { columns, row } = this.#rows.at(entry);
    const operation = columns.operation(row);
    const state = this.#fold.stateOf(operation);
    this.states.set(operation.id, state);
    this.#table.entries[place] = operation.id;
    return state;
  }

  /** The records that are no states, slot by slot. */
  plainRows(): readonly PlainRows[] {
    const plain: PlainRows[] = [];
    let columns: OperationColumns | undefined;
    let rows: number[] = [];
    const end = (): void => {
      if (columns !== undefined) plain.push({ columns, rows: Uint32Array.from(rows) });
    };
    for (const entry of this.#table.entries) {
      if (typeof entry === "string") continue;
      const at = this.#rows.at(entry);
      if (at.columns !== columns) {
        end();
        columns = at.columns;
        rows = [];
      }
      rows.push(at.row);
    }
    end();
    return plain;
  }

  #idOf(entry: FlushEntry): string {
    return typeof entry === "string" ? entry : this.#rows.id(entry);
  }

  #checkDimension(columns: OperationColumns, from: number, where: string): void {
    const { dimension } = columns;
    if (dimension === 0) return;
    for (let row = from; row < columns.count; row++) {
      if (!columns.hasVector(row)) continue;
      this.#dimension ??= dimension;
      if (dimension === this.#dimension) return;
      const lengths = `${dimension} dimensions, not ${this.#dimension}`;
      throw corrupt(where, `the vector of ${JSON.stringify(columns.id(row))} has ${lengths}`);
    }
  }
}
