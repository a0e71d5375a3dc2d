import fc from "fast-check";
import { expect, test } from "vitest";
import { isBrainyError } from "../base/errors.ts";
import { COUNTER_MAX, makeVersion } from "./version.ts";
import type { LaneId, Version } from "./version.ts";
import type { Operation } from "./operation.ts";
import { decodeSlot, encodeSlot } from "./slot.ts";
import type { Slot } from "./slot.ts";

const LANE = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3" as LaneId;
const OTHER = "01JCZ0M3V8Q6T4R2W0Y9X7S5P4" as LaneId;

function slotOf(operations: readonly Operation[]): Slot {
  return {
    kind: operations.length > 0 ? "operations" : "open",
    databaseId: "01JCZ0M3V8Q6T4R2W0Y9X7S5DB",
    lane: LANE,
    number: 7,
    incarnation: "01JCZ0M3V8Q6T4R2W0Y9X7S5RN",
    nonce: "00ff",
    version: operations.at(-1)?.version ?? makeVersion(1, 0, LANE),
    operations,
  };
}

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const versions = fc
  .tuple(fc.nat(2 ** 40), fc.nat(COUNTER_MAX), fc.constantFrom(LANE, OTHER))
  .map(([millis, counter, lane]) => makeVersion(millis, counter, lane));
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const attributes = fc.record(
  {
    type: text,
    domain: text,
    expiresAtMs: fc.nat(),
    unset: fc.array(text, { maxLength: 2 }),
    clear: fc.array(fc.constantFrom("type", "domain", "expiresAtMs"), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

function operationOf(dimension: number): fc.Arbitrary<Operation> {
  const vector = fc.float32Array({
    minLength: dimension,
    maxLength: dimension,
    noNaN: true,
    noDefaultInfinity: true,
  });
  const seen = optional(fc.array(versions, { maxLength: 3 }));
  const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 9 });
  const version = fc.constant("" as Version);
  return fc.oneof(
    fc.record({
      kind: fc.constantFrom("put" as const, "patch" as const),
      version,
      id,
      vector: optional(vector),
      content: optional(text),
      metadata: optional(text),
      attributes: optional(attributes),
      seen,
    }),
    fc.record({ kind: fc.constant("delete" as const), version, id, seen }),
  );
}

const slots = fc
  .integer({ min: 1, max: 9 })
  .chain((dimension) => fc.array(operationOf(dimension), { maxLength: 12 }))
  .map((operations) =>
    slotOf(operations.map((operation, i) => ({ ...operation, version: makeVersion(9, i, LANE) }))),
  );

test("a slot is read as it was written", () => {
  fc.assert(
    fc.property(slots, fc.nat(3), (slot, shift) => {
      const bytes = encodeSlot(slot);
      expect(decodeSlot(bytes, "k")).toEqual(slot);
      expect(decodeSlot(bytes, "k").operations[0]?.vector).toStrictEqual(
        slot.operations[0]?.vector,
      );
      // Bytes that do not start at a multiple of 4 are copied, not refused.
      const shifted = new Uint8Array(bytes.byteLength + shift);
      shifted.set(bytes, shift);
      expect(decodeSlot(shifted.subarray(shift), "k")).toEqual(slot);
    }),
  );
});

test("a text or an id that starts with a byte order mark keeps it", () => {
  const slot = slotOf([
    {
      kind: "put",
      version: makeVersion(1, 1, LANE),
      id: "\uFEFFa",
      content: "\uFEFF",
      metadata: "",
    },
  ]);
  expect(decodeSlot(encodeSlot(slot), "k")).toEqual(slot);
});

test("vectors of an aligned slot are views of its bytes", () => {
  const slot = slotOf([
    { kind: "put", version: makeVersion(1, 1, LANE), id: "a", vector: Float32Array.of(1, 2, 3) },
  ]);
  const bytes = encodeSlot(slot);
  const { vector } = decodeSlot(bytes, "k").operations[0]!;
  expect(vector?.buffer).toBe(bytes.buffer);
});

test("a slot whose operations are out of order, or of another lane, is corrupt", () => {
  const put = (version: Version): Operation => ({ kind: "put", version, id: "a" });
  const first = put(makeVersion(1, 1, LANE));
  const second = put(makeVersion(1, 2, LANE));
  expect(() => decodeSlot(encodeSlot(slotOf([second, first])), "k")).toThrow("comes after");
  expect(() => decodeSlot(encodeSlot(slotOf([first, first])), "k")).toThrow("comes after");
  expect(() => decodeSlot(encodeSlot(slotOf([put(makeVersion(1, 1, OTHER))])), "k")).toThrow(
    "another lane",
  );
  const wrong = { ...slotOf([first, second]), version: first.version };
  expect(() => decodeSlot(encodeSlot(wrong), "k")).toThrow("not its last operation's");
});

test("the error of a damaged slot names its key first", () => {
  const bytes = encodeSlot(slotOf([]));
  bytes[70]! ^= 1;
  try {
    decodeSlot(bytes, "_brainy/wal/x/1");
    expect.unreachable();
  } catch (error) {
    expect(isBrainyError(error, "BRAINY_CORRUPT")).toBe(true);
    expect((error as Error).message).toMatch(/^_brainy\/wal\/x\/1: /);
  }
});

test("any flipped bit, truncation or extension of a slot is corrupt", () => {
  const bytes = encodeSlot(
    slotOf([
      {
        kind: "put",
        version: makeVersion(1, 1, LANE),
        id: "ä",
        vector: Float32Array.of(1, 2),
        content: "{}",
        metadata: "{}",
        attributes: { type: "t" },
      },
    ]),
  );
  for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => decodeSlot(damaged, "k"), `bit ${bit}`).toThrow("k: ");
  }
  for (let length = 0; length < bytes.byteLength; length++) {
    expect(() => decodeSlot(bytes.slice(0, length), "k"), `length ${length}`).toThrow("k: ");
  }
  const longer = new Uint8Array(bytes.byteLength + 64);
  longer.set(bytes);
  expect(() => decodeSlot(longer, "k")).toThrow("k: ");
});
