// Mistakes in the floor, in folding and in what a flush or merge makes: docs/specs/merge.md,
// docs/specs/compaction.md and docs/specs/conflicts.md.

import { SKEWED, STORMY } from "./worlds.mjs";

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
    name: "floor-without-open-lanes",
    file: LEDGER,
    find: "    if (!isFinished(entry)) floor = minVersion(floor, entry.lastVersion);\n",
    replace: "",
    story: "a lane that has brought nothing new will not bring something old",
    breaks: "J4",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "floor-without-unknown-lanes",
    file: LEDGER,
    find: "    if (!known.has(lane) && !isJunk(slots)) return manifest.floor;\n",
    replace: "",
    story: "a lane that only has an open record holds nothing back",
    breaks: "J4",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "open-lane-counts-as-finished",
    file: LEDGER,
    find: "return entry.seal !== undefined && entry.cursor >= entry.seal.slot;",
    replace: "return entry.seal === undefined || entry.cursor >= entry.seal.slot;",
    story: "a lane without a seal has nothing to wait for",
    breaks: "J4",
    seedsMax: 20,
  },
  {
    name: "cursor-is-one-too-far",
    file: SLOTS,
    find: "      cursor: this.#cursor,\n",
    replace: "      cursor: this.#cursor + 1,\n",
    story: "the cursor is the next slot",
    breaks: "M5",
    seedsMax: 20,
  },
  {
    name: "leftovers-are-new-lanes",
    file: LEDGER,
    find: "return slots[0]?.number !== 0;",
    replace: "return slots.length === 0;",
    story: "whatever is in the log and not in the manifest is new",
    breaks: "J6",
    seedsMax: 20,
  },
  {
    name: "tombstones-go-with-their-merge",
    file: SELECT,
    find: "else if (dead.compare(row - liveRows, floorKey) > 0) copied[2]!.push(row);",
    replace: "",
    story: "once everything listed is covered nothing older than a delete can come",
    breaks: "J3",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "tombstones-go-with-their-flush",
    file: STATE,
    find: "  if (base.version > floor) return state;\n",
    replace: '  if (base.version > floor) return base.kind === "delete" ? undefined : state;\n',
    story: "a record that is deleted needs no row",
    breaks: "J3",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "folds-above-the-floor",
    file: STATE,
    find: "  if (base.version > floor) return state;\n",
    replace: "  if (base.version > floor) return foldBelow(state, stateVersion(state));\n",
    story: "patches that are here can be folded into the put that is here",
    breaks: "J2",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "patch-over-a-delete",
    file: STATE,
    find: 'if (base === undefined || base.kind === "delete") return undefined;',
    replace:
      'if (base === undefined || (base.kind === "delete" && state.patches.length === 0)) return undefined;',
    story: "a patch says that somebody still wants the record",
    breaks: "J3",
    seedsMax: 20,
  },
  {
    name: "late-patch-over-a-newer-put",
    file: STATE,
    find: "if (base === undefined || patch.version > base.version) patches.set",
    replace: "if (base !== null) patches.set",
    story: "patches are applied as they come",
    breaks: "J1",
    seedsMax: 20,
  },
  {
    name: "older-base-wins",
    file: STATE,
    find: "return a.version >= b.version ? a : b;",
    replace: 'return b.kind === "delete" || a.version >= b.version ? a : b;',
    story: "what is here counts until somebody writes it again",
    breaks: "J1",
    seedsMax: 20,
  },
  {
    name: "flush-does-not-mask",
    file: LOOKUP,
    find: "      } else if (state.base !== undefined && state.base.version > version) {\n        masked.push(one.row);",
    replace: "      } else if (state.base !== undefined && state.base.version > version) {",
    story: "the row that is newer is found first",
    breaks: "M1",
    seedsMax: 20,
  },
  {
    name: "older-than-its-row-is-added",
    file: LOOKUP,
    find: "        this.#states.delete(one.id);\n      } else if (isLive)",
    replace: "      } else if (isLive)",
    story: "an operation that arrives late gets its own row",
    breaks: "M1",
    world: SKEWED,
    seedsMax: 40,
  },
  {
    name: "merge-copies-masked-rows",
    file: SELECT,
    find: "    if (masked.has(row)) continue;\n",
    replace: "",
    story: "a merge copies the rows of its inputs",
    breaks: "M1",
    seedsMax: 20,
  },
  {
    name: "data-after-its-manifest",
    file: "src/engine/compaction-job-context.ts",
    find: "  await store.putStream(key, pacer.pass(writer), { signal });\n  const { rows",
    replace:
      "  const pieces: Uint8Array[] = [];\n" +
      "  for await (const piece of pacer.pass(writer)) pieces.push(piece.slice());\n" +
      "  const again = async function* () { yield* pieces; };\n" +
      "  void store.putStream(key, again(), { signal }).catch(() => undefined);\n  const { rows",
    story: "a segment is written by the time somebody reads it",
    breaks: "CP1",
    world: STORMY,
    seedsMax: 40,
  },
  {
    name: "seen-is-ignored",
    file: "src/engine/sibling-fold.ts",
    find: "return isOver || seen.has(operation.version) ? remainsOf(operation) : operation;",
    replace: "return isOver ? remainsOf(operation) : operation;",
    story: "with vector clocks every put is concurrent until it is resolved",
    breaks: "V3",
    world: { resolution: "vector-clock" },
    seedsMax: 40,
  },
  {
    name: "seen-is-dropped-above-the-floor",
    file: "src/engine/sibling-fold.ts",
    find: "if (operation.version > floor) kept.push(operation);",
    replace: "if (operation.version > floor) kept.push(withoutSeen(operation));",
    story: "what an author had read is replaced by now",
    breaks: "V2",
    world: { ...SKEWED, resolution: "vector-clock" },
    seedsMax: 40,
  },
  {
    name: "delete-takes-everything",
    file: "src/engine/field-fold.ts",
    find: "for (const [field, { version }] of fields) if (seen.has(version)) fields.delete(field);",
    replace:
      'if (operations.at(-1)?.kind === "delete") fields.clear();\n' +
      "  for (const [field, { version }] of fields) if (seen.has(version)) fields.delete(field);",
    story: "after a delete there is nothing",
    breaks: "V4",
    world: { ...SKEWED, resolution: "crdt" },
    seedsMax: 40,
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
    seedsMax: 40,
  },
];
