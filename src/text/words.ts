/*
 * What counts as a word:
 *
 *   "The Café's getUserName()"  →  the cafe getusername get user name
 *   "東京都"                     →  東 京 都 東京 京都
 *
 * Only the Unicode tables of the language itself are used, never the dictionaries of the
 * platform: those differ between versions, and two processes have to agree on every vector.
 */

/** Scripts that put no space between words; their characters and pairs stand for words. */
const UNSPACED =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}" +
  "\\p{Script=Khmer}\\p{Script=Myanmar}";

const UNSPACED_RUN = new RegExp(`^[${UNSPACED}]`, "u");
const DENSE = new RegExp(`^[${UNSPACED}\\p{Extended_Pictographic}]`, "u");
const SPACED_CHARACTER = `(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}])`;

const ASCII_TOKEN = /[A-Za-z0-9]+(?:['_][A-Za-z0-9]+)*/g;
const TOKEN = new RegExp(
  `[${UNSPACED}]+|${SPACED_CHARACTER}+(?:['’_]${SPACED_CHARACTER}+)*|\\p{Extended_Pictographic}`,
  "gu",
);

/** Boundaries inside an identifier: `snake_case`, `camelCase`, `HTMLParser`. */
const PART_BOUNDARY = /_|(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
const MAYBE_PARTS = /_|[^\p{Lu}]\p{Lu}|\p{Lu}\p{Lu}\p{Ll}/u;

/** Accents of Latin, Greek and Cyrillic. Marks of other scripts are letters and stay. */
const ACCENTS = /[\u0300-\u036f]/g;

const NON_ASCII = /[^\u0000-\u007f]/;

/** A character or pair from a script without spaces, or a pictograph: short, yet a whole word. */
export function isDenseWord(word: string): boolean {
  return DENSE.test(word);
}

/** The words of a text, folded, in order, repetitions included. */
export function wordsOf(text: string): string[] {
  const isAscii = !NON_ASCII.test(text);
  const folded = isAscii ? text : text.normalize("NFKD").replace(ACCENTS, "");
  const words: string[] = [];
  for (const [token] of folded.matchAll(isAscii ? ASCII_TOKEN : TOKEN)) {
    if (!isAscii && UNSPACED_RUN.test(token)) pushCharacters(token, words);
    else pushToken(token, words);
  }
  return words;
}

function pushToken(token: string, words: string[]): void {
  const lower = token.toLowerCase();
  words.push(/['’_]/.test(lower) ? lower.replace(/['’]s$/, "").replace(/['’_]/g, "") : lower);
  if (!MAYBE_PARTS.test(token)) return;
  const parts = token.split(PART_BOUNDARY);
  if (parts.length > 1) for (const part of parts) words.push(part.toLowerCase());
}

function pushCharacters(run: string, words: string[]): void {
  let previous = "";
  for (const character of run) {
    words.push(character);
    if (previous !== "") words.push(previous + character);
    previous = character;
  }
}
