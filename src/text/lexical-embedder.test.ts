import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { lexicalEmbedder } from "./lexical-embedder.ts";

async function embed(...texts: string[]): Promise<Float32Array[]> {
  return [...(await lexicalEmbedder().embed(texts))];
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? NaN) * (b[i] ?? NaN);
  return sum;
}

async function similarity(a: string, b: string): Promise<number> {
  const [x, y] = await embed(a, b);
  return dot(x as Float32Array, y as Float32Array);
}

test("version 1 is frozen: stored vectors must go on meaning the same", async () => {
  const [vector] = await embed("The quick brown fox jumps over the lazy dog; the fox naïvely.");
  const largest = [...(vector as Float32Array).entries()]
    .toSorted(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .slice(0, 6)
    .map(([at, value]) => [at, Number(value.toFixed(6))]);
  expect(largest).toEqual([
    [379, -0.360494],
    [44, -0.273793],
    [105, -0.273793],
    [255, -0.273793],
    [378, -0.273793],
    [292, 0.231786],
  ]);
});

test("every text with something in it has a vector of length 1", async () => {
  const text = fc.string({ unit: "binary", minLength: 1 }).filter((some) => some.trim() !== "");
  await fc.assert(
    fc.asyncProperty(text, async (some) => {
      const [vector] = await embed(some);
      expect(vector).toHaveLength(384);
      expect(dot(vector as Float32Array, vector as Float32Array)).toBeCloseTo(1, 5);
    }),
  );
});

test("texts of punctuation or pictographs alone are told apart", async () => {
  expect(await similarity("?!", "?!")).toBeCloseTo(1);
  expect(Math.abs(await similarity("?!", "..."))).toBeLessThan(0.5);
  expect(Math.abs(await similarity("🍕", "🚀"))).toBeLessThan(0.5);
  expect(await similarity("I love 🍕", "🍕")).toBeGreaterThan(0.3);
});

test("a text without anything to embed is refused", async () => {
  await expect(embed("ok", " \n\t")).rejects.toThrow(/text: is empty/);
});

test("what was embedded before changes nothing", async () => {
  const shared = lexicalEmbedder();
  await shared.embed(Array.from({ length: 9000 }, (_, i) => `filler${i} text`));
  const [after] = await shared.embed(["some plain text"]);
  const [fresh] = await embed("some plain text");
  expect(after).toEqual(fresh);
});

test("word order, case and accents make no difference", async () => {
  expect(await similarity("Crème brûlée recipe", "recipe: creme BRULEE")).toBeCloseTo(1);
});

test("variants of a word are near each other, other words are not", async () => {
  const variant = await similarity("placental transfer", "placenta transfers");
  const other = await similarity("placental transfer", "wing profile");
  expect(variant).toBeGreaterThan(0.4);
  expect(Math.abs(other)).toBeLessThan(0.25);
});

test("identifiers are found by the words in them", async () => {
  const found = await similarity("function parseUserName(input_text)", "parse user name");
  const other = await similarity("function drawCircle(radius_px)", "parse user name");
  expect(found).toBeGreaterThan(other + 0.3);
});

test("an aborted call embeds nothing", async () => {
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(lexicalEmbedder().embed(["a text"], { signal })).rejects.toThrow("stop");
});

interface Document {
  readonly id: string;
  readonly title?: string;
  readonly text: string;
}

const DATA = new URL("../../../shared/data/text/", import.meta.url);

function readLines(path: string): Document[] {
  const text = gunzipSync(readFileSync(new URL(path, DATA))).toString();
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const { _id: id, ...rest } = JSON.parse(line) as Document & { readonly _id: string };
      return { ...rest, id };
    });
}

/** Mean nDCG@10 by brute force, over all judged queries. */
async function ndcg10(collection: string): Promise<number> {
  const corpus = readLines(`${collection}/corpus.jsonl.gz`);
  const queries = readLines(`${collection}/queries.jsonl.gz`);
  const grades = new Map<string, Map<string, number>>();
  const rows = readFileSync(new URL(`${collection}/qrels.tsv`, DATA), "utf8")
    .trim()
    .split("\n");
  for (const row of rows.slice(1)) {
    const [query = "", id = "", grade = "0"] = row.split("\t");
    const judged = grades.get(query) ?? new Map<string, number>();
    grades.set(query, judged.set(id, Math.max(0, Number(grade))));
  }
  const gain = (sorted: readonly number[]): number =>
    sorted.slice(0, 10).reduce((sum, grade, rank) => sum + grade / Math.log2(rank + 2), 0);

  const vectors = await embed(
    ...corpus.map((each) => `${each.title ?? ""} ${each.text}`.trim() || "-"),
  );
  let sum = 0;
  for (const query of queries) {
    const [vector] = await embed(query.text);
    const judged = grades.get(query.id) ?? new Map<string, number>();
    const ranked = vectors
      .map((other, i) => ({ id: corpus[i]?.id ?? "", score: dot(other, vector as Float32Array) }))
      .toSorted((a, b) => b.score - a.score);
    const ideal = gain([...judged.values()].toSorted((a, b) => b - a));
    sum += gain(ranked.slice(0, 10).map(({ id }) => judged.get(id) ?? 0)) / ideal;
  }
  return sum / queries.length;
}

const hasData = existsSync(DATA);
if (!hasData) console.log("skipped: retrieval quality, since ../shared/data is not there");

// Floors a little below the figures of docs/guide/embedding.md.
const FLOORS = { med: 0.56, cranfield: 0.27 };

for (const [collection, floor] of Object.entries(FLOORS)) {
  const name = `nDCG@10 on ${collection} is at least ${floor}`;
  // The data set is not part of the repository.
  test.skipIf(!hasData)(name, { timeout: 60_000 }, async () => {
    const measured = await ndcg10(collection);
    expect(measured).toBeGreaterThan(floor);
    expect(measured).toBeLessThan(1);
  });
}
