import { expect, test } from "vitest";
import { functionEmbedder } from "./embedder.ts";

const named = { name: "model-1" };

test("arrays and typed arrays are both accepted, and show the dimension", async () => {
  const embedder = functionEmbedder((texts) => texts.map((text) => [text.length, 1]), named);
  expect(embedder.name).toBe("model-1");
  expect(embedder.dimensions).toBeUndefined();
  expect(await embedder.embed(["a", "bc"])).toEqual([
    new Float32Array([1, 1]),
    new Float32Array([2, 1]),
  ]);
  expect(embedder.dimensions).toBe(2);
  const typed = functionEmbedder(async () => [new Float32Array([1, 2, 3])], named);
  expect(await typed.embed(["a"])).toEqual([new Float32Array([1, 2, 3])]);
});

test("no texts need no call", async () => {
  const embedder = functionEmbedder(() => Promise.reject(new Error("called")), named);
  expect(await embedder.embed([])).toEqual([]);
});

const BAD: readonly [name: string, answer: unknown, message: string][] = [
  ["too few vectors", [[1, 2]], "embedder model-1: returned 1 vectors for 2 texts"],
  ["too many vectors", [[1], [2], [3]], "embedder model-1: returned 3 vectors for 2 texts"],
  ["no array", { data: [] }, "embedder model-1: must return an array of vectors"],
  ["nothing", undefined, "must return an array of vectors"],
  ["a vector that is text", [[1, 2], "1,2"], "vector 1 is neither a Float32Array nor an array"],
  ["an empty vector", [[1], []], "vector 1 is empty"],
  [
    "two dimensions at once",
    [
      [1, 2],
      [1, 2, 3],
    ],
    "vector 1 has 3 dimensions, the model has 2",
  ],
  [
    "NaN",
    [
      [1, 2],
      [1, NaN],
    ],
    "vector 1 is not a finite number at position 1",
  ],
  [
    "numbers as text",
    [
      ["1", "2"],
      ["1", "2"],
    ],
    "vector 0 is not a finite number at position 0",
  ],
];

for (const [name, answer, message] of BAD) {
  test(`a function that returns ${name} is refused`, async () => {
    const embedder = functionEmbedder(() => answer as number[][], named);
    const outcome = embedder.embed(["a", "b"]);
    await expect(outcome).rejects.toThrow(message);
    await expect(outcome).rejects.toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
  });
}

test("the dimension of the first answer, or the one given, binds later answers", async () => {
  const embedder = functionEmbedder(
    (texts) => texts.map((text) => Array(text.length).fill(1)),
    named,
  );
  await embedder.embed(["abc"]);
  await expect(embedder.embed(["ab"])).rejects.toThrow("has 2 dimensions, the model has 3");
  const fixed = functionEmbedder(() => [[1, 2]], { name: "m", dimensions: 3 });
  expect(fixed.dimensions).toBe(3);
  await expect(fixed.embed(["a"])).rejects.toThrow("has 2 dimensions, the model has 3");
});

test("an abort before or during the call rejects with its reason", async () => {
  const controller = new AbortController();
  const embedder = functionEmbedder((_texts, options) => {
    expect(options?.signal).toBe(controller.signal);
    controller.abort(new Error("stop"));
    return [[1]];
  }, named);
  await expect(embedder.embed(["a"], { signal: controller.signal })).rejects.toThrow("stop");
});

test("an embedder without a name is refused", () => {
  expect(() => functionEmbedder(() => [], { name: "" })).toThrow(/needs a name/);
  expect(() => functionEmbedder(() => [], undefined as never)).toThrow(/needs a name/);
  expect(() => functionEmbedder("model" as never, named)).toThrow(/must be a function/);
});
