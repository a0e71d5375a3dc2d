// Mistakes in the floor, in folding and in what a flush or merge makes: docs/specs/merge.md,
// docs/specs/compaction.md and docs/specs/conflicts.md.

const LEDGER = "src/engine/lane-ledger.ts";
const SELECT = "src/engine/compaction-job-select.ts";
const LOOKUP = "src/engine/compaction-job-lookup.ts";
const SLOTS = "src/engine/compaction-job-slots.ts";
const STATE = "src/engine/record-state.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const MERGE_MUTANTS = [
  {
    name: "floor-is-the-greatest",
    file: LEDGER,
    find: "floor = minVersion(floor, entry.lastVersion);",
    replace: "floor = maxVersion(floor, entry.lastVersion);",
    story: "everything below what was compacted last is settled",
    breaks: "J4",
    seedsMax: 20,
  },
  {
    name: "open-lane-counts-as-finished",
    file: LEDGER,
    find: "return entry.seal !== undefined && entry.cursor >= entry.seal.slot;",
    replace: "return entry.seal === undefined || entry.cursor >= entry.seal.slot;",
    story: "a lane without a seal has nothing to wait for",
    breaks: "J4",
    seedsMax: 5,
  },
  {
    name: "cursor-is-one-too-far",
    file: SLOTS,
    find: "      cursor: this.#cursor,\n",
    replace: "      cursor: this.#cursor + 1,\n",
    story: "the cursor is the next slot",
    breaks: "M5",
    seedsMax: 3,
  },
  {
    name: "leftovers-are-new-lanes",
    file: LEDGER,
    find: "return slots[0]?.number !== 0;",
    replace: "return slots.length === 0;",
    story: "whatever is in the log and not in the manifest is new",
    breaks: "J6",
    seedsMax: 3,
  },
  {
    name: "patch-over-a-delete",
    file: STATE,
    find: 'if (base === undefined || base.kind === "delete") return undefined;',
    replace:
      'if (base === undefined || (base.kind === "delete" && state.patches.length === 0)) return undefined;',
    story: "a patch says that somebody still wants the record",
    breaks: "J3",
    seedsMax: 3,
  },
  {
    name: "late-patch-over-a-newer-put",
    file: STATE,
    find: "if (base === undefined || patch.version > base.version) patches.set",
    replace: "if (base !== null) patches.set",
    story: "patches are applied as they come",
    breaks: "J1",
    seedsMax: 5,
  },
  {
    name: "older-base-wins",
    file: STATE,
    find: "return a.version >= b.version ? a : b;",
    replace: 'return b.kind === "delete" || a.version >= b.version ? a : b;',
    story: "what is here counts until somebody writes it again",
    breaks: "J1",
    seedsMax: 5,
  },
  {
    name: "flush-does-not-mask",
    file: LOOKUP,
    find: "      } else if (state.base !== undefined && state.base.version > version) {\n        masked.push(one.row);",
    replace: "      } else if (state.base !== undefined && state.base.version > version) {",
    story: "the row that is newer is found first",
    breaks: "M1",
    seedsMax: 3,
  },
  {
    name: "merge-copies-masked-rows",
    file: SELECT,
    find: "    if (masked.has(row)) continue;\n",
    replace: "",
    story: "a merge copies the rows of its inputs",
    breaks: "M1",
    seedsMax: 3,
  },
  {
    name: "seen-is-ignored",
    file: "src/engine/sibling-fold.ts",
    find: "return isOver || seen.has(operation.version) ? remainsOf(operation) : operation;",
    replace: "return isOver ? remainsOf(operation) : operation;",
    story: "with vector clocks every put is concurrent until it is resolved",
    breaks: "V3",
    world: { resolution: "vector-clock" },
    seedsMax: 3,
  },
  {
    name: "fields-are-decided-together",
    file: "src/engine/field-fold.ts",
    find: "for (const field of fieldsOf(operation)) newest.set(field, operation);",
    replace:
      'if (operation.kind === "put") newest.clear();\n' +
      "    for (const field of fieldsOf(operation)) newest.set(field, operation);",
    story: "a put replaces the whole record",
    breaks: "V5",
    world: { resolution: "crdt" },
    seedsMax: 10,
  },
];
