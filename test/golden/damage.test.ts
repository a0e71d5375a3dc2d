import fc from "fast-check";
import { expect, test } from "vitest";
import { BrainyError, isBrainyError } from "../../src/base/errors.ts";
import { decodeCheckpoint } from "../../src/format/checkpoint.ts";
import { decodeConfig } from "../../src/format/config.ts";
import { decodeContainer, encodeContainer, bytesSection } from "../../src/format/container.ts";
import { decodeDeletions } from "../../src/format/deletions.ts";
import { decodeManifest } from "../../src/format/manifest.ts";
import { decodeOperations } from "../../src/format/operation-columns.ts";
import { planOperations } from "../../src/format/operations-block.ts";
import { SegmentReader, memorySource } from "../../src/format/segment-reader.ts";
import { SECTION, SEGMENT_MAGIC } from "../../src/format/segment.ts";
import type { SegmentRow } from "../../src/format/segment.ts";
import { decodeSlot } from "../../src/format/slot.ts";
import { SEGMENT_ROWS, SLOT, at, encodeAll, encodeSegment } from "./values.ts";

/*
 * Bytes come back from a store cut, stretched, flipped, zeroed or shuffled. Every reader must then
 * say so, with one of two codes, or return exactly what was written: never crash in another way,
 * hang, allocate by a length it has not checked, or return other rows.
 */

const encoded = await encodeAll();

type Damage = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const place = (bytes: Uint8Array, where: number): number => Math.floor(where * bytes.byteLength);

const flips = fc
  .array(fc.tuple(position, fc.nat(7)), { minLength: 1, maxLength: 4 })
  .map((bits): Damage => (bytes) => {
    for (const [where, bit] of bits) bytes[place(bytes, where)]! ^= 1 << bit;
    return bytes;
  });
const writes = fc
  .tuple(position, fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { minLength: 1, maxLength: 8 }))
  .map(([where, patch]): Damage => (bytes) => {
    const start = place(bytes, where);
    bytes.set(patch.slice(0, bytes.byteLength - start), start);
    return bytes;
  });
const cuts = position.map((where): Damage => (bytes) => bytes.slice(0, place(bytes, where)));
const stretches = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((more): Damage => (bytes) => {
    const longer = new Uint8Array(bytes.byteLength + more.byteLength);
    longer.set(bytes);
    longer.set(more, bytes.byteLength);
    return longer;
  });
const zeroes = fc
  .tuple(position, fc.integer({ min: 1, max: 300 }))
  .map(([where, length]): Damage => (bytes) => {
    const start = place(bytes, where);
    return bytes.fill(0, start, start + length);
  });
const swaps = fc
  .tuple(position, position, fc.integer({ min: 1, max: 64 }))
  .map(([a, b, length]): Damage => (bytes) => {
    const [from, to] = [place(bytes, a), place(bytes, b)];
    const [first, second] = [bytes.slice(from, from + length), bytes.slice(to, to + length)];
    bytes.set(second.subarray(0, bytes.byteLength - from), from);
    bytes.set(first.subarray(0, bytes.byteLength - to), to);
    return bytes;
  });
const damages = fc.oneof(flips, writes, cuts, stretches, zeroes, swaps);

/** Everything a segment can tell, so that two equal answers mean equal rows. */
async function readSegment(bytes: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const segment = await SegmentReader.open(memorySource(bytes), "k");
  const { rows, vectorRows } = segment.meta;
  const columns = await Promise.all([
    segment.ids(),
    segment.metadata(),
    segment.content(),
    segment.attributes(),
  ]);
  const versions = await segment.versions();
  const index = await segment.idIndex();
  const found: number[] = [];
  for (const { id } of SEGMENT_ROWS) {
    found.push(await segment.findCold(id), index.find(id, (row) => columns[0].text(row)));
  }
  for await (const problem of segment.verify()) throw new BrainyError("BRAINY_CORRUPT", problem);
  return {
    meta: segment.meta,
    kinds: await segment.kinds(),
    texts: columns.map((column) => column.texts()),
    versions: Array.from({ length: rows }, (_, row) => versions.version(row)),
    vectors: (await segment.vectorRows(0, vectorRows)).slice(),
    residual: [...(await segment.residual())],
    found,
  };
}

type Read = (bytes: Uint8Array<ArrayBuffer>) => unknown;

/** Fails unless reading damaged bytes answers as reading the sound ones does, or refuses. */
async function expectRefusedOrSame(read: Read, bytes: Uint8Array, damage: Damage): Promise<void> {
  const damaged = damage(new Uint8Array(bytes));
  let value: unknown;
  try {
    value = await read(damaged);
  } catch (error) {
    if (isBrainyError(error, "BRAINY_CORRUPT") || isBrainyError(error, "BRAINY_UNSUPPORTED")) return;
    throw error;
  }
  expect(value).toEqual(await read(new Uint8Array(bytes)));
}

const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ["slot.bin", (bytes) => decodeSlot(bytes, "k")],
  ["segment.bin", readSegment],
  ["deletions-gaps.bin", (bytes) => decodeDeletions(bytes, "k", 100_000)],
  ["deletions-bitmap.bin", (bytes) => decodeDeletions(bytes, "k", 200)],
  ["manifest.json", (bytes) => decodeManifest(bytes, "k")],
  ["checkpoint.json", (bytes) => decodeCheckpoint(bytes, "k")],
]);

for (const [name, read] of READERS) {
  test(`a damaged ${name} is refused, or is what was written`, async () => {
    await fc.assert(
      fc.asyncProperty(damages, (damage) => expectRefusedOrSame(read, encoded.get(name)!, damage)),
      { numRuns: name === "segment.bin" ? 400 : 1_000 },
    );
  });
}

test("a damaged config.json, which has no checksum, decodes or is refused by name", () => {
  fc.assert(
    fc.property(damages, (damage) => {
      try {
        decodeConfig(damage(new Uint8Array(encoded.get("config.json")!)), "_brainy/config.json");
      } catch (error) {
        if (!isBrainyError(error)) throw error;
        expect(["BRAINY_CORRUPT", "BRAINY_UNSUPPORTED"]).toContain(error.code);
        expect(error.message).toMatch(/^_brainy\/config\.json: /);
      }
    }),
    { numRuns: 1_000 },
  );
});

/*
 * Checksums hide the decoders behind them from the tests above. Here damage comes first and the
 * checksums are right, as if a broken writer had made the object.
 */

test("operations that a broken writer made are refused, or are well formed", () => {
  const plan = planOperations(SLOT.operations);
  const block = new Uint8Array(plan.length);
  plan.write(block);
  fc.assert(
    fc.property(damages, (damage) => {
      try {
        for (const operation of decodeOperations(damage(block.slice()), "k")) {
          expect(["put", "patch", "delete"]).toContain(operation.kind);
          expect(operation.id).not.toBe("");
          expect(operation.vector?.length ?? 3).toBeGreaterThan(0);
        }
      } catch (error) {
        if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
      }
    }),
    { numRuns: 3_000 },
  );
});

test("a segment whose one section a broken writer made is refused, or can be read", async () => {
  const kinds = new Set<number>(Object.values(SECTION));
  const expectation = { magic: SEGMENT_MAGIC, where: "k", kinds };
  const { sections } = decodeContainer(encoded.get("segment.bin")!, expectation);
  await fc.assert(
    fc.asyncProperty(damages, fc.constantFrom(...kinds), async (damage, kind) => {
      const sources = [...sections].map(([own, bytes]) =>
        bytesSection(own, own === kind ? damage(new Uint8Array(bytes)) : bytes),
      );
      try {
        await readSegment(encodeContainer({ magic: SEGMENT_MAGIC }, sources));
      } catch (error) {
        if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
      }
    }),
    { numRuns: 1_000 },
  );
});

test("deletions that a broken writer made are refused, or ascend below the row count", () => {
  for (const name of ["deletions-gaps.bin", "deletions-bitmap.bin"]) {
    const magic = new DataView(encoded.get(name)!.buffer).getUint32(0, true);
    const expectation = { magic, where: "k", kinds: new Set([1, 2]) };
    const { sections } = decodeContainer(encoded.get(name)!, expectation);
    fc.assert(
      fc.property(damages, fc.constantFrom(1, 2), (damage, kind) => {
        const sources = [...sections].map(([own, bytes]) =>
          bytesSection(own, own === kind ? damage(new Uint8Array(bytes)) : bytes),
        );
        try {
          const rows = decodeDeletions(encodeContainer({ magic }, sources), "k", 100_000);
          expect([...rows]).toEqual([...new Set(rows)].toSorted((a, b) => a - b));
          expect(rows.at(-1)).toBeLessThan(100_000);
        } catch (error) {
          if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
        }
      }),
      { numRuns: 1_000 },
    );
  }
});

test("blocks of 64 KiB that changed places are found", async () => {
  const rows = Array.from({ length: 20_000 }, (_, i): SegmentRow => {
    const vector = Float32Array.of(i, i, i);
    const texts = { content: "", metadata: "{}", attributes: "" };
    return { id: `r${i}`, version: at(i), live: true, vector, ...texts };
  });
  const bytes = await encodeSegment(rows);
  const block = 65_536;
  const first = bytes.slice(64, 64 + block);
  bytes.copyWithin(64, 64 + block, 64 + 2 * block);
  bytes.set(first, 64 + block);
  const segment = await SegmentReader.open(memorySource(bytes), "k");
  await expect(segment.vectorRows(0, 1)).rejects.toThrow("block 0 of section 1");
  await expect(segment.loadVectors(new Uint8Array(rows.length * 16))).rejects.toThrow("k: ");
  // What lies elsewhere can still be read.
  expect((await segment.ids()).text(19_999)).toBe("r19999");
});
