/*
 * Sets of numbers as text, such as `0-6,9,12-`: what a command line and a list of cases can hold.
 * An open end stands for every number from there on, as far as a run can get.
 */

/** Faults that one run can have at most; what is above is as good as without end. */
const NUMBERS_MAX = 20_000;

/** The text of all numbers that are not in `kept`. */
export function textOfOthers(kept: readonly number[]): string {
  const parts: string[] = [];
  let start = 0;
  for (const number of new Set([...kept].toSorted((a, b) => a - b))) {
    if (number - 1 === start) parts.push(String(start));
    else if (number > start) parts.push(`${start}-${number - 1}`);
    start = number + 1;
  }
  return [...parts, `${start}-`].join(",");
}

/** The numbers that a text names; none for an empty one. Throws where it is none. */
export function numbersOf(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const part of text.split(",").filter((one) => one !== "")) {
    const match = /^(\d+)(?:(-)(\d+)?)?$/.exec(part);
    if (match === null) throw new Error(`"${part}" is neither a number nor a range, as in 0-6,9`);
    const [, first, dash, last] = match;
    const end = dash === undefined ? Number(first) : Number(last ?? NUMBERS_MAX);
    for (let number = Number(first); number <= end; number++) numbers.add(number);
  }
  return numbers;
}
