/** Lines `[start, end)` that belong together, counted from 0. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly heading?: string | undefined;
  /** Never joined to what comes before it, even under the same words. */
  readonly startsSection?: boolean | undefined;
}

/** Paragraphs: what blank lines separate. */
export function textBlocks(lines: readonly string[]): Block[] {
  return groups(lines, (line, at) => line.trim() !== "" && isBlank(lines[at - 1]));
}

/**
 * Top-level blocks: a blank line followed by a line without indentation starts one, unless that
 * line only closes what is open. Blank lines inside a function therefore stay inside it.
 */
export function codeBlocks(lines: readonly string[]): Block[] {
  return groups(lines, (line, at) => isBlank(lines[at - 1]) && /^[^\s)\]}]/.test(line));
}

/**
 * Paragraphs under their headings, `# …` and underlined. A fenced block is one paragraph, and a
 * line in it is no heading. A heading that nothing follows goes with the next one.
 */
export function markdownBlocks(lines: readonly string[]): Block[] {
  const fenced = fencedLines(lines);
  const trail: (string | undefined)[] = [];
  const blocks: Block[] = [];
  let start = 0;
  let heading: string | undefined;
  let startsSection = false;
  /** The lines from `start` on are only headings, which need something to go with. */
  let isBare = false;
  const cut = (end: number): void => {
    const range = solidRange(lines, start, end);
    if (range !== undefined) {
      blocks.push({ ...range, heading, startsSection });
      startsSection = false;
    }
    start = end;
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const found = fenced[at] === true ? undefined : headingAt(lines, at, fenced);
    if (found !== undefined) {
      if (!isBare) {
        cut(at);
        startsSection = true;
      }
      trail.length = found.level - 1;
      trail[found.level - 1] = found.title;
      heading = trail.filter((title) => title !== undefined && title !== "").join(" > ");
      if (heading === "") heading = undefined;
      isBare = true;
      at += found.lineCount - 1;
    } else if (line.trim() !== "") {
      // A fence goes with the paragraph that introduces it only if both fit, which pack() tries.
      const continues = isBare || (fenced[at] === true && fenced[at - 1] === true);
      if (!continues && isBlank(lines[at - 1])) cut(at);
      isBare = false;
    }
  }
  cut(lines.length);
  return blocks;
}

/** True for each line of a fenced block, its fences included; an open fence runs to the end. */
function fencedLines(lines: readonly string[]): boolean[] {
  let fence: string | undefined;
  return lines.map((line) => {
    const mark = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[1];
    if (fence === undefined) {
      fence = mark;
      return mark !== undefined;
    }
    const closes = mark !== undefined && mark.startsWith(fence) && line.trim() === mark;
    if (closes) fence = undefined;
    return true;
  });
}

interface Heading {
  readonly level: number;
  readonly title: string;
  readonly lineCount: number;
}

function headingAt(
  lines: readonly string[],
  at: number,
  fenced: readonly boolean[],
): Heading | undefined {
  const line = lines[at] ?? "";
  const hashes = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/.exec(line);
  if (hashes !== null) {
    return { level: hashes[1]?.length ?? 1, title: hashes[2]?.trim() ?? "", lineCount: 1 };
  }
  // Underlined: one line of plain text, with `===` or `---` under it.
  const underline = /^ {0,3}(=+|-{2,})[ \t]*$/.exec(lines[at + 1] ?? "")?.[1];
  const isPlain = /^ {0,3}[^\s>|#=-]/.test(line) && isBlank(lines[at - 1]);
  if (underline === undefined || !isPlain || fenced[at + 1] === true) return undefined;
  return { level: underline.startsWith("=") ? 1 : 2, title: line.trim(), lineCount: 2 };
}

function groups(lines: readonly string[], starts: (line: string, at: number) => boolean): Block[] {
  const blocks: Block[] = [];
  let start = 0;
  for (let at = 1; at <= lines.length; at++) {
    if (at < lines.length && !starts(lines[at] ?? "", at)) continue;
    const range = solidRange(lines, start, at);
    if (range !== undefined) blocks.push(range);
    start = at;
  }
  return blocks;
}

function isBlank(line: string | undefined): boolean {
  return line === undefined || line.trim() === "";
}

/** `[start, end)` without the blank lines at both ends; `undefined` when nothing is left. */
export function solidRange(
  lines: readonly string[],
  start: number,
  end: number,
): { readonly start: number; readonly end: number } | undefined {
  let first = start;
  let last = end;
  while (first < last && isBlank(lines[first])) first++;
  while (last > first && isBlank(lines[last - 1])) last--;
  return first === last ? undefined : { start: first, end: last };
}
