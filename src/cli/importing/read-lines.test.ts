import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readLines } from "./read-lines.ts";

/** The bytes in chunks that end at these positions. */
async function* inChunks(bytes: Uint8Array, ends: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const end of [...ends].sort((a, b) => a - b)) {
    yield bytes.subarray(start, Math.min(end, bytes.length));
    start = Math.min(end, bytes.length);
  }
  yield bytes.subarray(start);
}

test("lines are the same however the bytes arrive", async () => {
  const texts = fc.string({ unit: fc.constantFrom("a", "é", "🦊", "\n", "\r\n", " ") });
  await fc.assert(
    fc.asyncProperty(texts, fc.array(fc.nat(60)), async (text, ends) => {
      const bytes = new TextEncoder().encode(text);
      const lines = await collect(readLines(inChunks(bytes, ends)));
      const expected = text.split(/\r?\n/);
      if (expected.at(-1) === "") expected.pop();
      expect(lines.map((line) => line.text)).toEqual(expected);
      expect(lines.map((line) => line.number)).toEqual(expected.map((_, i) => i + 1));
      const last = lines.at(-1);
      if (last !== undefined) expect(last.isTerminated).toBe(text.endsWith("\n"));
    }),
  );
});

test("a chunk may be overwritten once it was taken", async () => {
  async function* reused(): AsyncGenerator<Uint8Array> {
    const buffer = new TextEncoder().encode("ab");
    yield buffer;
    buffer.set(new TextEncoder().encode("c\n"));
    yield buffer;
  }
  expect((await collect(readLines(reused())))[0]?.text).toBe("abc");
});

test("bytes that are no text are a problem of their line alone", async () => {
  const bytes = Uint8Array.of(0x61, 0x0a, 0xff, 0x0a, 0x62);
  const lines = await collect(readLines(inChunks(bytes, [])));
  expect(lines.map(({ text, problem }) => text ?? problem)).toEqual([
    "a",
    "is not UTF-8 text",
    "b",
  ]);
});

test("a line that is too long is passed over, and not kept", async () => {
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 17; i++) yield new Uint8Array(1024 * 1024).fill(0x61);
    yield new TextEncoder().encode("\nshort\n");
  }
  const [first, second] = await collect(readLines(long()));
  expect(first).toMatchObject({ number: 1, text: undefined });
  expect(first?.problem).toMatch(/^is 17825792 bytes long/);
  expect(second).toMatchObject({ number: 2, text: "short" });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
