/**
 * Cuts a line that is too long: after a sentence if one ends in its second half, else at a space
 * in its second half, else anywhere but inside a surrogate pair.
 */
export function cutLine(line: string, charactersMax: number): string[] {
  const pieces: string[] = [];
  let rest = line.trim();
  while (rest.length > charactersMax) {
    const end = cutPosition(rest, charactersMax);
    pieces.push(rest.slice(0, end).trim());
    rest = rest.slice(end).trim();
  }
  if (rest !== "") pieces.push(rest);
  return pieces;
}

function cutPosition(text: string, charactersMax: number): number {
  const half = Math.floor(charactersMax / 2);
  // One more character, since the space after the last word that fits may be cut at.
  const window = text.slice(half, charactersMax + 1);
  const sentenceEnd = lastIndexOf(window, /[.!?…。！？](?=\s)|[。！？]/g);
  if (sentenceEnd >= 0) return Math.min(half + sentenceEnd + 1, charactersMax);
  const space = lastIndexOf(window, /\s/g);
  if (space >= 0) return half + space;
  const isPair = /[\ud800-\udbff]/.test(text[charactersMax - 1] ?? "");
  return isPair ? charactersMax - 1 : charactersMax;
}

function lastIndexOf(text: string, pattern: RegExp): number {
  let last = -1;
  for (const match of text.matchAll(pattern)) last = match.index;
  return last;
}
