import { assert } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import type { RowDistances } from "./arena-search.ts";
import { GRAPH_FIELDS, WALK_FIELDS, placeFields } from "./code-fields.ts";
import { WIDTH_MAX, type RowCodes } from "./row-codes.ts";

/** A graph over rows that were encoded. */
export interface RowGraphOptions {
  readonly codes: RowCodes;
  /** Links of a row on upper levels, twice as many on level 0: `M` of the paper. Default 16. */
  readonly degree?: number | undefined;
}

/** Which rows to add, and how thoroughly. */
export interface AddRowsOptions {
  readonly start: number;
  readonly end: number;
  /** Rows among which the links of each are chosen: `efConstruction` of the paper. */
  readonly width: number;
}

/** A place in a list of links where there is none, and the entry of a graph without rows. */
const NONE = 0xffff_ffff;
/** Groups of rows that threads lock; more would not be waited for less. */
const LOCKS = 4_096;

/**
 * A graph over coded rows: hierarchical navigable small worlds (Malkov and Yashunin,
 * arXiv 1603.09320).
 *
 * Memory: for each row 8 * degree bytes of links, 5 beside them, and about 5 for upper levels.
 */
export class RowGraph {
  readonly codes: RowCodes;
  readonly #graph: number;
  readonly #walk: Readonly<Record<keyof typeof WALK_FIELDS, number>> & { readonly address: number };
  #addedCount = 0;

  constructor({ codes, degree = 16 }: RowGraphOptions) {
    assert(degree >= 2 && degree <= 64 && degree % 2 === 0, () => `a degree of ${degree}`);
    this.codes = codes;
    const { memory, rowCount } = codes;
    const levels = levelsOf(codes, degree);
    const starts = new Uint32Array(rowCount);
    let lists = 0;
    levels.forEach((level, row) => {
      starts[row] = lists;
      lists += level;
    });
    const values = {
      ...codes.values,
      degree,
      links: memory.take(rowCount * degree * 8),
      upperStarts: memory.take(rowCount * 4),
      upper: memory.take(lists * degree * 4),
      levels: memory.take(rowCount),
      locks: memory.take(LOCKS * 4),
      lockMask: LOCKS - 1,
      topLock: 0,
      entry: NONE,
      topLevel: 0,
    };
    this.#graph = placeFields(memory, GRAPH_FIELDS, values);
    this.#walk = this.#newWalk(degree);
    const { words, bytes } = memory;
    words.fill(NONE, values.links >> 2, (values.links >> 2) + rowCount * degree * 2);
    words.fill(NONE, values.upper >> 2, (values.upper >> 2) + lists * degree);
    words.set(starts, values.upperStarts >> 2);
    bytes.set(levels, values.levels);
  }

  /** Rows that were added: these are what a search finds. */
  get addedCount(): number {
    return this.#addedCount;
  }

  /** Adds rows in order; they must be encoded, and those before them added. */
  addRows({ start, end, width }: AddRowsOptions): void {
    const { memory, encodedCount } = this.codes;
    assert(start === this.#addedCount && start <= end, "rows are added in order");
    assert(end <= encodedCount, "a row without a code");
    assert(width >= 1 && width <= WIDTH_MAX, () => `a width of ${width}`);
    memory.exports.addRows(this.#graph, this.#walk.address, start, end, 1, width);
    this.#addedCount = end;
  }

  /**
   * The best rows that a walk of this width finds, best first, with estimated distances: what
   * orders them is right up to the rounding of codes, what they are means nothing else.
   */
  search(query: Float32Array, width: number): RowDistances {
    assert(width >= 1 && width <= WIDTH_MAX, () => `a width of ${width}`);
    const { codes } = this;
    codes.setQuery(query, this.#walk);
    const size = codes.memory.exports.searchGraph(this.#graph, this.#walk.address, width);
    return codes.results(this.#walk, size);
  }

  /** Distances that all searches and additions computed since the last call. */
  takeDistanceCount(): number {
    const { words } = this.codes.memory;
    const at = (this.#walk.address + WALK_FIELDS.distanceCount) >> 2;
    const count = words[at]!;
    words[at] = 0;
    return count;
  }

  #newWalk(degree: number) {
    const { memory, rowCount } = this.codes;
    // Four at a time write a little behind the last.
    const linksBytes = (2 * degree + 8) * 4;
    const visitedBytes = Math.ceil((rowCount + 1) / 64) * 8;
    const values = {
      ...this.codes.newScratch(),
      visited: memory.take(visitedBytes),
      visitedBytes,
      other: this.codes.newProbe(),
      list: memory.take(linksBytes),
      chosen: memory.take(linksBytes),
      chosenDistances: memory.take(linksBytes),
      pruned: memory.take(2 * linksBytes),
    };
    return { ...values, address: placeFields(memory, WALK_FIELDS, values) };
  }
}

/** Level l or above has one row in degree ** l (section 4.1 of the paper). */
function levelsOf({ rowCount, seed }: RowCodes, degree: number): Uint8Array {
  const random = seededRandom(seed);
  const factor = 1 / Math.log(degree);
  return Uint8Array.from({ length: rowCount }, () =>
    Math.min(15, Math.floor(-Math.log(1 - random.next()) * factor)),
  );
}
