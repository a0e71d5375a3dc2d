// Mistakes in trusting bytes: docs/specs/reading.md, R15.

import { DAMAGED } from "./worlds.mjs";

/** @type {import("./mutant.mjs").Mutant[]} */
export const FORMAT_MUTANTS = [
  {
    name: "blocks-are-not-checked",
    file: "src/format/container-layout.ts",
    find: "if (checksum64(block) !== checksums.getBigUint64((first + i) * CHECKSUM_BYTES, true)) {",
    replace: "if (block.byteLength === 0) {",
    story: "what a store gives is what it was given",
    breaks: "R15",
    world: DAMAGED,
    seedsMax: 40,
  },
  {
    name: "documents-are-not-checked",
    file: "src/format/sealed-json.ts",
    find: 'if (typeof checksum !== "string" || seal(document) !== text) {',
    replace: 'if (typeof checksum !== "string") {',
    story: "a document that parses is the document that was written",
    breaks: "R15",
    world: DAMAGED,
    seedsMax: 40,
  },
];
