import { assert } from "../base/assert.ts";
import { checksum64 } from "../base/checksum.ts";
import { corrupt } from "../base/errors.ts";
import {
  BLOCK_BYTES,
  HEADER_BYTES,
  SECTION_ALIGNMENT,
  TRAILER_BYTES,
  alignUp,
  blockCount,
  checkBlocks,
  checkHeader,
  decodeFooter,
  decodeTrailer,
  footerBytes,
  packChecksums,
  writeFooter,
  writeHeader,
} from "./container-layout.ts";
import type {
  ContainerExpectation,
  ContainerIdentity,
  Footer,
  SectionEntry,
} from "./container-layout.ts";

/** A section whose length is known; `write` fills exactly that many zeroed bytes. */
export interface SectionSource {
  readonly kind: number;
  /** A reader that does not know the kind refuses the object. */
  readonly required: boolean;
  readonly length: number;
  write(target: Uint8Array<ArrayBuffer>): void;
}

/** A verified container in memory. Sections are views of the bytes it was decoded from. */
export interface Container {
  readonly version: number;
  readonly sections: ReadonlyMap<number, Uint8Array>;
}

/** A section of bytes that exist already. */
export function bytesSection(kind: number, bytes: Uint8Array): SectionSource {
  return {
    kind,
    required: true,
    length: bytes.byteLength,
    write: (target) => target.set(bytes),
  };
}

/** The whole object in one allocation. Costs one pass of hashing over what `write` filled in. */
export function encodeContainer(
  identity: ContainerIdentity,
  sources: readonly SectionSource[],
): Uint8Array<ArrayBuffer> {
  let footerOffset = HEADER_BYTES;
  let blocks = 0;
  for (const { length } of sources) {
    footerOffset = alignUp(footerOffset + length, SECTION_ALIGNMENT);
    blocks += blockCount(length);
  }
  const footerLength = footerBytes(sources.length, blocks) + TRAILER_BYTES;
  const whole = new Uint8Array(footerOffset + footerLength);
  writeHeader(whole.subarray(0, HEADER_BYTES), identity);
  const sections: SectionEntry[] = [];
  let offset = HEADER_BYTES;
  for (const { kind, required, length, write } of sources) {
    const target = whole.subarray(offset, offset + length);
    write(target);
    sections.push({ kind, required, offset, length, checksums: checksumsOf(target) });
    offset = alignUp(offset + length, SECTION_ALIGNMENT);
  }
  assert(offset === footerOffset, "sections have other lengths than planned");
  writeFooter(whole.subarray(footerOffset), identity, sections, footerOffset);
  return whole;
}

/** Verifies every byte. Damage is `BRAINY_CORRUPT`, a newer format `BRAINY_UNSUPPORTED`. */
export function decodeContainer(bytes: Uint8Array, expected: ContainerExpectation): Container {
  const { where } = expected;
  if (bytes.byteLength < HEADER_BYTES + TRAILER_BYTES) {
    throw corrupt(where, `${bytes.byteLength} bytes are too few to be a container`);
  }
  checkHeader(bytes.subarray(0, HEADER_BYTES), expected);
  const footer = readFooter(bytes, bytes.byteLength, expected);
  assert(typeof footer !== "number", "the whole object holds its footer");
  const sections = new Map<number, Uint8Array>();
  for (const [i, section] of footer.sections.entries()) {
    const end = section.offset + section.length;
    const content = bytes.subarray(section.offset, end);
    checkBlocks(content, section, 0, where);
    checkPadding(bytes.subarray(end, footer.sections[i + 1]?.offset ?? footer.offset), where);
    sections.set(section.kind, content);
  }
  return { version: footer.version, sections };
}

/**
 * The footer out of the object's last bytes, or how many of them it takes when `suffix` is too
 * short. Does not look at header, sections or padding.
 */
export function readFooter(
  suffix: Uint8Array,
  bytesTotal: number,
  expected: ContainerExpectation,
): Footer | number {
  if (suffix.byteLength < TRAILER_BYTES) {
    if (bytesTotal > suffix.byteLength) return TRAILER_BYTES;
    throw corrupt(expected.where, `${bytesTotal} bytes are too few to be a container`);
  }
  const trailerAt = suffix.byteLength - TRAILER_BYTES;
  const trailer = decodeTrailer(suffix.subarray(trailerAt), bytesTotal, expected);
  const needed = trailer.footerLength + TRAILER_BYTES;
  if (suffix.byteLength < needed) return needed;
  const bytes = suffix.subarray(trailerAt - trailer.footerLength, trailerAt);
  return decodeFooter(bytes, trailer, expected);
}

/** The section, or corruption when a format that always writes it has none. */
export function sectionOf(container: Container, kind: number, where: string): Uint8Array {
  const section = container.sections.get(kind);
  if (section === undefined) throw corrupt(where, `section ${kind} is missing`);
  return section;
}

/** Padding is zero; nothing may hide between the sections. */
export function checkPadding(padding: Uint8Array, where: string): void {
  for (const byte of padding) {
    if (byte !== 0) throw corrupt(where, "padding between sections is in use");
  }
}

function checksumsOf(bytes: Uint8Array): Uint8Array {
  const checksums: bigint[] = [];
  for (let start = 0; start < bytes.byteLength; start += BLOCK_BYTES) {
    checksums.push(checksum64(bytes.subarray(start, start + BLOCK_BYTES)));
  }
  return packChecksums(checksums);
}
