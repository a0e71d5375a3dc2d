// Kills a writing process many times and judges what is left; see test/support/crash-campaign.mjs.
//
//     npm run build && node scripts/test-crash.mjs --kills 200 --seed 1
//
// The kills and the work follow from the seed; how far the work gets before a kill does not.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCampaign } from "../test/support/crash-campaign.mjs";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Prints the summary as JSON and nothing else. */
    json: { type: "boolean", default: false },
    /** Where the folder is made; it stays there when something is wrong. */
    folder: { type: "string", default: tmpdir() },
  },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  console.error(
    "usage: node scripts/test-crash.mjs [--kills 200] [--seed 1] [--json] [--folder …]",
  );
  process.exit(2);
}

const folder = mkdtempSync(join(values.folder, "brainy-crash-"));
const log = values.json ? () => undefined : (line) => console.log(line);
const startMs = Date.now();
const { problems, reopenMs, ...summary } = await runCampaign({ folder, kills, seed, log });

const isGood = problems.length === 0;
if (isGood) rmSync(folder, { recursive: true });
if (values.json) console.log(JSON.stringify({ seed, ...summary, reopenMs, problems }));
else {
  for (const problem of problems.slice(0, 50)) console.error(problem);
  const { collected } = summary;
  console.log(
    `seed ${seed}: ${summary.kills} kills in ${Math.round((Date.now() - startMs) / 1_000)} s, ` +
      `${summary.acknowledged} of ${summary.started} operations acknowledged, ` +
      `${summary.lost} lost, ${summary.resurrected} resurrected, ` +
      `${summary.verifyErrors} verify errors, reopen p50 ${reopenMs.p50} ms, max ${reopenMs.max} ms; ` +
      `${summary.operationErrors} refused; up to ${summary.lanesMax} lanes, ` +
      `${summary.sealed} sealed; collected ${collected.segments} segments, ` +
      `${collected.slots} slots, ${collected.manifests} manifests; ` +
      `killed ${Object.entries(summary.killedAt)
        .map(([instant, count]) => `${count} at ${instant}`)
        .join(", ")}`,
  );
  if (!isGood) console.error(`the folder is kept: ${folder}`);
}
process.exitCode = isGood ? 0 : 1;
