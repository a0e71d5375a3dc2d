/*
 * A campaign that finds nothing proves nothing until it has been seen to find something. Each of
 * these defects is planted into a copy of the built package, and provoked as reality would.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLOCK_LAG_MS } from "./world.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @typedef {object} Defect
 * @property {string} what In the words of who made the mistake.
 * @property {[file: string, find: string, replace: string][]} patches Of files in `dist`.
 * @property {object[]} [actors] Default: `PLANTED_ACTORS`.
 * @property {(fleet: import("./fleet.mjs").Fleet, world: import("./world.mjs").World) => Promise<void>} provoke
 */

/** @type {Record<string, Defect>} */
export const DEFECTS = {
  "ignored-seal": {
    what: "a writer whose slot was taken by a seal goes on as if it had written it",
    patches: [
      [
        "engine/log-writer.js",
        'const isWon = outcome.kind === "won";',
        'if (outcome.kind === "lost") return true; const isWon = outcome.kind === "won";',
      ],
    ],
    async provoke(fleet, world) {
      const writer = fleet.member("w1");
      await more(writer);
      writer.stop(60_000);
      // To everybody else its lane has stood still for as long as only those of the dead do.
      await jump(world, 16 * MINUTE_MS);
      await fleet.member("h1").order("compact");
      writer.wake();
      await more(writer);
    },
  },
  "retired-lane": {
    what: "a writer that slept for a day does not ask whether its lane is still there",
    patches: [["engine/log-writer.js", "if (isPlain)", "if (isPlain || true)"]],
    async provoke(fleet, world) {
      const [writer, holder] = [fleet.member("w1"), fleet.member("h1")];
      await more(writer);
      writer.stop(120_000);
      await jump(world, 16 * MINUTE_MS);
      await holder.order("compact");
      // Its manifests are replaced, its seal and then its entry are forgotten.
      for (let i = 0; i < 3; i++) {
        await jump(world, DAY_MS + MINUTE_MS);
        for (let j = 0; j < 4; j++) await compactSome(holder);
      }
      writer.wake();
      await more(writer);
    },
  },
  "early-acknowledgement": {
    what: "a write is acknowledged when it is sent",
    patches: [
      [
        "engine/log-writer.js",
        "const outcome = await creation;",
        "this.#acknowledge(prepared); const outcome = await creation;",
      ],
    ],
    async provoke(fleet) {
      const writer = fleet.member("w1");
      await more(writer);
      for (let i = 0; i < 3; i++) await writer.proxy.doNext("slow", isSlot);
      await writer.kill();
    },
  },
  "unlisted-manifest": {
    what: "whoever created a manifest believes that it is the newest",
    patches: [
      [
        "engine/manifest-store.js",
        "const newest = await readNewestManifest(store);\n    if (newest === undefined) {",
        'if (outcome.kind === "won") return { kind: "committed" };\n' +
          "    const newest = await readNewestManifest(store);\n    if (newest === undefined) {",
      ],
    ],
    async provoke(fleet, world) {
      const [sleeper, other] = [fleet.member("w1"), fleet.member("h1")];
      const isCommit = ({ method, url }) => method === "PUT" && url.includes("_brainy/manifests/");
      await more(sleeper);
      const held = sleeper.proxy.holdNext(isCommit);
      const compacted = sleeper.order("compact").catch(() => undefined);
      const release = await held;
      sleeper.stop(60_000);
      await compactUntil(other, "commits", 12);
      await jump(world, 3 * MINUTE_MS);
      // Ten manifests later, and two minutes: the number is free again.
      await compactUntil(other, "manifestsCollected", 1);
      release();
      await sleep(500);
      sleeper.wake();
      await compacted;
    },
  },
  "unsealed-takeover": {
    what: "who takes a partition over does not seal the lane of the one before",
    patches: [["engine/partition-leases.js", "if (ending !== undefined) {", "if (false) {"]],
    actors: [
      { name: "w1", role: "writer", writes: 0, reads: 1 },
      { name: "h1", role: "hybrid", writes: 1, reads: 1 },
    ],
    async provoke(fleet) {
      const [sleeper, taker] = [fleet.member("w1"), fleet.member("h1")];
      await more(taker);
      const held = sleeper.proxy.holdNext(isSlot);
      const created = sleeper.order("create", { id: "x" }).catch(() => undefined);
      const release = await held;
      sleeper.stop(60_000);
      // Until it counts as dead the call is refused.
      while (!(await taker.order("create", { id: "x" })).isDone) await sleep(300);
      release();
      await sleep(300);
      sleeper.wake();
      await created;
    },
  },
  "error-as-success": {
    what: "an answer of 500 counts as if it had been 200",
    patches: [
      [
        "engine/create-once.js",
        "cause = error;",
        'cause = error; if (isBrainyError(error, "BRAINY_UNAVAILABLE")) ' +
          'return { kind: "won", direct: true, attempts: 1, storeMs: clock.nowMs() };',
      ],
    ],
    async provoke(fleet) {
      const writer = fleet.member("w1");
      await more(writer);
      for (let i = 0; i < 3; i++) await writer.proxy.doNext("busy", isSlot);
      await more(writer);
    },
  },
  "error-as-loss": {
    what: "an answer of 500 counts as if nothing had been written, which is then written again",
    patches: [
      [
        "engine/create-once.js",
        "cause = error;",
        'cause = error; if (isBrainyError(error, "BRAINY_UNAVAILABLE")) throw error;',
      ],
      [
        "engine/log-writer.js",
        "this.#fail(prepared, error);\n        }\n    }\n    /** Acknowledged",
        'if (prepared !== undefined && error.code === "BRAINY_UNAVAILABLE") this.#putBack(prepared);\n' +
          "            else this.#fail(prepared, error);\n        }\n    }\n    /** Acknowledged",
      ],
    ],
    async provoke(fleet) {
      const writer = fleet.member("w1");
      const { proxy } = writer;
      await more(writer);
      for (let i = 0; i < 4; i++) {
        await proxy.doNext("error", isSlot);
        // Between the two writes others read.
        const release = await proxy.holdNext(isSlot);
        await more(fleet.member("r1"), "reads", 20);
        release();
      }
    },
  },
};

/** A batch of operations on its way into the log, not the open record that comes before them. */
const isSlot = ({ method, url }) =>
  method === "PUT" && /\/wal\/\w+\/\d+/.test(url) && !/\/0{16}(\?|$)/.test(url);

/** Who takes part: as few as can show it. */
export const PLANTED_ACTORS = [
  { name: "w1", role: "writer", writes: 3, reads: 1 },
  { name: "h1", role: "hybrid", writes: 1, reads: 1 },
  { name: "r1", role: "reader", writes: 0, reads: 3, paceMs: 80 },
];

/** A copy of the built package with a defect. Fails when the text to be replaced is not there. */
export function plant({ dist, folder, name }) {
  const copy = join(folder, "package", "dist");
  mkdirSync(join(folder, "package"), { recursive: true });
  cpSync(dist, copy, { recursive: true });
  writeFileSync(join(folder, "package", "package.json"), '{ "type": "module" }');
  symlinkSync(join(ROOT, "node_modules"), join(folder, "package", "node_modules"));
  for (const [file, text] of patchedFiles({ dist, name })) writeFileSync(join(copy, file), text);
  return copy;
}

/** Texts of the files that a defect changes. Fails when what it replaces is not there. */
export function patchedFiles({ dist, name }) {
  return DEFECTS[name].patches.map(([file, find, replace]) => {
    const text = readFileSync(join(dist, file), "utf8");
    if (text.split(find).length !== 2) {
      throw new Error(`${name}: ${file} does not have exactly once: ${find}`);
    }
    return [file, text.replace(find, () => replace)];
  });
}

/** Waits until a process has done more: how long that takes depends on the machine. */
async function more(member, kind = "writes", count = 10) {
  const { [kind]: before } = await member.order("progress");
  for (let now = before; now < before + count;) {
    await sleep(50);
    ({ [kind]: now } = await member.order("progress"));
  }
}

async function jump(world, byMs) {
  world.jump(byMs);
  await sleep(1.2 * CLOCK_LAG_MS);
}

/** A compaction with something to compact. */
async function compactSome(member) {
  await sleep(250);
  await member.order("compact").catch(() => undefined);
}

/** As often as it takes on a machine that may be slow. */
async function compactUntil(member, kind, count) {
  for (let i = 0; i < 100; i++) {
    await compactSome(member);
    if ((await member.order("progress"))[kind] >= count) return;
  }
  throw new Error(`${member.name} does not get to ${count} ${kind}`);
}
