import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../base/bytes.ts";
import { checksum64 } from "../base/checksum.ts";
import { isBrainyError } from "../base/errors.ts";
import { ContainerWriter } from "./container-writer.ts";
import { bytesSection, decodeContainer, encodeContainer, readFooter } from "./container.ts";
import type { SectionSource } from "./container.ts";

const MAGIC = 0x5453_4554;
const expected = { magic: MAGIC, where: "k", kinds: new Set([1, 2, 3]) };

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!isBrainyError(error)) throw error;
    return error.code;
  }
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
}

test("a container returns its sections, empty and longer than a block", () => {
  const parts = [pattern(0, 1), pattern(200_000, 2), pattern(65_536, 3)];
  const bytes = encodeContainer(
    { magic: MAGIC },
    parts.map((part, i) => bytesSection(i + 1, part)),
  );
  const { sections, version } = decodeContainer(bytes, expected);
  expect(version).toBe(1);
  expect([...sections.values()]).toEqual(parts);
});

test("streaming in any chunks writes the bytes that encoding at once does", async () => {
  const lengths = fc.constantFrom(0, 1, 63, 64, 65_535, 65_536, 65_537, 140_000, 600_000);
  await fc.assert(
    fc.asyncProperty(
      fc.array(lengths, { maxLength: 3 }),
      fc.integer({ min: 1, max: 300_000 }),
      async (sectionLengths, step) => {
        const parts = sectionLengths.map(pattern);
        const writer = new ContainerWriter({ magic: MAGIC });
        const chunks: Uint8Array[] = [];
        const sections = parts.map((part, i) => ({
          kind: i + 1,
          required: true,
          *chunks() {
            const own = part.byteLength > 1000 ? Math.max(step, 1000) : step;
            for (let at = 0; at < part.byteLength; at += own) yield part.subarray(at, at + own);
          },
        }));
        for await (const chunk of writer.stream(sections)) chunks.push(chunk);
        const sources = parts.map((part, i) => bytesSection(i + 1, part));
        const whole = encodeContainer({ magic: MAGIC }, sources);
        expect(Buffer.from(concatBytes(chunks)).equals(whole)).toBe(true);
        expect(writer.bytesWritten).toBe(whole.byteLength);
      },
    ),
    { numRuns: 40 },
  );
});

test("a streamed container passes on few chunks, however small those it is given", async () => {
  const writer = new ContainerWriter({ magic: MAGIC });
  const small = { kind: 1, required: true, chunks: () => Array(10_000).fill(pattern(100, 1)) };
  let count = 0;
  for await (const _ of writer.stream([small])) count++;
  expect(count).toBeLessThanOrEqual(5);
});

test("an unknown section is ignored when optional and unsupported when required", () => {
  const unknown = (required: boolean): SectionSource => ({
    ...bytesSection(99, pattern(10, 1)),
    required,
  });
  const known = bytesSection(1, pattern(10, 2));
  const optional = encodeContainer({ magic: MAGIC }, [unknown(false), known]);
  expect(decodeContainer(optional, expected).sections.get(1)).toEqual(pattern(10, 2));
  const required = encodeContainer({ magic: MAGIC }, [unknown(true), known]);
  expect(codeOf(() => decodeContainer(required, expected))).toBe("BRAINY_UNSUPPORTED");
});

test("a newer lowest reader is unsupported, a newer version alone is not", () => {
  const sections = [bytesSection(1, pattern(10, 2))];
  const newer = encodeContainer({ magic: MAGIC, version: 2, minReader: 1 }, sections);
  expect(decodeContainer(newer, expected).version).toBe(2);
  const tooNew = encodeContainer({ magic: MAGIC, version: 3, minReader: 2 }, sections);
  expect(() => decodeContainer(tooNew, expected)).toThrow(
    "k: written by a newer Brainy (format 3, this one reads 1): upgrade",
  );
  expect(codeOf(() => decodeContainer(tooNew, expected))).toBe("BRAINY_UNSUPPORTED");
  expect(codeOf(() => readFooter(tooNew, tooNew.byteLength, expected))).toBe("BRAINY_UNSUPPORTED");
});

test("another magic is corrupt: a slot is never read as a segment", () => {
  const bytes = encodeContainer({ magic: MAGIC + 1 }, []);
  expect(codeOf(() => decodeContainer(bytes, expected))).toBe("BRAINY_CORRUPT");
});

test("a footer is read from a suffix, which says how long it must be", () => {
  const bytes = encodeContainer({ magic: MAGIC }, [bytesSection(1, pattern(300_000, 5))]);
  const needed = readFooter(bytes.slice(-32), bytes.byteLength, expected);
  expect(needed).toBeTypeOf("number");
  expect(readFooter(bytes.slice(-10), bytes.byteLength, expected)).toBe(32);
  const footer = readFooter(bytes.slice(-(needed as number)), bytes.byteLength, expected);
  expect(footer).toMatchObject({ sections: [{ kind: 1, offset: 64, length: 300_000 }] });
  // The length that the store reports is part of what the trailer vouches for.
  expect(codeOf(() => readFooter(bytes, bytes.byteLength + 64, expected))).toBe("BRAINY_CORRUPT");
});

test("reserved bytes in use are corrupt even where the checksum is right", () => {
  const bytes = encodeContainer({ magic: MAGIC }, []);
  bytes[20] = 1;
  new DataView(bytes.buffer).setBigUint64(56, checksum64(bytes.subarray(0, 56)), true);
  expect(() => decodeContainer(bytes, expected)).toThrow("reserved bytes of the header");
});
