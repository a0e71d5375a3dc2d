import { assert } from "../base/assert.ts";
import { checksum64 } from "../base/checksum.ts";
import { BrainyError, corrupt } from "../base/errors.ts";
import { FORMAT_VERSION, newerFormat } from "./format-version.ts";

/**
 * The parts of a container that are not its sections. All integers are little endian, here and in
 * every section, and so is every machine this runs on. Full layout: docs/formats/container.md.
 *
 *     header   0 magic u32 │ 4 version u16 │ 6 minReader u16 │ 8 zeros │ 56 checksum u64 │ 64
 *     sections each starts at a multiple of 64; the gap before it is zero
 *     footer   0 magic u32 │ 4 version u16 │ 6 minReader u16 │ 8 sections u32 │ 12 block u32
 *              16 bytes of the whole object u64 │ 24 zeros │ 32 table │ one XXH64 for each block
 *     trailer  0 footer offset u64 │ 8 footer bytes u64 │ 16 footer checksum u64 │ 24 magic u32
 *              28 zeros │ 32
 *
 * A table entry is kind u32, flags u32, offset u64, length u64. Offsets follow from lengths, and
 * a reader checks that they do: a gap would be bytes that no checksum covers.
 */
export const HEADER_BYTES = 64;
/** Length of the fixed part at the very end, from which all else is found. */
export const TRAILER_BYTES = 32;
/** Sections start at multiples of this, so that typed arrays can view them in place. */
export const SECTION_ALIGNMENT = 64;
/** A ranged read is widened to whole blocks, each of which has a checksum of its own. */
export const BLOCK_BYTES = 64 * 1024;

const FOOTER_HEAD_BYTES = 32;
const ENTRY_BYTES = 24;
const CHECKSUM_BYTES = 8;
const FLAG_REQUIRED = 1;
/** More than any format here needs; a count above it is damage, found before allocating. */
const SECTIONS_MAX = 1024;

/** What a reader must know beforehand to accept a container. */
export interface ContainerExpectation {
  readonly magic: number;
  /** The object's key, named first in errors. */
  readonly where: string;
  /** Section kinds this reader knows; any other is refused if required, else ignored. */
  readonly kinds: ReadonlySet<number>;
}

/** Which format, and the oldest version of this package's formats that may read it. */
export interface ContainerIdentity {
  readonly magic: number;
  /** Defaults to this package's own; lower when an older reader can still make sense of it. */
  readonly version?: number | undefined;
  readonly minReader?: number | undefined;
}

/** One section as the footer describes it. `checksums` has eight bytes for each block. */
export interface SectionEntry {
  readonly kind: number;
  readonly required: boolean;
  readonly offset: number;
  readonly length: number;
  readonly checksums: Uint8Array;
}

/** A decoded footer. */
export interface Footer {
  readonly version: number;
  readonly minReader: number;
  /** Where the footer starts, which is where the last section's padding ends. */
  readonly offset: number;
  readonly sections: readonly SectionEntry[];
}

/** Where the footer is, from the last 32 bytes. */
export interface Trailer {
  readonly footerOffset: number;
  readonly footerLength: number;
  readonly footerChecksum: bigint;
}

/** The first multiple of `alignment` at or after `offset`. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** Blocks, the last of them maybe short, that make up a section of this length. */
export function blockCount(length: number): number {
  return Math.ceil(length / BLOCK_BYTES);
}

/** Length of a footer without its trailer. */
export function footerBytes(sectionCount: number, blocks: number): number {
  return FOOTER_HEAD_BYTES + sectionCount * ENTRY_BYTES + blocks * CHECKSUM_BYTES;
}

/** A `DataView` of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `undefined` above 2^53: nothing here is that long, so it is damage. */
export function readLength(view: DataView, at: number): number | undefined {
  const high = view.getUint32(at + 4, true);
  return high >= 2 ** 21 ? undefined : high * 2 ** 32 + view.getUint32(at, true);
}

/** Fills the first 64 bytes of an object. */
export function writeHeader(target: Uint8Array, identity: ContainerIdentity): void {
  const view = viewOf(target);
  writeIdentity(view, identity);
  view.setBigUint64(56, checksum64(target.subarray(0, 56)), true);
}

/** Checks all 64 bytes. A newer container is told apart before anything else is looked at. */
export function checkHeader(bytes: Uint8Array, expected: ContainerExpectation): void {
  const { where } = expected;
  const view = viewOf(bytes);
  checkMagic(view.getUint32(0, true), expected, "header");
  if (view.getBigUint64(56, true) !== checksum64(bytes.subarray(0, 56))) {
    throw corrupt(where, "the checksum of the header does not match");
  }
  checkReader(view, where);
  for (let i = 8; i < 56; i++) {
    if (bytes[i] !== 0) throw corrupt(where, "reserved bytes of the header are in use");
  }
}

/** Writes footer and trailer into `target`, which is exactly as long as both. */
export function writeFooter(
  target: Uint8Array,
  identity: ContainerIdentity,
  sections: readonly SectionEntry[],
  offset: number,
): void {
  const view = viewOf(target);
  writeIdentity(view, identity);
  view.setUint32(8, sections.length, true);
  view.setUint32(12, BLOCK_BYTES, true);
  writeLength(view, 16, offset + target.byteLength);
  let at = FOOTER_HEAD_BYTES;
  for (const section of sections) {
    view.setUint32(at, section.kind, true);
    view.setUint32(at + 4, section.required ? FLAG_REQUIRED : 0, true);
    writeLength(view, at + 8, section.offset);
    writeLength(view, at + 16, section.length);
    at += ENTRY_BYTES;
  }
  for (const { checksums } of sections) {
    target.set(checksums, at);
    at += checksums.byteLength;
  }
  assert(at + TRAILER_BYTES === target.byteLength, "the footer has another length than planned");
  writeLength(view, at, offset);
  writeLength(view, at + 8, at);
  view.setBigUint64(at + 16, checksum64(target.subarray(0, at)), true);
  view.setUint32(at + 24, identity.magic, true);
}

/** `bytes` are the object's last 32; `bytesTotal` is the length the store reports. */
export function decodeTrailer(
  bytes: Uint8Array,
  bytesTotal: number,
  expected: ContainerExpectation,
): Trailer {
  const { where } = expected;
  if (bytesTotal < HEADER_BYTES + FOOTER_HEAD_BYTES + TRAILER_BYTES) {
    throw corrupt(where, `${bytesTotal} bytes are too few to be a container`);
  }
  const view = viewOf(bytes);
  checkMagic(view.getUint32(24, true), expected, "trailer");
  const footerOffset = readLength(view, 0);
  const footerLength = readLength(view, 8);
  if (
    footerOffset === undefined ||
    footerLength === undefined ||
    footerOffset < HEADER_BYTES ||
    footerOffset % SECTION_ALIGNMENT !== 0 ||
    footerLength < FOOTER_HEAD_BYTES ||
    footerOffset + footerLength + TRAILER_BYTES !== bytesTotal ||
    view.getUint32(28, true) !== 0
  ) {
    throw corrupt(where, "the trailer does not fit the length of the object");
  }
  return { footerOffset, footerLength, footerChecksum: view.getBigUint64(16, true) };
}

/** `bytes` are the footer's own. Keeps views of them, so they must not change afterwards. */
export function decodeFooter(
  bytes: Uint8Array,
  trailer: Trailer,
  expected: ContainerExpectation,
): Footer {
  const { where } = expected;
  if (checksum64(bytes) !== trailer.footerChecksum) {
    throw corrupt(where, "the checksum of the footer does not match");
  }
  const view = viewOf(bytes);
  checkMagic(view.getUint32(0, true), expected, "footer");
  checkReader(view, where);
  const count = view.getUint32(8, true);
  const bytesTotal = trailer.footerOffset + trailer.footerLength + TRAILER_BYTES;
  if (
    count > SECTIONS_MAX ||
    FOOTER_HEAD_BYTES + count * ENTRY_BYTES > bytes.byteLength ||
    view.getUint32(12, true) !== BLOCK_BYTES ||
    readLength(view, 16) !== bytesTotal ||
    view.getBigUint64(24, true) !== 0n
  ) {
    throw corrupt(where, "the head of the footer holds impossible values");
  }
  return {
    version: view.getUint16(4, true),
    minReader: view.getUint16(6, true),
    offset: trailer.footerOffset,
    sections: decodeTable(bytes, count, trailer.footerOffset, expected),
  };
}

function decodeTable(
  bytes: Uint8Array,
  count: number,
  footerOffset: number,
  { where, kinds }: ContainerExpectation,
): SectionEntry[] {
  const view = viewOf(bytes);
  const sections: SectionEntry[] = [];
  const seen = new Set<number>();
  let next = HEADER_BYTES;
  let checksumsAt = FOOTER_HEAD_BYTES + count * ENTRY_BYTES;
  for (let i = 0; i < count; i++) {
    const at = FOOTER_HEAD_BYTES + i * ENTRY_BYTES;
    const kind = view.getUint32(at, true);
    const flags = view.getUint32(at + 4, true);
    const offset = readLength(view, at + 8);
    const length = readLength(view, at + 16);
    if (flags > FLAG_REQUIRED || offset !== next || length === undefined || seen.has(kind)) {
      throw corrupt(where, `entry ${i} of the section table is impossible`);
    }
    const checksumsEnd = checksumsAt + blockCount(length) * CHECKSUM_BYTES;
    if (offset + length > footerOffset || checksumsEnd > bytes.byteLength) {
      throw corrupt(where, `section ${kind} does not fit into the object`);
    }
    const required = flags === FLAG_REQUIRED;
    if (required && !kinds.has(kind)) throw unknownSection(where, kind);
    sections.push({
      kind,
      required,
      offset,
      length,
      checksums: bytes.subarray(checksumsAt, checksumsEnd),
    });
    seen.add(kind);
    checksumsAt = checksumsEnd;
    next = alignUp(offset + length, SECTION_ALIGNMENT);
  }
  if (next !== footerOffset || checksumsAt !== bytes.byteLength) {
    throw corrupt(where, "the section table does not cover the object");
  }
  return sections;
}

/** `blocks` hold whole blocks of the section from block `first` on. */
export function checkBlocks(
  blocks: Uint8Array,
  section: SectionEntry,
  first: number,
  where: string,
): void {
  const checksums = viewOf(section.checksums);
  const count = blockCount(blocks.byteLength);
  for (let i = 0; i < count; i++) {
    const block = blocks.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    if (checksum64(block) !== checksums.getBigUint64((first + i) * CHECKSUM_BYTES, true)) {
      throw corrupt(
        where,
        `the checksum of block ${first + i} of section ${section.kind} does not match ` +
          `(byte ${section.offset + (first + i) * BLOCK_BYTES})`,
      );
    }
  }
}

/** Eight bytes for each of `checksums`. */
export function packChecksums(checksums: readonly bigint[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(checksums).buffer);
}

function writeIdentity(view: DataView, { magic, version, minReader }: ContainerIdentity): void {
  view.setUint32(0, magic, true);
  view.setUint16(4, version ?? FORMAT_VERSION, true);
  view.setUint16(6, minReader ?? FORMAT_VERSION, true);
}

function checkMagic(magic: number, expected: ContainerExpectation, part: string): void {
  if (magic === expected.magic) return;
  const [found, wanted] = [magic.toString(16), expected.magic.toString(16)];
  throw corrupt(expected.where, `the ${part} has magic 0x${found}, not 0x${wanted}`);
}

function checkReader(view: DataView, where: string): void {
  const version = view.getUint16(4, true);
  const minReader = view.getUint16(6, true);
  if (minReader > FORMAT_VERSION) throw newerFormat(where, version);
  if (version === 0 || minReader === 0 || minReader > version) {
    throw corrupt(where, `format version ${version} with lowest reader ${minReader}`);
  }
}

function unknownSection(where: string, kind: number): BrainyError {
  return new BrainyError(
    "BRAINY_UNSUPPORTED",
    `${where}: holds a required section of kind ${kind}, which only a newer Brainy can read: ` +
      "upgrade this process",
  );
}

function writeLength(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}
