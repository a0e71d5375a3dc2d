import { invalid } from "../base/errors.ts";
import { codeBlocks, markdownBlocks, solidRange, textBlocks } from "./blocks.ts";
import type { Block } from "./blocks.ts";
import { cutLine } from "./cut-line.ts";

/** How a text is read: what its seams are. */
export type PassageKind = "markdown" | "text" | "code";

/** A piece of a file: small enough to embed, whole enough to read. */
export interface Passage {
  readonly text: string;
  /** First and last line in the file, counted from 1, both inclusive. */
  readonly lineStart: number;
  readonly lineEnd: number;
  /** Markdown only: the headings it stands under, outermost first: `"Guide > Install"`. */
  readonly heading?: string | undefined;
}

/** Options of `cutPassages`. */
export interface PassageOptions {
  readonly kind: PassageKind;
  /** Longest passage in UTF-16 code units. Default 1,200, about 300 tokens of English. */
  readonly charactersMax?: number | undefined;
}

const CHARACTERS_MAX_DEFAULT = 1200;
const CHARACTERS_MAX_LEAST = 16;

/**
 * Cuts a text where its structure has a seam: Markdown at headings and paragraphs, code at
 * top-level blocks and blank lines, plain text at paragraphs.
 *
 * Nothing is lost and nothing repeated: each line that is not blank is in exactly one passage,
 * except that a line longer than `charactersMax` is itself cut, at a sentence or a space.
 */
export function cutPassages(text: string, options: PassageOptions): Passage[] {
  const { kind, charactersMax = CHARACTERS_MAX_DEFAULT } = options;
  if (!Number.isInteger(charactersMax) || charactersMax < CHARACTERS_MAX_LEAST) {
    throw invalid(
      `charactersMax: must be a whole number of at least ${CHARACTERS_MAX_LEAST}, not ${charactersMax}`,
    );
  }
  const lines = text.split(/\r\n|\n|\r/);
  return pack(blocksOf(lines, kind), lines, charactersMax);
}

function blocksOf(lines: readonly string[], kind: PassageKind): Block[] {
  switch (kind) {
    case "markdown":
      return markdownBlocks(lines);
    case "code":
      return codeBlocks(lines);
    case "text":
      return textBlocks(lines);
    default:
      throw invalid(`kind: must be "markdown", "text" or "code", not ${JSON.stringify(kind)}`);
  }
}

/** Joins neighbours of one section while they fit together, and cuts what does not fit alone. */
function pack(
  blocks: readonly Block[],
  lines: readonly string[],
  charactersMax: number,
): Passage[] {
  const passages: Passage[] = [];
  let open: Block | undefined;
  const close = (): void => {
    if (open !== undefined) passages.push(...cutBlock(open, lines, charactersMax));
    open = undefined;
  };
  for (const block of blocks) {
    if (open !== undefined && open.heading === block.heading && !block.startsSection) {
      const joined: Block = { ...open, end: block.end };
      if (sizeOf(joined, lines) <= charactersMax) {
        open = joined;
        continue;
      }
    }
    close();
    open = block;
  }
  close();
  return passages;
}

function sizeOf({ start, end }: Block, lines: readonly string[]): number {
  let size = end - start - 1;
  for (let i = start; i < end; i++) size += lines[i]?.length ?? 0;
  return size;
}

function cutBlock(block: Block, lines: readonly string[], charactersMax: number): Passage[] {
  if (sizeOf(block, lines) <= charactersMax) return passagesOf(block, lines);
  const passages: Passage[] = [];
  let start = block.start;
  let size = -1;
  /** Where to cut when the next line does not fit: after the last blank line, if there is one. */
  let seam = start;
  const cutAt = (end: number): void => {
    passages.push(...passagesOf({ ...block, start, end }, lines));
    start = end;
    seam = end;
    size = sizeOf({ ...block, start, end: start }, lines);
  };
  for (let at = block.start; at < block.end; at++) {
    const line = lines[at] ?? "";
    if (line.length > charactersMax) {
      cutAt(at);
      for (const text of cutLine(line, charactersMax)) {
        passages.push({ text, lineStart: at + 1, lineEnd: at + 1, heading: block.heading });
      }
      start = at + 1;
      seam = start;
      size = -1;
      continue;
    }
    if (size + 1 + line.length > charactersMax) {
      cutAt(seam > start ? seam : at);
      size = sizeOf({ ...block, start, end: at }, lines);
      if (size + 1 + line.length > charactersMax) cutAt(at);
    }
    size += 1 + line.length;
    // Not after so little that it would stand alone, as a heading above a long table would.
    if (line.trim() === "" && size >= charactersMax / 4) seam = at + 1;
  }
  cutAt(block.end);
  return passages;
}

/** The passage of a block, or none if the block is blank. */
function passagesOf(block: Block, lines: readonly string[]): Passage[] {
  const range = solidRange(lines, block.start, block.end);
  if (range === undefined) return [];
  const { start, end } = range;
  const text = lines.slice(start, end).join("\n");
  return [{ text, lineStart: start + 1, lineEnd: end, heading: block.heading }];
}
