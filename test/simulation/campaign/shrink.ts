/**
 * A smaller list of items that still fails, by delta debugging (Zeller and Hildebrandt, 2002):
 * parts of the list are left out, larger ones first, until nothing can be left out one by one or
 * `triesMax` lists were tried. `fails` is asked with the items that are kept.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (kept: readonly T[]) => Promise<boolean>,
  triesMax = 200,
): Promise<readonly T[]> {
  let kept = items;
  let tries = 0;
  const isTry = (): boolean => tries++ < triesMax;
  if (kept.length > 0 && isTry() && (await fails([]))) return [];
  for (let parts = 2; kept.length > 0;) {
    const length = Math.ceil(kept.length / parts);
    let isSmaller = false;
    // From the end: what comes later changes nothing of what came before.
    for (let end = kept.length; end > 0 && !isSmaller; end -= length) {
      if (!isTry()) return kept;
      const rest = [...kept.slice(0, Math.max(0, end - length)), ...kept.slice(end)];
      if (!(await fails(rest))) continue;
      kept = rest;
      isSmaller = true;
    }
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (length === 1) return kept;
    else parts = Math.min(kept.length, 2 * parts);
  }
  return kept;
}

/** The smallest number from `low` up that fails, if those above it do too; else one that fails. */
export async function shrinkNumber(
  { low, high }: { readonly low: number; readonly high: number },
  fails: (number: number) => Promise<boolean>,
): Promise<number> {
  let [from, failing] = [low, high];
  while (from < failing) {
    const middle = Math.floor((from + failing) / 2);
    if (await fails(middle)) failing = middle;
    else from = middle + 1;
  }
  return failing;
}
