// A fleet of processes over a real S3 server, with everything going wrong; see
// docs/specs/fleet-campaign.md.
//
//     npm run test:fleet                                  # five minutes
//     npm run test:fleet -- --minutes 1 --seed 17
//     npm run test:fleet -- --plant ignored-seal          # or `all`: defects that it must find
//
// Faults and work follow from the seed; when exactly a process does what does not.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCampaign } from "../test/fleet/campaign.mjs";
import { ACTORS, OUTSIDER } from "../test/fleet/chaos-plan.mjs";
import { DEFECTS, PLANTED_ACTORS, plant } from "../test/fleet/defects.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Only these processes, by name and with commas, and `h1`, which brings the end about. */
    only: { type: "string" },
    /** Prints the summary as JSON and nothing else. */
    json: { type: "boolean", default: false },
    /** Where the folder is made; it stays there when something is wrong. */
    folder: { type: "string", default: tmpdir() },
    /** Keeps the journals in any case. */
    keep: { type: "boolean", default: false },
    /** A defect to plant, or `all` of them; good is then what finds it. */
    plant: { type: "string" },
    /** What provokes a defect, or `all` of it, without the defect; nothing may be found. */
    provoke: { type: "string" },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const wanted = values.plant ?? values.provoke;
const defects = wanted === "all" ? Object.keys(DEFECTS) : [wanted];
if (!(minutes > 0) || !Number.isInteger(seed) || (wanted && !defects.every((d) => d in DEFECTS))) {
  console.error(
    "usage: node scripts/test-fleet.mjs [--minutes 5] [--seed 1] [--only w1,r1] [--json] [--keep] [--folder …]\n" +
      `       [--plant|--provoke all|${Object.keys(DEFECTS).join("|")}]`,
  );
  process.exit(2);
}

const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => abort.abort(new Error(`ended by ${signal}`)));
}

const say = (line) => console.log(line);
const folder = mkdtempSync(join(values.folder, "brainy-fleet-"));
const common = { seed, signal: abort.signal, log: values.json ? () => undefined : say };
const isGood = wanted === undefined ? await runOne() : await runDefects();
if (isGood && !values.keep) rmSync(folder, { recursive: true });
process.exit(isGood ? 0 : 1);

/** What ends a campaign early is a problem of its own. */
async function run(options) {
  try {
    return await runCampaign({ ...common, ...options });
  } catch (error) {
    const noServer = error.code === "NO_SERVER" ? error.message : undefined;
    return { problems: [noServer ?? error.stack], isBroken: true, noServer };
  }
}

async function runOne() {
  common.log(`seed ${seed}, ${minutes} min, ${folder}`);
  const all = [...ACTORS, OUTSIDER];
  const only = values.only === undefined ? undefined : ["h1", ...values.only.split(",")];
  const actors = all.filter(({ name }) => only === undefined || only.includes(name));
  const summary = await run({ folder, dist: DIST, durationMs: minutes * 60_000, actors });
  const { problems, ...rest } = summary;
  if (values.json) say(JSON.stringify({ seed, ...summary, folder }));
  else {
    say(JSON.stringify(rest, undefined, 1));
    for (const problem of problems.slice(0, 50)) console.error(problem);
    if (problems.length > 0) {
      const which = only === undefined ? "" : ` --only ${values.only}`;
      const again = `npm run test:fleet -- --minutes ${minutes} --seed ${seed}${which}`;
      console.error(`${problems.length} problems. Journals: ${folder}. Again: ${again}`);
    }
  }
  return problems.length === 0;
}

async function runDefects() {
  const results = [];
  for (const name of defects) {
    abort.signal.throwIfAborted();
    const below = join(folder, name);
    const dist = values.plant === undefined ? DIST : plant({ dist: DIST, folder: below, name });
    const { provoke, actors = PLANTED_ACTORS } = DEFECTS[name];
    const options = {
      folder: below,
      dist,
      provoke,
      durationMs: 0,
      actors,
      log: () => undefined,
    };
    const { problems, isBroken = false, seconds } = await run(options);
    const isRight = !isBroken && problems.length > 0 === (values.plant !== undefined);
    results.push({ name, isRight, isBroken, seconds, problems });
    common.log(
      `${isRight ? "right" : "WRONG"}: ${name}, ${seconds} s, ${problems.length} problems`,
    );
    for (const problem of problems.slice(0, isRight ? 2 : 20)) common.log(`  ${problem}`);
  }
  const isAllRight = results.every(({ isRight }) => isRight);
  if (values.json) say(JSON.stringify({ seed, results, folder }));
  else if (!isAllRight) say(`Journals: ${folder}`);
  return isAllRight;
}
