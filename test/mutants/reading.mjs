// Mistakes in reading and in deciding: docs/specs/reading.md, docs/specs/hints.md and
// docs/specs/conditional-operations.md.

import { BUSY } from "./worlds.mjs";

const FOLLOWER = "src/engine/follower.ts";
const DATABASE = "src/engine/database.ts";
const VIEW = "src/engine/view.ts";
const LEASES = "src/engine/partition-leases.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const READING_MUTANTS = [
  {
    name: "strong-read-does-not-look",
    file: DATABASE,
    find: '    if (freshness.level === "strong") await follower.catchUp();\n',
    replace: "",
    story: "what is here is fresh, since hints come at once",
    breaks: "R6",
    seedsMax: 20,
  },
  {
    name: "doorbell-is-not-asked",
    file: FOLLOWER,
    find: "if (listed?.number === number && (await isUndisturbed(store, listed))) return number;",
    replace: "if (listed?.number === number) return number;",
    story: "the manifest in use is the newest until somebody says otherwise",
    breaks: "R1",
    seedsMax: 20,
  },
  {
    name: "hint-is-the-truth",
    file: FOLLOWER,
    find: "      if (position >= number) return true;\n",
    replace: "      if (position >= number) return true;\n      this.advance(lane, number);\n",
    story: "a slot that a hint names has been read",
    breaks: "R11",
    seedsMax: 20,
  },
  {
    name: "tail-is-dropped-with-its-manifest",
    file: FOLLOWER,
    find: "      await this.#view.carryInto(pending, () => clock.breathe());\n",
    replace: "",
    story: "a newer manifest covers what was in the tail",
    breaks: "R4",
    seedsMax: 20,
  },
  {
    name: "rows-are-not-masked",
    file: VIEW,
    find: "      clearBit(segment.live, location.row);\n",
    replace: "",
    story: "the tail is shown first, so segments need no mask",
    breaks: "R3",
    seedsMax: 20,
  },
  {
    name: "partition-is-taken-without-a-seal",
    file: "src/engine/lane-end.ts",
    find: '    if (state.kind === "ended") return;\n',
    replace: "    return;\n",
    story: "the lease names the owner, so the old one will stop",
    breaks: "L1",
    seedsMax: 20,
  },
  {
    name: "seal-is-not-waited-for",
    file: LEASES,
    find: "        await endLane({ store, clock, random, databaseId, newUlid, lane: ending }, state);",
    replace:
      "        endLane({ store, clock, random, databaseId, newUlid, lane: ending }, state).catch(() => undefined);",
    story: "the seal is on its way while the lease is swapped",
    breaks: "L1",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "lost-swap-is-a-lease",
    file: LEASES,
    find: '    if (outcome === "lost") return undefined;\n    const { epoch, nonce } = lease;',
    replace: "    const { epoch, nonce } = lease;",
    story: "who has sealed the old lane owns the partition",
    breaks: "L5",
    world: BUSY,
    seedsMax: 40,
  },
  {
    name: "decides-on-what-it-knows",
    file: DATABASE,
    find: "    await this.#following!.catchUp();\n    const view =",
    replace: "    const view =",
    story: "who owns a partition knows its records",
    breaks: "L2",
    seedsMax: 20,
  },
  {
    name: "newer-version-will-do",
    file: "src/engine/condition.ts",
    find: "if (present === condition.version) return;",
    replace: "if (present !== undefined && present >= condition.version) return;",
    story: "a version that is newer holds what the older one held",
    breaks: "L2",
    seedsMax: 20,
  },
  {
    name: "cut-before-the-filter",
    file: "src/engine/search.ts",
    find: "    mask,\n    compareRows: byId((row) => loaded.idOf(row)),\n  });\n  return hits.map((",
    replace:
      "    mask: live,\n    compareRows: byId((row) => loaded.idOf(row)),\n  });\n" +
      "  return hits.filter(({ row }) => hasBit(mask, row)).map((",
    story: "the k nearest are found first, and filtered then",
    breaks: "R3",
    seedsMax: 20,
  },
  {
    name: "filter-tells-of-the-next-row",
    file: "src/engine/loaded-segment.ts",
    find: "matches(filter, this.visible(row))) setBit(answer, row);",
    replace: "matches(filter, this.visible(row))) setBit(answer, row + 1);",
    story: "rows are counted from one",
    breaks: "R3",
    seedsMax: 20,
  },
  {
    name: "age-counts-from-the-end",
    file: FOLLOWER,
    find: "      this.#caughtUp = started;\n",
    replace:
      "      this.#caughtUp = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };\n",
    story: "a catch-up that has just ended is not old",
    breaks: "R6",
    world: BUSY,
    seedsMax: 40,
  },
];
