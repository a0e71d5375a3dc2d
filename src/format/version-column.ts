import { corrupt } from "../base/errors.ts";
import { uint32View } from "./blob-column.ts";
import { COUNTER_MAX, makeVersion, versionCounter, versionLane, versionMillis } from "./version.ts";
import type { LaneId, Version } from "./version.ts";

/** Bytes of one row: millis low u32, millis high u32, counter u32, lane u32 (into META's list). */
export const VERSION_ROW_BYTES = 16;

/** A version taken apart once, to be compared with many rows. */
export interface VersionKey {
  readonly millis: number;
  readonly counter: number;
  readonly lane: LaneId;
}

/** Takes a version apart; it is one already, so nothing is checked. */
export function versionKey(version: Version): VersionKey {
  return {
    millis: versionMillis(version),
    counter: versionCounter(version),
    lane: versionLane(version),
  };
}

/** Versions as rows of a segment, whose lanes are numbers into `lanes`. `words` is all its buffer. */
export interface PackedVersions {
  readonly words: Uint32Array;
  readonly lanes: readonly LaneId[];
}

/** The versions of a segment's rows. Every value is checked when it is made. */
export class VersionColumn {
  readonly count: number;
  readonly #words: Uint32Array;
  readonly #lanes: readonly LaneId[];

  constructor(bytes: Uint8Array, lanes: readonly LaneId[], where: string) {
    this.#words = uint32View(bytes);
    this.#lanes = lanes;
    this.count = bytes.byteLength / VERSION_ROW_BYTES;
    for (let at = 0; at < this.#words.length; at += 4) {
      const isPossible =
        this.#words[at + 1]! <= 0xffff &&
        this.#words[at + 2]! <= COUNTER_MAX &&
        this.#words[at + 3]! < lanes.length;
      if (!isPossible) throw corrupt(where, `row ${at / 4} has an impossible version`);
    }
  }

  version(row: number): Version {
    const lane = this.#lanes[this.#words[4 * row + 3]!]!;
    return makeVersion(this.#millis(row), this.#words[4 * row + 2]!, lane);
  }

  /** Rows for copying into another segment. */
  gather(rows: ArrayLike<number>): PackedVersions {
    const words = new Uint32Array(4 * rows.length);
    for (let i = 0; i < rows.length; i++) {
      for (let k = 0; k < 4; k++) words[4 * i + k] = this.#words[4 * rows[i]! + k]!;
    }
    return { words, lanes: this.#lanes };
  }

  /** One row's version against another's. */
  compareRows(a: number, b: number): number {
    const words = this.#words;
    const difference = this.#millis(a) - this.#millis(b) || words[4 * a + 2]! - words[4 * b + 2]!;
    if (difference !== 0 || words[4 * a + 3] === words[4 * b + 3]) return difference;
    return this.#lanes[words[4 * a + 3]!]! < this.#lanes[words[4 * b + 3]!]! ? -1 : 1;
  }

  /** The row's version against `key`: negative, zero or positive. Makes no strings. */
  compare(row: number, { millis, counter, lane }: VersionKey): number {
    const difference = this.#millis(row) - millis || this.#words[4 * row + 2]! - counter;
    if (difference !== 0) return difference;
    const rowLane = this.#lanes[this.#words[4 * row + 3]!]!;
    return rowLane < lane ? -1 : rowLane > lane ? 1 : 0;
  }

  #millis(row: number): number {
    return this.#words[4 * row + 1]! * 2 ** 32 + this.#words[4 * row]!;
  }
}

/** Packs versions into rows, collecting their lanes and their least and greatest as it goes. */
export class VersionPacker {
  readonly lanes: LaneId[] = [];
  readonly #laneNumbers = new Map<LaneId, number>();
  #least: Version | undefined;
  #greatest: Version | undefined;

  get least(): Version | undefined {
    return this.#least;
  }

  get greatest(): Version | undefined {
    return this.#greatest;
  }

  pack(versions: readonly Version[] | PackedVersions): Uint8Array {
    return "words" in versions ? this.#packWords(versions) : this.#packTexts(versions);
  }

  #packTexts(versions: readonly Version[]): Uint8Array {
    const words = new Uint32Array(4 * versions.length);
    for (const [row, version] of versions.entries()) {
      this.include(version);
      words[4 * row] = Number.parseInt(version.slice(4, 12), 16);
      words[4 * row + 1] = Number.parseInt(version.slice(0, 4), 16);
      words[4 * row + 2] = versionCounter(version);
      words[4 * row + 3] = this.#laneNumber(versionLane(version));
    }
    return new Uint8Array(words.buffer);
  }

  #packWords({ words, lanes }: PackedVersions): Uint8Array {
    if (words.length === 0) return new Uint8Array();
    const column = new VersionColumn(new Uint8Array(words.buffer), lanes, "packed versions");
    let [least, greatest] = [0, 0];
    const packed = words.slice();
    const numbers = lanes.map(() => -1);
    for (let row = 0; row < column.count; row++) {
      if (column.compareRows(row, least) < 0) least = row;
      if (column.compareRows(row, greatest) > 0) greatest = row;
      const lane = words[4 * row + 3]!;
      if (numbers[lane] === -1) numbers[lane] = this.#laneNumber(lanes[lane]!);
      packed[4 * row + 3] = numbers[lane]!;
    }
    this.include(column.version(least));
    this.include(column.version(greatest));
    return new Uint8Array(packed.buffer);
  }

  /** Widens `least` and `greatest` by a version that is in no row of its own. */
  include(version: Version): void {
    if (this.#least === undefined || version < this.#least) this.#least = version;
    if (this.#greatest === undefined || version > this.#greatest) this.#greatest = version;
  }

  #laneNumber(lane: LaneId): number {
    const known = this.#laneNumbers.get(lane);
    if (known !== undefined) return known;
    this.#laneNumbers.set(lane, this.lanes.length);
    return this.lanes.push(lane) - 1;
  }
}
