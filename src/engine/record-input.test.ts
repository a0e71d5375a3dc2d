import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  checkData,
  checkExpiresAt,
  checkId,
  checkK,
  checkMetadata,
  checkRecordSize,
  checkVector,
  utf8Length,
} from "./record-input.ts";

const cosine = { metric: "cosine" };

function refuses(name: string, run: () => unknown, message: RegExp, code?: string): void {
  test(`${name} is refused in plain words`, () => {
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code: code ?? "BRAINY_INVALID_ARGUMENT" }));
  });
}

test("utf8Length is the length of the encoded text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (a, b) => {
      expect(utf8Length(a + b)).toBe(new TextEncoder().encode(a + b).byteLength);
    }),
  );
  for (const text of ["\ud800", "\udc00a", "\ud800\ud800\udc00", "é€😀"]) {
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).byteLength);
  }
});

test("any short well-formed text is an id", () => {
  for (const id of ["a", "ü/ß", "👩‍🚀", "a".repeat(1024), "€".repeat(341)])
    expect(checkId(id)).toBe(id);
});

refuses("an id that is a number", () => checkId(5), /id: must be a string, not 5/);
refuses("an empty id", () => checkId(""), /id: must not be empty/);
refuses("an id of 1,025 bytes", () => checkId("a".repeat(1025)), /takes 1025 bytes.*at most 1024/);
refuses("an id of 342 wide characters", () => checkId("€".repeat(342)), /takes 1026 bytes/);
refuses("an id with NUL", () => checkId("a\0b"), /NUL/);
refuses("an id with half a pair", () => checkId("a\ud83d"), /half of a surrogate pair/);

test("a vector is copied, whatever it comes from", () => {
  const given = new Float32Array([1, 2, 3]);
  const copy = checkVector(given, { dimensions: 3, metric: "cosine" });
  given[0] = 9;
  expect([...copy]).toEqual([1, 2, 3]);
  expect(checkVector([0.5, -1e30], cosine)).toEqual(new Float32Array([0.5, -1e30]));
  expect(checkVector(given.subarray(1), cosine).buffer.byteLength).toBe(8);
});

test("extreme finite vectors are accepted at every length", () => {
  for (const length of [1, 2, 3, 4, 5, 4095, 4096]) {
    const vector = new Float32Array(length).fill(3.4028234663852886e38);
    expect(checkVector(vector, cosine)).toEqual(vector);
    expect(checkVector(new Float32Array(length).fill(1e-45), cosine).length).toBe(length);
  }
});

test("a zero vector is refused under cosine only", () => {
  expect(checkVector([0, 0], { metric: "euclidean" })).toEqual(new Float32Array(2));
});

test("a value that is not finite is found at every position", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (let at = 0; at < 9; at++) {
      const vector = new Float32Array(9).fill(1);
      vector[at] = bad;
      const expected = `vector[${at}]: is ${bad}, not a finite number`;
      expect(() => checkVector(vector, cosine)).toThrow(expected);
      expect(() => checkVector([...vector], cosine)).toThrow(expected);
    }
  }
  expect(() => checkVector([Infinity, -Infinity], cosine)).toThrow("vector[0]: is Infinity");
});

refuses("an empty vector", () => checkVector([], cosine), /vector: is empty/);
refuses(
  "a vector of the wrong dimension",
  () => checkVector([1, 2], { dimensions: 3, metric: "cosine" }),
  /has 2 dimensions, this database has 3/,
);
refuses(
  "a vector of 4,097 dimensions",
  () => checkVector(new Float32Array(4097).fill(1), cosine),
  /has 4097 dimensions, at most 4096/,
);
refuses("a zero vector under cosine", () => checkVector([0, 0], cosine), /no direction/);
refuses("a vector too small for float32", () => checkVector([1e-60], cosine), /no direction/);
refuses(
  "a vector too large for float32",
  () => checkVector([1, 1e39], cosine),
  /vector\[1\]: 1e\+39 is too large/,
);
refuses(
  "a vector of strings",
  () => checkVector([1, "2"], cosine),
  /vector\[1\]: is "2", not a number/,
);
refuses("a vector with a hole", () => checkVector(Array(3), cosine), /vector\[0\]: is undefined/);
refuses(
  "a vector of doubles",
  () => checkVector(new Float64Array(3), cosine),
  /not a Float64Array; Float32Array\.from/,
);
refuses("a string as vector", () => checkVector("1,2", cosine), /not "1,2"/);
refuses("no vector", () => checkVector(undefined, cosine), /not undefined/);

test("metadata becomes the text that JSON.stringify would write", () => {
  const safe = fc
    .dictionary(
      fc.string({ unit: "grapheme" }),
      fc.jsonValue({ stringUnit: "grapheme", maxDepth: 6 }),
    )
    // The one key that is refused, at any depth; it is also likely, being a known trouble-maker.
    .filter((metadata) => !JSON.stringify(metadata).includes('"__proto__":'));
  fc.assert(
    fc.property(safe, (metadata) => {
      expect(checkMetadata(metadata)).toBe(JSON.stringify(metadata));
    }),
    { numRuns: 500 },
  );
});

test("undefined keys are dropped, dates and toJSON become their text", () => {
  class Money {
    toJSON(): unknown {
      return { cents: 5 };
    }
  }
  const at = new Date("2024-05-01T12:00:00Z");
  expect(checkMetadata({ a: undefined, at, m: new Money(), b: undefined, 'q"': -0 })).toBe(
    '{"at":"2024-05-01T12:00:00.000Z","m":{"cents":5},"q\\"":0}',
  );
  expect(checkMetadata(Object.create(null))).toBe("{}");
  expect(checkData(new Money())).toBe('{"cents":5}');
});

test("data is any JSON value", () => {
  for (const data of [null, true, 5, "x\n\u2028", [1, [2, {}]], { a: [{}] }]) {
    expect(checkData(data)).toBe(JSON.stringify(data));
  }
});

test("the same object twice is no circle", () => {
  const shared = { x: 1 };
  expect(checkMetadata({ a: shared, b: [shared, shared] })).toBe(
    '{"a":{"x":1},"b":[{"x":1},{"x":1}]}',
  );
});

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? { a: value } : [value];
  return value;
}

function circle(): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  metadata["a"] = [{ b: metadata }];
  return metadata;
}

function doubling(): unknown {
  let value: unknown = [];
  for (let level = 0; level < 30; level++) value = [value, value];
  return value;
}

test("32 levels and 65,536 bytes are accepted", () => {
  expect(checkData(deep(32)).length).toBeGreaterThan(32);
  expect(checkMetadata({ a: "x".repeat(65_536 - 8) }).length).toBe(65_536);
});

const BAD: readonly [name: string, metadata: unknown, message: RegExp, code?: string][] = [
  ["that is a string", "x", /metadata: must be a plain object, not "x"/],
  ["that is an array", [1], /not an array/],
  ["that is null", null, /not null/],
  ["that is missing", undefined, /not undefined/],
  ["that is a Map", new Map(), /not a Map/],
  ["that contains itself", circle(), /metadata\.a\[0\]\.b: contains itself/],
  ["with NaN", { a: { b: [1, NaN] } }, /metadata\.a\.b\[1\]: NaN is not a finite number/],
  ["with Infinity", { a: Infinity }, /metadata\.a: Infinity/],
  ["with a function", { a: () => 1 }, /metadata\.a: is a function/],
  ["with a symbol", { a: Symbol("x") }, /metadata\.a: is a symbol/],
  ["with a bigint", { a: 5n }, /metadata\.a: is a bigint; convert it to a string or a number/],
  ["with undefined in an array", { a: [1, undefined] }, /metadata\.a\[1\]: is undefined/],
  ["with __proto__", JSON.parse('{"a":{"__proto__":1}}'), /metadata\.a\.__proto__: .*not allowed/],
  ["with an invalid Date", { a: new Date(NaN) }, /metadata\.a: the Date is invalid/],
  ["with a typed array", { a: new Float32Array(2) }, /metadata\.a: is a Float32Array; the record/],
  ["with a Buffer", { a: Buffer.from("x") }, /is a Buffer/],
  ["with a Map", { a: new Map() }, /Object\.fromEntries/],
  ["with a Set", { a: new Set() }, /\[\.\.\.set\]/],
  ["with a class instance", { a: new (class Thing {})() }, /is a Thing; give a plain object/],
  ["with half a pair in a value", { "a b": "\udc00" }, /metadata\["a b"\]: contains half/],
  ["with half a pair in a key", { "\ud83d": 1 }, /contains half of a surrogate pair/],
  ["of 33 levels", { a: deep(32) }, /nested over 32 levels/],
  [
    "of 65,537 bytes",
    { a: "x".repeat(65_537 - 8) },
    /takes 65537 bytes as JSON, at most 65536/,
    "BRAINY_LIMIT",
  ],
  ["of many wide characters", { a: "€".repeat(22_000) }, /takes 66008 bytes/, "BRAINY_LIMIT"],
  ["that doubles at every level", { a: doubling() }, /takes over 4194304 bytes/, "BRAINY_LIMIT"],
];

for (const [name, metadata, message, code] of BAD) {
  refuses(`metadata ${name}`, () => checkMetadata(metadata), message, code);
}

refuses("data that is undefined", () => checkData(undefined), /data: is undefined/);
refuses("data with NaN", () => checkData([NaN]), /data\[0\]: NaN/);

test("k is a whole number from 1 to 10,000", () => {
  expect(checkK(1)).toBe(1);
  expect(checkK(10_000)).toBe(10_000);
  for (const k of [0, -1, 1.5, NaN, Infinity, 10_001, "5", undefined]) {
    expect(() => checkK(k)).toThrow(
      `k: must be a whole number from 1 to 10000, not ${
        typeof k === "string" ? JSON.stringify(k) : String(k)
      }`,
    );
  }
});

test("an expiry is a Date, an ISO string or milliseconds", () => {
  const moment = Date.UTC(2030, 0, 31, 12);
  expect(checkExpiresAt(new Date(moment))).toBe(moment);
  expect(checkExpiresAt(moment)).toBe(moment);
  expect(checkExpiresAt("2030-01-31T12:00:00Z")).toBe(moment);
  expect(checkExpiresAt("2030-01-31T14:00+02:00")).toBe(moment);
  expect(checkExpiresAt("2028-02-29")).toBe(Date.UTC(2028, 1, 29));
  expect(checkExpiresAt("2030-01-31")).toBe(Date.UTC(2030, 0, 31));
});

refuses("an expiry without a zone", () => checkExpiresAt("2030-01-31T12:00"), /with its zone/);
refuses("an expiry in words", () => checkExpiresAt("tomorrow"), /"tomorrow" is not an ISO date/);
refuses("an expiry on February 31", () => checkExpiresAt("2030-02-31"), /not an ISO date/);
refuses("an expiry in month 13", () => checkExpiresAt("2030-13-01"), /not an ISO date/);
refuses("a fractional expiry", () => checkExpiresAt(1.5), /1\.5 is not a whole number/);
refuses("an infinite expiry", () => checkExpiresAt(Infinity), /Infinity/);
refuses("an invalid Date as expiry", () => checkExpiresAt(new Date(NaN)), /invalid/);
refuses("an expiry that is true", () => checkExpiresAt(true), /not true/);

test("a record of 4 MiB is accepted", () => {
  expect(() => checkRecordSize(4_194_304)).not.toThrow();
});
refuses(
  "a record over 4 MiB",
  () => checkRecordSize(4_194_305),
  /takes 4194305 bytes, at most 4194304/,
  "BRAINY_LIMIT",
);
