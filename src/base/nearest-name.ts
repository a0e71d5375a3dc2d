import { invalid } from "./errors.ts";

/** Names longer than this are compared by their beginning: a typo is short, an attack is long. */
const NAME_LENGTH_MAX = 64;

/**
 * The candidate that `name` most likely meant, or `undefined` when none is close.
 *
 * Close is one edit for every three letters, at least one and at most three; swapped neighbours
 * are one edit, and upper or lower case is none. Of equally near candidates the first wins.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = fold(name);
  let nearest: string | undefined;
  let nearestDistance = Math.min(3, Math.max(1, Math.floor(wanted.length / 3))) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, fold(candidate));
    if (distance >= nearestDistance) continue;
    nearest = candidate;
    nearestDistance = distance;
  }
  return nearest;
}

/**
 * Refuses an options object that has a key nobody reads, which is nearly always a typo.
 * `where` names the object in the message: `"search options"`.
 */
export function refuseUnknownKeys(object: object, allowed: readonly string[], where: string): void {
  for (const key of Object.keys(object)) {
    if (allowed.includes(key)) continue;
    const nearest = nearestName(key, allowed);
    const advice =
      nearest === undefined
        ? `known names: ${allowed.join(", ")}`
        : `did you mean ${JSON.stringify(nearest)}?`;
    throw invalid(`${where}: unknown name ${JSON.stringify(key)}; ${advice}`);
  }
}

function fold(name: string): string {
  return name.slice(0, NAME_LENGTH_MAX).toLowerCase();
}

/** Optimal string alignment: Levenshtein, plus one edit for two swapped neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (beforePrevious[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
