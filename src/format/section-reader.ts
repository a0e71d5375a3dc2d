import { assert } from "../base/assert.ts";
import { corrupt, isBrainyError } from "../base/errors.ts";
import { BLOCK_BYTES, HEADER_BYTES, checkBlocks, checkHeader } from "./container-layout.ts";
import type { ContainerExpectation, Footer, SectionEntry } from "./container-layout.ts";
import { checkPadding, readFooter } from "./container.ts";

/** One immutable object read in pieces: a ranged GET, a file, or bytes in memory. */
export interface RangeSource {
  readonly bytesTotal: number;
  /** Bytes `[start, end)`, never fewer. They belong to the caller. */
  read(start: number, end: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
}

/** How a source is to be read. */
interface ReadOptions {
  /** From where the object is, and not from anything in between that keeps parts of it. */
  readonly fresh?: boolean | undefined;
  /** Where the bytes may be put; what comes back is it then, or is elsewhere. */
  readonly target?: Uint8Array<ArrayBuffer> | undefined;
}

/** A half-open range of bytes within a section. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The first read of an object: footers of segments up to about 300 MB come with it. */
const SUFFIX_BYTES = 64 * 1024;
/** Ranges closer than this are fetched by one read: a request costs more than the bytes. */
const GAP_BLOCKS = 2;
/** One read never asks for more than this, so that a long column arrives in pieces. */
const READ_BLOCKS_MAX = 64;
const READS_MAX = 8;

/** A source of bytes that are in memory already. */
export function memorySource(bytes: Uint8Array<ArrayBuffer>): RangeSource {
  return {
    bytesTotal: bytes.byteLength,
    read: (start, end) => Promise.resolve(bytes.subarray(start, end)),
  };
}

/**
 * The sections of a container that is not in memory. Reads are widened to blocks of 64 KiB, and
 * each block is checked against its checksum before any of its bytes are handed out.
 */
export class SectionReader {
  readonly where: string;
  readonly footer: Footer;
  readonly #source: RangeSource;
  readonly #expected: ContainerExpectation;
  readonly #sections: ReadonlyMap<number, SectionEntry>;
  /** The object's last bytes, which came with the footer. */
  #tail: Uint8Array<ArrayBuffer>;

  /** Use `open`. */
  constructor(
    source: RangeSource,
    footer: Footer,
    expected: ContainerExpectation,
    tail: Uint8Array<ArrayBuffer>,
  ) {
    this.#tail = tail;
    this.where = expected.where;
    this.footer = footer;
    this.#source = source;
    this.#expected = expected;
    this.#sections = new Map(footer.sections.map((section) => [section.kind, section]));
  }

  /** Reads the footer: one read for most objects, two for long ones. */
  static async open(source: RangeSource, expected: ContainerExpectation): Promise<SectionReader> {
    const { bytesTotal } = source;
    let wanted = Math.min(SUFFIX_BYTES, bytesTotal);
    for (;;) {
      const range = { start: bytesTotal - wanted, end: bytesTotal, where: expected.where };
      const [suffix, footer] = await readChecked(source, range, (bytes) =>
        readFooter(bytes, bytesTotal, expected),
      );
      if (typeof footer !== "number") {
        return new SectionReader(source, footer, expected, suffix);
      }
      assert(footer > wanted && footer <= bytesTotal, "a longer suffix cannot help");
      wanted = footer;
    }
  }

  /** Gives up the bytes that came with the footer, unless they are the whole object. */
  dropTail(): void {
    if (this.#tail.byteLength < this.#source.bytesTotal) this.#tail = new Uint8Array(0);
  }

  has(kind: number): boolean {
    return this.#sections.has(kind);
  }

  /** Bytes of the section; a section this format always has is corruption when missing. */
  length(kind: number): number {
    return this.#section(kind).length;
  }

  /** Where the section is in the object. */
  range(kind: number): readonly [start: number, end: number] {
    const { offset, length } = this.#section(kind);
    return [offset, offset + length];
  }

  /** The whole section, starting at a multiple of 8 in its own memory. */
  async readAll(kind: number): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = this.#section(kind);
    if (length <= READ_BLOCKS_MAX * BLOCK_BYTES) return aligned(await this.read(kind, 0, length));
    const whole = new Uint8Array(length);
    const starts: number[] = [];
    const step = READ_BLOCKS_MAX * BLOCK_BYTES;
    for (let start = 0; start < length; start += step) starts.push(start);
    await inParallel(starts, async (start) => {
      whole.set(await this.read(kind, start, Math.min(length, start + step)), start);
    });
    return whole;
  }

  /** Bytes `[start, end)` of the section: one read. */
  async read(kind: number, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const section = this.#section(kind);
    assert(start >= 0 && start <= end && end <= section.length, "a range outside its section");
    if (start === end) return new Uint8Array(0);
    const first = Math.floor(start / BLOCK_BYTES);
    const blocksStart = first * BLOCK_BYTES;
    const blocksEnd = Math.min(section.length, Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES);
    const range = { start: section.offset + blocksStart, end: section.offset + blocksEnd };
    const blocks = await this.#blocks(section, range);
    return blocks.subarray(start - blocksStart, end - blocksStart);
  }

  /**
   * Fills `target` with the section from `start` on, a multiple of a block; it ends with a block,
   * or with the section. Until this has ended its content is anything.
   */
  async readInto(kind: number, start: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const section = this.#section(kind);
    const end = start + target.byteLength;
    const isWhole = end === section.length || (end < section.length && end % BLOCK_BYTES === 0);
    assert(start % BLOCK_BYTES === 0 && isWhole, "a target that cuts a block");
    const range = { start: section.offset + start, end: section.offset + end };
    const bytes = await this.#blocks(section, range, target);
    const isThere = bytes.buffer === target.buffer && bytes.byteOffset === target.byteOffset;
    if (!isThere) target.set(bytes);
  }

  /** Many short ranges, in the order given: near ones share a read, at most 8 run at a time. */
  async readMany(kind: number, ranges: readonly ByteRange[]): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = ranges.map(() => new Uint8Array(0));
    const order = [...ranges.keys()].filter((i) => ranges[i]!.end > ranges[i]!.start);
    order.sort((a, b) => ranges[a]!.start - ranges[b]!.start);
    const groups: { start: number; end: number; readonly members: number[] }[] = [];
    for (const i of order) {
      const { start, end } = ranges[i]!;
      const group = groups.at(-1);
      const isNear =
        group !== undefined &&
        start <= group.end + GAP_BLOCKS * BLOCK_BYTES &&
        end - group.start <= READ_BLOCKS_MAX * BLOCK_BYTES;
      if (!isNear) groups.push({ start, end, members: [i] });
      else {
        group.end = Math.max(group.end, end);
        group.members.push(i);
      }
    }
    await inParallel(groups, async ({ start, end, members }) => {
      const bytes = await this.read(kind, start, end);
      for (const i of members) {
        parts[i] = bytes.subarray(ranges[i]!.start - start, ranges[i]!.end - start);
      }
    });
    return parts;
  }

  /** Header, padding and every block, piece by piece: what is wrong, one line each. */
  async *verify(): AsyncGenerator<string, void, undefined> {
    yield* this.#try(async () => {
      const range = { start: 0, end: HEADER_BYTES, where: this.where };
      const header = await readExactly(this.#source, range);
      checkHeader(header, this.#expected);
    });
    const { sections, offset } = this.footer;
    for (const [i, section] of sections.entries()) {
      for (let start = 0; start < section.length; start += BLOCK_BYTES * READ_BLOCKS_MAX) {
        const end = Math.min(section.length, start + BLOCK_BYTES * READ_BLOCKS_MAX);
        yield* this.#try(() => this.read(section.kind, start, end));
      }
      const end = section.offset + section.length;
      const next = sections[i + 1]?.offset ?? offset;
      yield* this.#try(async () => {
        if (next === end) return;
        const range = { start: end, end: next, where: this.where };
        checkPadding(await readExactly(this.#source, range), this.where);
      });
    }
  }

  async *#try(check: () => Promise<unknown>): AsyncGenerator<string, void, undefined> {
    const problem = await problemOf(check);
    if (problem !== undefined) yield problem;
  }

  /** Whole blocks of a section, checked. */
  async #blocks(
    section: SectionEntry,
    range: ByteRange,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { where } = this;
    const first = (range.start - section.offset) / BLOCK_BYTES;
    const check = (bytes: Uint8Array): void => checkBlocks(bytes, section, first, where);
    const inTail = this.#fromTail(range);
    if (inTail === undefined) {
      return (await readChecked(this.#source, { ...range, where, target }, check))[0];
    }
    check(inTail);
    return inTail;
  }

  /** Bytes of the object that came with its footer. */
  #fromTail({ start, end }: ByteRange): Uint8Array<ArrayBuffer> | undefined {
    const tailStart = this.#source.bytesTotal - this.#tail.byteLength;
    return start < tailStart ? undefined : this.#tail.subarray(start - tailStart, end - tailStart);
  }

  #section(kind: number): SectionEntry {
    const section = this.#sections.get(kind);
    if (section === undefined) throw corrupt(this.where, `section ${kind} is missing`);
    return section;
  }
}

/** The message of the damage that `check` meets; other errors are passed on. */
export async function problemOf(check: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (isBrainyError(error, "BRAINY_CORRUPT")) return error.message;
    throw error;
  }
}

/**
 * Bytes that pass a check, and what it found. What fails it is read once more and freshly before
 * it counts as damage: a cache may keep what was damaged on its way there.
 */
async function readChecked<Found>(
  source: RangeSource,
  range: CheckedRange,
  check: (bytes: Uint8Array<ArrayBuffer>) => Found,
): Promise<readonly [Uint8Array<ArrayBuffer>, Found]> {
  try {
    const bytes = await readExactly(source, range);
    return [bytes, check(bytes)];
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
  }
  const bytes = await readExactly(source, { ...range, fresh: true });
  return [bytes, check(bytes)];
}

type CheckedRange = ByteRange & ReadOptions & { readonly where: string };

async function readExactly(
  source: RangeSource,
  { start, end, where, ...options }: CheckedRange,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await source.read(start, end, options);
  if (bytes.byteLength === end - start) return bytes;
  throw corrupt(where, `${bytes.byteLength} bytes came where ${end - start} were stored`);
}

/** Starts at most 8 at a time; the first failure is the result once all that ran have ended. */
async function inParallel<Item>(
  items: readonly Item[],
  run: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await run(items[next++]!);
  };
  const workers = Array.from({ length: Math.min(READS_MAX, items.length) }, worker);
  const outcomes = await Promise.allSettled(workers);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

function aligned(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}
