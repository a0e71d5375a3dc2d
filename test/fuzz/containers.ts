import { checksum64 } from "../../src/base/checksum.ts";
import { encodeText } from "../../src/base/bytes.ts";
import {
  HEADER_BYTES,
  TRAILER_BYTES,
  decodeFooter,
  decodeTrailer,
} from "../../src/format/container-layout.ts";
import { encodeContainer } from "../../src/format/container.ts";
import type { Draw } from "./draw.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { mutateJson, mutateText } from "./mutate-json.ts";

/*
 * Containers are taken apart and put together again with right checksums, as a broken writer
 * would do it: what is behind the checksums then sees what was done to it.
 */

interface Section {
  readonly kind: number;
  readonly required: boolean;
  readonly bytes: Uint8Array;
}

interface Parts {
  readonly magic: number;
  readonly version?: number | undefined;
  readonly minReader?: number | undefined;
  readonly sections: readonly Section[];
}

/** Which of the sections hold JSON, so that they are changed as such. */
export interface ContainerShape {
  readonly jsonKinds: ReadonlySet<number>;
}

/** Of a container that is sound. */
export function takeApart(bytes: Uint8Array): Parts {
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const kinds = new Set(Array.from({ length: 64 }, (_, i) => i));
  const expected = { magic, where: "a sample", kinds };
  const trailerAt = bytes.byteLength - TRAILER_BYTES;
  const trailer = decodeTrailer(bytes.subarray(trailerAt), bytes.byteLength, expected);
  const footerBytes = bytes.subarray(trailer.footerOffset, trailerAt);
  const { sections } = decodeFooter(footerBytes, trailer, expected);
  return {
    magic,
    sections: sections.map(({ kind, required, offset, length }) => ({
      kind,
      required,
      bytes: bytes.subarray(offset, offset + length),
    })),
  };
}

/** All checksums are right. */
export function putTogether({ magic, version, minReader, sections }: Parts): Uint8Array {
  return encodeContainer(
    { magic, version, minReader },
    sections.map(({ kind, required, bytes }) => ({
      kind,
      required,
      length: bytes.byteLength,
      write: (target) => target.set(bytes),
    })),
  );
}

/** The bytes of one section replaced. */
export function withSection(parts: Parts, kind: number, bytes: Uint8Array): Parts {
  const sections = parts.sections.map((own) => (own.kind === kind ? { ...own, bytes } : own));
  return { ...parts, sections };
}

/** A container in which something is wrong; mostly its checksums are not. */
export function mutateContainer(
  bytes: Uint8Array,
  { draw, other, shape }: { draw: Draw; other: Uint8Array; shape: ContainerShape },
): Uint8Array {
  const parts = takeApart(bytes);
  return draw.one<Uint8Array>(
    [8, () => putTogether(mutateSections(parts, { draw, other: takeApart(other), shape }))],
    [2, () => putTogether(rearrange(parts, draw))],
    [1, () => putTogether({ ...parts, ...identity(draw) })],
    [3, () => mutateLayout(bytes, draw)],
    [2, () => mutateBytes(bytes, draw, other)],
  );
}

function mutateSections(
  parts: Parts,
  { draw, other, shape }: { draw: Draw; other: Parts; shape: ContainerShape },
): Parts {
  let changed = parts;
  for (let left = draw.pick([1, 1, 1, 2, 3]); left > 0; left--) {
    const { kind, bytes } = draw.pick(changed.sections);
    const theirs = other.sections.find((section) => section.kind === kind)?.bytes ?? bytes;
    const next = shape.jsonKinds.has(kind)
      ? mutateJsonBytes(bytes, draw, theirs)
      : draw.one<Uint8Array>(
          [5, () => mutateBytes(bytes, draw, theirs)],
          [2, () => theirs],
          [1, () => swapWords(bytes, draw)],
          [0.3, () => new Uint8Array(0)],
        );
    changed = withSection(changed, kind, next);
  }
  return changed;
}

/** Rows, offsets and entries are words: two of them, or two runs, change places. */
function swapWords(bytes: Uint8Array, draw: Draw): Uint8Array {
  const width = draw.pick([4, 8, 12, 16]);
  const places = Math.floor(bytes.byteLength / width);
  const copy = bytes.slice();
  const [a, b] = [draw.below(places) * width, draw.below(places) * width];
  copy.set(bytes.subarray(a, a + width), b);
  copy.set(bytes.subarray(b, b + width), a);
  return copy;
}

/** A document in which something is wrong, as bytes. */
export function mutateJsonBytes(bytes: Uint8Array, draw: Draw, other = bytes): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  const value = jsonOf(bytes);
  if (value === undefined) return mutateBytes(bytes, draw, other);
  return draw.one<Uint8Array>(
    [6, () => encodeText(JSON.stringify(mutateJson(value, draw, jsonOf(other) ?? value)) ?? "")],
    [2, () => encodeText(mutateText(text, draw))],
    [1, () => mutateBytes(bytes, draw, other)],
  );
}

/** `undefined` for what was damaged before, and cannot be parsed or copied. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return structuredClone(JSON.parse(new TextDecoder().decode(bytes)) as unknown);
  } catch {
    return undefined;
  }
}

function rearrange(parts: Parts, draw: Draw): Parts {
  const sections = [...parts.sections];
  const at = draw.below(sections.length);
  draw.one<unknown>(
    [1, () => sections.splice(at, 1)],
    [1, () => sections.push(sections[at]!)],
    [1, () => sections.reverse()],
    [1, () => sections.push({ kind: 60, required: draw.chance(0.5), bytes: draw.bytes(9) })],
    [1, () => (sections[at] = { ...sections[at]!, kind: draw.below(20) })],
    [1, () => (sections[at] = { ...sections[at]!, required: false })],
  );
  return { ...parts, sections };
}

function identity(draw: Draw): Pick<Parts, "magic" | "version" | "minReader"> | object {
  return draw.one<object>(
    [2, () => ({ version: draw.between(0, 3), minReader: draw.between(0, 3) })],
    [1, () => ({ magic: draw.below(2 ** 32) })],
  );
}

/** Header, footer or trailer changed, and their checksums made right. */
function mutateLayout(bytes: Uint8Array, draw: Draw): Uint8Array {
  const whole = new Uint8Array(bytes);
  const view = new DataView(whole.buffer);
  const trailerAt = whole.byteLength - TRAILER_BYTES;
  const footerAt = Number(view.getBigUint64(trailerAt, true));
  const footer = whole.subarray(footerAt, trailerAt);
  const part = draw.pick(["header", "footer", "footer", "footer", "trailer"]);
  if (part === "header") {
    whole.set(sameLength(mutateBytes(whole.subarray(0, HEADER_BYTES), draw), HEADER_BYTES));
  } else if (part === "trailer") {
    whole.set(sameLength(mutateBytes(whole.subarray(trailerAt), draw), TRAILER_BYTES), trailerAt);
  } else footer.set(sameLength(mutateBytes(footer, draw), footer.byteLength));
  view.setBigUint64(56, checksum64(whole.subarray(0, 56)), true);
  if (part !== "trailer") view.setBigUint64(trailerAt + 16, checksum64(footer), true);
  return whole;
}

function sameLength(bytes: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  whole.set(bytes.subarray(0, length));
  return whole;
}
