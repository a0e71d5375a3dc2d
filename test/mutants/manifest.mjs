// Mistakes in committing, sealing and collecting: docs/specs/manifest.md and
// docs/specs/collection.md.

const CHANGE = "src/engine/manifest-change.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const MANIFEST_MUTANTS = [
  {
    name: "deletion-bits-are-replaced",
    file: CHANGE,
    find: "masks.set(id, unionRows(input.deletions.get(id), rows));",
    replace: "masks.set(id, rows);",
    story: "the newest deletion bits are the deletion bits",
    breaks: "M1",
    seedsMax: 3,
  },
  {
    name: "inputs-stay-listed",
    file: CHANGE,
    find: "({ id, rows }) => !removed.has(id) && masks.get(id)?.length !== rows,",
    replace: "({ id, rows }) => masks.get(id)?.length !== rows,",
    story: "collection takes the inputs away",
    breaks: "M1",
    seedsMax: 3,
  },
  {
    name: "first-page-of-the-log",
    file: "src/engine/log-listing.ts",
    find: "      objectCount++;\n    }\n",
    replace: "      objectCount++;\n    }\n    break;\n",
    story: "the log fits into one page",
    breaks: "R1",
    seedsMax: 3,
  },
  {
    name: "half-a-listing-is-whole",
    file: "src/storage/layers/retrying.ts",
    find: "          await pause(attempt, error, listOptions.signal);",
    replace:
      "          if (given.size > 0) return;\n          await pause(attempt, error, listOptions.signal);",
    story: "what was listed before the connection broke is what there is",
    breaks: "O1",
    seedsMax: 3,
  },
];
