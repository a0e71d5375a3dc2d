// Mistakes in committing, sealing and collecting: docs/specs/manifest.md and
// docs/specs/collection.md.

import { BUSY, SLEEPY } from "./worlds.mjs";

const CHANGE = "src/engine/manifest-change.ts";
const COLLECTION = "src/engine/collection.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const MANIFEST_MUTANTS = [
  {
    name: "deletion-bits-are-replaced",
    file: CHANGE,
    find: "masks.set(id, unionRows(input.deletions.get(id), rows));",
    replace: "masks.set(id, rows);",
    story: "the newest deletion bits are the deletion bits",
    breaks: "M1",
    seedsMax: 20,
  },
  {
    name: "inputs-stay-listed",
    file: CHANGE,
    find: "({ id, rows }) => !removed.has(id) && masks.get(id)?.length !== rows,",
    replace: "({ id, rows }) => masks.get(id)?.length !== rows,",
    story: "collection takes the inputs away",
    breaks: "M1",
    seedsMax: 20,
  },
  {
    name: "first-page-of-the-log",
    file: "src/engine/log-listing.ts",
    find: "      objectCount++;\n    }\n",
    replace: "      objectCount++;\n    }\n    break;\n",
    story: "the log fits into one page",
    breaks: "R1",
    seedsMax: 20,
  },
  {
    name: "half-a-listing-is-whole",
    file: "src/storage/layers/retrying.ts",
    find: "          await pause(attempt, error, listOptions.signal);",
    replace:
      "          if (given.size > 0) return;\n          await pause(attempt, error, listOptions.signal);",
    story: "what was listed before the connection broke is what there is",
    breaks: "O1",
    seedsMax: 20,
  },
  {
    name: "only-the-newest-manifest-needs",
    file: COLLECTION,
    find: "const covered = coveredEverywhere(lane, manifests, isRetired);",
    replace: "const covered = coveredEverywhere(lane, [newest], isRetired);",
    story: "slots that the newest manifest covers are needed by nobody",
    breaks: "M2",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "only-the-newest-manifest-names",
    file: COLLECTION,
    find: "const references = [...manifests, ...pins",
    replace: "const references = [newest, ...pins",
    story: "segments that the newest manifest does not name are garbage",
    breaks: "C1",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "checkpoints-do-not-pin-slots",
    file: COLLECTION,
    find: "      if (isPinned(lane, slot, checkpoints)) continue;\n",
    replace: "",
    story: "a checkpoint has its manifest, and needs no log",
    breaks: "C1",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "checkpoints-do-not-pin-segments",
    file: COLLECTION,
    find: "[...manifests, ...pins.checkpoints.map(({ manifest }) => manifest)]",
    replace: "[...manifests]",
    story: "segments are named by manifests",
    breaks: "C1",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "seals-live-a-minute",
    file: "src/engine/lane-ledger.ts",
    find: "export const SEAL_LIVES_MS = 24 * 3_600_000;",
    replace: "export const SEAL_LIVES_MS = 60_000;",
    story: "a seal is met at once or never",
    breaks: "C5",
    world: SLEEPY,
    seedsMax: 40,
  },
  {
    name: "seals-go-with-their-lane",
    file: COLLECTION,
    find: "if (leftMs <= 0 || !mustAge) keys.push",
    replace: "if (leftMs <= 0 || !mustAge || isSeal) keys.push",
    story: "a seal is covered like any other slot",
    breaks: "C5",
    world: SLEEPY,
    seedsMax: 40,
  },
];
