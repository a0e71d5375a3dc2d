import { expect, test } from "vitest";
import fc from "fast-check";
import { isBrainyError } from "../base/errors.ts";
import { checkKey, checkKeyPrefix, isKey, KEY_CHARACTERS_MAX } from "./keys.ts";

function refusal(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isBrainyError(error, "BRAINY_INVALID_ARGUMENT")) throw error;
    return error.message;
  }
}

test("a refusal names the key and says what is wrong with it", () => {
  expect(refusal(() => checkKey("a/../b"))).toContain('"a/../b"');
  expect(refusal(() => checkKey("a/../b"))).toContain("begins with a dot");
  expect(refusal(() => checkKey("nul\0"))).toContain("\\u0000");
  expect(refusal(() => checkKey("a//b"))).toContain("empty part");
  expect(refusal(() => checkKey("x".repeat(600)))).toContain("512");
  expect(refusal(() => checkKey("x".repeat(300)))).toContain("240");
  expect(refusal(() => checkKey(7 as never))).toContain("not a string");
});

test("devices of Windows are no keys, in any case and with any extension", () => {
  for (const name of ["CON", "nul", "a/Aux/b", "com1", "LPT9.log", "prn.tar.gz"]) {
    expect(isKey(name), name).toBe(false);
  }
  for (const name of ["CONFIG", "null", "com", "com10", "auxiliary", "x.con"]) {
    expect(isKey(name), name).toBe(true);
  }
});

test("every key can be cut anywhere and be a prefix", () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/);
  const keys = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(keys, fc.nat(200), (key, cut) => {
      fc.pre(isKey(key));
      expect(refusal(() => checkKeyPrefix(key.slice(0, cut)))).toBeUndefined();
    }),
  );
});

test("no key reaches out of its folder", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(".", "/", "\\", "a", "~", "\0", ":") }),
      (key) => {
        fc.pre(isKey(key));
        expect(key.length).toBeLessThanOrEqual(KEY_CHARACTERS_MAX);
        const url = new URL(key, "https://store.example/base/");
        expect(url.pathname).toBe(`/base/${key}`);
      },
    ),
    { numRuns: 2_000 },
  );
});
