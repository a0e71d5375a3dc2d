// Which check of the simulation an error comes from.

/** By what it says; the words are those of `test/simulation`. */
const BY_WORDS = [
  [/is acknowledged but not stored/, "acknowledged, so stored (Z1)"],
  [/wrote with a clock that had jumped/, "no stamp by a clock that jumped (W4)"],
  [/had seen .* and stamped/, "stamped above what was seen (W5)"],
  [/counts twice|was seen with version/, "one call, one version (Z2)"],
  [/both succeeded|no order of the calls/, "decisions follow each other (Z7)"],
  [/^checkpoint /, "a checkpoint does not change (Z3)"],
  [/is there twice|a scan finds|by a scan/, "by id and by scan the same (R2)"],
  [/a search finds/, "a search is exact (R3)"],
  [/the last process sees/, "two readers see one state (Z4)"],
  [/^verify finds/, "verify (Z4)"],
  [/nothing happens any more|no end after/, "everything settles (Z4)"],
  [/shows .*\n\s+may show|which nobody has written/s, "readers see the fold (Z1)"],
];

/** By the file in `test/simulation/checks` that it was thrown in. */
const BY_FILE = {
  "decision-chain": "decisions follow each other (Z7)",
  "filtered-look": "searches under filters (R3)",
  "lane-slots": "slots of a lane",
  "lease-epochs": "epochs of a lease",
  "manifest-chain": "chain of manifests",
  "needed-objects": "what is needed stays",
  "segment-fold": "segments are the fold",
};

/** By the file in `test/simulation`, for what a fleet owes. */
const BY_FLEET_FILE = {
  "config-history": "settings are the operator's (Z13)",
  fleet: "a fleet agrees on who is there (Z11)",
  "fleet-calm": "what a calm fleet agrees on (Z11 to Z13)",
  "heartbeat-watch": "heartbeats are their runs' (Z11)",
  operator: "settings are the operator's (Z13)",
};

/** `undefined`: the sources are no longer a program, which is nobody's finding. */
export function checkerOf(error) {
  if (!(error instanceof Error)) return undefined;
  const files = [...error.stack.matchAll(/simulation\/checks\/([a-z-]+)\.js/g)].map(([, f]) => f);
  // What a check calls comes before it.
  const check = files.findLast((file) => !file.startsWith("bucket-"));
  if (check !== undefined && error.name === "Error") return BY_FILE[check] ?? check;
  const known = BY_WORDS.find(([words]) => words.test(error.message));
  if (known !== undefined) return known[1];
  if (["TypeError", "ReferenceError", "SyntaxError", "RangeError"].includes(error.name)) {
    return undefined;
  }
  const [, file] = /simulation\/([a-z-]+)\.js/.exec(error.stack) ?? [];
  if (error.name === "Error" && file in BY_FLEET_FILE) return BY_FLEET_FILE[file];
  // An error that a caller of the database would have met, and none that weather explains.
  return `no such error may be met (${error.code ?? "an assertion"})`;
}
