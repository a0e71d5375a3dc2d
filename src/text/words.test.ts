import { expect, test } from "vitest";
import { wordsOf } from "./words.ts";

test("case, accents and punctuation make no difference", () => {
  expect(wordsOf("The CAFÉ, déjà-vu!")).toEqual(["the", "cafe", "deja", "vu"]);
  expect(wordsOf("ﬁne ２０")).toEqual(["fine", "20"]);
  expect(wordsOf("Ёлка")).toEqual(wordsOf("елка"));
});

test("a possessive is the word itself", () => {
  expect(wordsOf("patient's patient’s don't")).toEqual(["patient", "patient", "dont"]);
});

test("identifiers count whole and in parts", () => {
  expect(wordsOf("getUserName(max_open_files)")).toEqual(
    ["getusername", "get", "user", "name"].concat(["maxopenfiles", "max", "open", "files"]),
  );
  expect(wordsOf("HTMLParser utf8 größeÄndern")).toEqual(
    ["htmlparser", "html", "parser", "utf8"].concat(["großeandern", "große", "andern"]),
  );
});

test("scripts without spaces give characters and pairs", () => {
  expect(wordsOf("東京都 tower")).toEqual(["東", "京", "東京", "都", "京都", "tower"]);
  expect(wordsOf("ไทย")).toEqual(["ไ", "ท", "ไท", "ย", "ทย"]);
});

test("marks that are letters of their script stay", () => {
  expect(wordsOf("हिन्दी की")).toEqual(["हिन्दी", "की"]);
});

test("a pictograph is a word, punctuation is none", () => {
  expect(wordsOf("pizza 🍕!")).toEqual(["pizza", "🍕"]);
  expect(wordsOf("?! ... --")).toEqual([]);
});
