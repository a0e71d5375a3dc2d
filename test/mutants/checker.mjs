// Which check of the simulation an error comes from, by what it says.

/** The first that matches; the words are those of `test/simulation`. */
const CHECKERS = [
  [/is acknowledged but not stored/, "acknowledged, so stored (Z1)"],
  [/wrote with a clock that had jumped/, "no stamp by a clock that jumped (W4)"],
  [/counts twice|was seen with version/, "one call, one version (Z2)"],
  [/both succeeded/, "decisions follow each other (Z7)"],
  [/^checkpoint /, "a checkpoint does not change (Z3)"],
  [/is there twice|a scan finds|by a scan/, "by id and by scan the same (R2)"],
  [/a search finds/, "a search is exact (R3)"],
  [/the last process sees/, "two readers see one state (Z4)"],
  [/^verify finds/, "verify (Z4)"],
  [/nothing happens any more|no end after/, "everything settles (Z4)"],
  [/shows .*\n\s+may show|which nobody has written/s, "readers see the fold (Z1)"],
];

/** `undefined`: the sources are no longer a program, which is nobody's finding. */
export function checkerOf(error) {
  if (!(error instanceof Error)) return undefined;
  const known = CHECKERS.find(([words]) => words.test(error.message));
  if (known !== undefined) return known[1];
  if (["TypeError", "ReferenceError", "SyntaxError", "RangeError"].includes(error.name)) {
    return undefined;
  }
  // An error that a caller of the database would have met, and none that weather explains.
  return `no such error may be met (${error.code ?? "an assertion"})`;
}
