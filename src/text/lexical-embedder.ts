import { invalid } from "../base/errors.ts";
import { COMMON_WORDS } from "./common-words.ts";
import type { Embedder, EmbedOptions } from "./embedder.ts";
import { isDenseWord, wordsOf } from "./words.ts";

/*
 * Version 1. Vectors are stored, so nothing below may change under this name.
 *
 *   text ─► words ─► for each different word, (1 + ln n) × its word vector ─► sum ─► length 1
 *
 *   word vector = weight × ( ±1 at hash(word)
 *                            ±0.7 at hash(first five characters), of longer words
 *                            ±0.95/√g at hash(gram), for each of the g grams of "<word>" )
 *
 * Position and sign of a feature come from one 32-bit integer hash, so they are the same on every
 * platform: position = hash mod 384, negative when bit 31 is set. Signs make features that share
 * a position cancel on average instead of adding up.
 */

const NAME = "brainy-lexical-1";
const DIMENSIONS = 384;
const GRAM_LENGTH_MIN = 3;
const GRAM_LENGTH_MAX = 5;

/** Of all grams of a word together; the word itself has 1. Measured in docs/guide/embedding.md. */
const GRAM_WEIGHT = 0.95;
/** A word's beginning is mostly its stem: "lens" and "lenses", "placenta" and "placental". */
const STEM_LENGTH = 5;
const STEM_WEIGHT = 0.7;
const COMMON_WEIGHT = 0.1;
/** By length: of one, two and three characters. */
const SHORT_WEIGHTS: readonly number[] = [0, 0.1, 0.3, 0.5];

const WORD_SEED = 0x811c9dc5;
const STEM_SEED = 0x9e3779b9;
const GRAM_SEED = 0x01234567;

/** Longer words are cut: they are keys, hashes or base64, and would crowd out the rest. */
const WORD_LENGTH_MAX = 64;

/** About 6 MB when full; a language uses fewer different words in any one batch. */
const CACHED_WORDS_MAX = 8192;

interface WordVector {
  readonly positions: Int16Array;
  readonly weights: Float64Array;
}

/**
 * An embedder without a model: no download, no network, the same vectors everywhere.
 *
 * It finds texts that share words, parts of words, spelling variants and identifiers. It knows
 * nothing of meaning: "car" and "automobile" are strangers to it. Figures and the line that swaps
 * in a real model are in `docs/guide/embedding.md`.
 *
 * Runs on the calling thread, at about 0.1 ms for 500 characters: keep batches small.
 */
export function lexicalEmbedder(): Embedder {
  const cache = new Map<string, WordVector>();
  return {
    name: NAME,
    dimensions: DIMENSIONS,
    async embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]> {
      return texts.map((text) => {
        options?.signal?.throwIfAborted();
        return embedText(text, cache);
      });
    },
  };
}

function embedText(text: string, cache: Map<string, WordVector>): Float32Array {
  if (text.trim() === "") throw invalid("text: is empty, there is nothing to embed");
  let words = wordsOf(text);
  // Punctuation and symbols alone: their characters stand in for words.
  if (words.length === 0) words = Array.from(text.trim());

  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);

  const sums = new Float64Array(DIMENSIONS);
  for (const [word, count] of counts) addWord(sums, wordVector(word, cache), countWeight(count));
  return normalized(sums, text);
}

function addWord(sums: Float64Array, { positions, weights }: WordVector, factor: number): void {
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i] as number;
    sums[position] = (sums[position] as number) + factor * (weights[i] as number);
  }
}

/** Rounded, because platforms may disagree about the last bit of a logarithm. */
function countWeight(count: number): number {
  return count === 1 ? 1 : 1 + Math.round(Math.log(count) * 65_536) / 65_536;
}

function wordVector(word: string, cache: Map<string, WordVector>): WordVector {
  const known = cache.get(word);
  if (known !== undefined) return known;
  const made = makeWordVector(word.slice(0, WORD_LENGTH_MAX));
  if (cache.size >= CACHED_WORDS_MAX) cache.clear();
  cache.set(word, made);
  return made;
}

function makeWordVector(word: string): WordVector {
  const isCommon = COMMON_WORDS.has(word);
  const weight = isCommon ? COMMON_WEIGHT : lengthWeight(word);
  const hashes = [hashOf(word, 0, word.length, WORD_SEED)];
  const weights = [weight];
  // A common word is known by itself; its parts would only stir up other words.
  if (!isCommon) {
    if (word.length > STEM_LENGTH) {
      hashes.push(hashOf(word, 0, STEM_LENGTH, STEM_SEED));
      weights.push(weight * STEM_WEIGHT);
    }
    const grams = gramHashes(`<${word}>`);
    for (const gram of grams) {
      hashes.push(gram);
      weights.push((weight * GRAM_WEIGHT) / Math.sqrt(grams.length));
    }
  }
  return {
    positions: Int16Array.from(hashes, (hash) => hash % DIMENSIONS),
    weights: Float64Array.from(weights, (size, i) =>
      (hashes[i] as number) >= 0x80000000 ? -size : size,
    ),
  };
}

/** Short words are mostly grammar, except where a character or two are a whole word. */
function lengthWeight(word: string): number {
  const weight = SHORT_WEIGHTS[word.length];
  return weight === undefined || isDenseWord(word) ? 1 : weight;
}

function gramHashes(marked: string): number[] {
  const hashes: number[] = [];
  for (let length = GRAM_LENGTH_MIN; length <= GRAM_LENGTH_MAX; length++) {
    // The gram that is the whole marked word would repeat the word itself.
    if (length >= marked.length) break;
    for (let start = 0; start + length <= marked.length; start++) {
      hashes.push(hashOf(marked, start, start + length, GRAM_SEED));
    }
  }
  return hashes;
}

/** FNV-1a over UTF-16 code units, then the finalizer of MurmurHash3; unsigned. */
function hashOf(text: string, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function normalized(sums: Float64Array, text: string): Float32Array {
  let squares = 0;
  for (const sum of sums) squares += sum * sum;
  if (squares === 0) {
    // All features cancelled each other, which takes a text made for it. It gets one of its own.
    sums[hashOf(text, 0, text.length, WORD_SEED) % DIMENSIONS] = 1;
    squares = 1;
  }
  const length = Math.sqrt(squares);
  return Float32Array.from(sums, (sum) => sum / length);
}
