import { expect, test } from "vitest";
import { BrainyError } from "../../src/base/errors.ts";
import { checksum64 } from "../../src/base/checksum.ts";
import { Draw } from "./draw.ts";
import { Fuzzer, type Finding } from "./fuzzer.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { demand, type FuzzTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";

/*
 * A short stretch of what `npm run test:fuzz` does for as long as it is asked.
 */

const CASES = 2_500;

async function run(targets: readonly FuzzTarget[], seed: number, cases: number) {
  const fuzzer = new Fuzzer(targets, seed);
  const findings: Finding[] = [];
  for (let number = 0; number < cases; number++) {
    const finding = await fuzzer.run(number);
    if (finding !== undefined) findings.push(finding);
  }
  return { fuzzer, findings };
}

test("no decoder does more with damaged input than to refuse it or to read it", async () => {
  const { fuzzer, findings } = await run(TARGETS, 1, CASES);
  expect(findings).toEqual([]);
  for (const [name, { accepted, rejected }] of fuzzer.counts) {
    expect(accepted, name).toBeGreaterThan(0);
    expect(rejected, name).toBeGreaterThan(0);
  }
});

/*
 * Decoders with one mistake each, of a list of words: `count u32 │ words u32 × count │ checksum`.
 */

const WORDS = [3, 5, 8, 13];

function encodeWords(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * words.length + 8);
  new Uint32Array(bytes.buffer, 0, 1 + words.length).set([words.length, ...words]);
  return sealed(bytes);
}

function sealed(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < 8) return bytes;
  const at = bytes.byteLength - 8;
  new DataView(bytes.buffer).setBigUint64(at, checksum64(bytes.subarray(0, at)), true);
  return bytes;
}

type Mistake = "believes the count" | "forgets the end" | "takes any order" | "throws" | "spins";

function decodeWords(bytes: Uint8Array, mistake?: Mistake): Uint32Array {
  const refuse = (why: string) => new BrainyError("BRAINY_CORRUPT", `k: ${why}`);
  if (bytes.byteLength < 12) throw refuse("too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = bytes.byteLength - 8;
  if (view.getBigUint64(at, true) !== checksum64(bytes.subarray(0, at))) throw refuse("checksum");
  const count = view.getUint32(0, true);
  const fits = 4 + 4 * count === at;
  if (!fits && mistake !== "believes the count" && mistake !== "forgets the end") {
    throw mistake === "throws" ? new Error("too long") : refuse("its length");
  }
  const words = new Uint32Array(mistake === "forgets the end" ? Math.min(count, 99) : count);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 + 4 * i, true);
  let spins = 0;
  if (mistake === "spins") for (let i = 0; i < Math.min(words[0]!, 1e8); i++) spins += Math.sqrt(i);
  const ascends = words.every((word, i) => i === 0 || word > words[i - 1]!);
  if (!ascends && mistake !== "takes any order" && spins >= 0) throw refuse("its order");
  return words;
}

function wordsTarget(mistake?: Mistake): FuzzTarget {
  return {
    name: "words",
    cpuMsMax: 50,
    sample: () => encodeWords(WORDS),
    mutate: (input, draw) => sealed(mutateBytes(input, draw)),
    read(input) {
      const words = decodeWords(input, mistake);
      demand(
        words.every((word, i) => i === 0 || word > words[i - 1]!),
        "words ascend",
      );
    },
  };
}

const MISTAKES: readonly (readonly [Mistake, RegExp])[] = [
  ["believes the count", /^large: .*bytes are asked for/],
  ["forgets the end", /RangeError/],
  ["takes any order", /words ascend/],
  ["throws", /too long/],
  ["spins", /^slow: /],
];

for (const [mistake, problem] of MISTAKES) {
  test(`a decoder that ${mistake} is found`, async () => {
    const fuzzer = new Fuzzer([wordsTarget(mistake)], 7);
    let found = "";
    for (let number = 0; number < 600 && !problem.test(found); number++) {
      found = (await fuzzer.run(number))?.problem ?? found;
    }
    expect(found).toMatch(problem);
  });
}

test("a decoder without a mistake is left alone", async () => {
  expect((await run([wordsTarget()], 7, 2_000)).findings).toEqual([]);
});

test("a decoder that changes what all objects share is found", async () => {
  const polluting: FuzzTarget = {
    ...wordsTarget(),
    read: () => Object.assign(Object.prototype, { polluted: 1 }),
  };
  try {
    const { findings } = await run([polluting], 7, 1);
    expect(findings[0]?.problem).toMatch(/^pollution: polluted/);
  } finally {
    Reflect.deleteProperty(Object.prototype, "polluted");
  }
});

test("the same seed and number make the same input", async () => {
  const broken: FuzzTarget = { ...wordsTarget(), read: () => demand(false, "never") };
  const [first, second] = [await run([broken], 3, 20), await run([broken], 3, 20)];
  expect(first.findings.map(({ input }) => input)).toEqual(
    second.findings.map(({ input }) => input),
  );
  expect(new Set(first.findings.map(({ input }) => input)).size).toBeGreaterThan(10);
  expect(new Draw(1).below(1_000)).not.toBe(new Draw(2).below(1_000));
});
