import type { Entry } from "./entry.ts";
import { entryOfJson } from "./json-lines.ts";
import type { RecordFields } from "./record-of-json.ts";

/** As for a line: an element that is longer is no record. */
const ELEMENT_CHARACTERS_MAX = 16 * 1024 * 1024;

/**
 * Records of a JSON array, one element at a time: a file of any size is never held as a whole.
 *
 * Only brackets and strings are followed here; `JSON.parse` judges each element. A mistake in the
 * punctuation between elements ends the file, because nothing tells where the next one begins.
 */
export async function* jsonArray(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  fields: RecordFields,
): AsyncGenerator<Entry> {
  const cutter = new ElementCutter();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of chunks) {
      for (const { text, line } of cutter.push(decoder.decode(chunk, { stream: true }))) {
        const where = `${path}:${line}`;
        yield entryOfJson(text, { where, fields, isLastOfCut: false });
      }
      if (cutter.problem !== undefined) break;
    }
    decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    cutter.problem ??= "is not UTF-8 text";
  }
  const problem = cutter.problem ?? cutter.problemAtEnd();
  if (problem !== undefined) yield { kind: "problem", where: `${path}:${cutter.line}`, problem };
}

interface Element {
  readonly text: string;
  /** Where it begins. */
  readonly line: number;
}

type State = "before" | "element" | "between" | "after";

/** Follows the brackets of one array across chunks. */
class ElementCutter {
  line = 1;
  problem: string | undefined;
  #state: State = "before";
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #kept = "";
  #elementLine = 1;
  #wantsElement = false;

  /** The elements that end in this chunk. */
  push(chunk: string): Element[] {
    const elements: Element[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length && this.problem === undefined; at++) {
      const character = chunk[at]!;
      if (character === "\n") this.line++;
      if (this.#state !== "element") {
        if (this.#outside(character)) start = at;
        continue;
      }
      if (!this.#endsElement(character)) continue;
      elements.push({ text: this.#kept + chunk.slice(start, at), line: this.#elementLine });
      this.#kept = "";
      this.#state = character === "," ? "between" : "after";
      this.#wantsElement = character === ",";
    }
    if (this.#state === "element") this.#keep(chunk.slice(start));
    return elements;
  }

  problemAtEnd(): string | undefined {
    if (this.#state === "after") return undefined;
    if (this.#state === "before") return "is not a JSON array";
    return "is cut off: the file ends in the middle of the array";
  }

  /** A character between elements. True when an element begins with it. */
  #outside(character: string): boolean {
    if (/[\s\ufeff]/.test(character)) return false;
    if (this.#state === "before") {
      if (character === "[") this.#state = "between";
      else this.problem = "is not a JSON array";
      return false;
    }
    if (this.#state === "after") {
      this.problem = "has text after the end of the array";
      return false;
    }
    if (character === "]" && !this.#wantsElement) {
      this.#state = "after";
      return false;
    }
    if (character === "," || character === "]") {
      this.problem = "has a comma without an element";
      return false;
    }
    this.#state = "element";
    this.#elementLine = this.line;
    this.#depth = 0;
    this.#isInString = false;
    this.#endsElement(character);
    return true;
  }

  /** A character of an element. True when it is the comma or bracket after it. */
  #endsElement(character: string): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') this.#isInString = false;
      return false;
    }
    switch (character) {
      case '"':
        this.#isInString = true;
        return false;
      case "{":
      case "[":
        this.#depth++;
        return false;
      case "}":
      case "]":
        return this.#depth-- === 0;
      case ",":
        return this.#depth === 0;
      default:
        return false;
    }
  }

  #keep(part: string): void {
    this.#kept += part;
    if (this.#kept.length <= ELEMENT_CHARACTERS_MAX) return;
    this.problem = `has an element of more than ${ELEMENT_CHARACTERS_MAX} characters`;
  }
}
