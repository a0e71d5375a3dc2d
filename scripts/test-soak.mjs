// A fleet over a real S3 server with everything going wrong, for long, and whether what it holds
// stays as it is; see docs/specs/fleet-campaign.md, section Soak.
//
//     npm run test:soak                                   # five minutes
//     npm run test:soak -- --minutes 30 --seed 17
//
// The report goes to .cache/soak/, as JSON with all samples and as Markdown.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runSoak } from "../test/fleet/soak.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const REPORTS = fileURLToPath(new URL("../.cache/soak", import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Where the folder is made; it stays there when something is wrong. */
    folder: { type: "string", default: tmpdir() },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error("usage: npm run test:soak -- [--minutes 5] [--seed 1] [--folder …]");
  process.exit(2);
}

const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => abort.abort(new Error(`ended by ${signal}`)));
}

const folder = mkdtempSync(join(values.folder, "brainy-soak-"));
const log = (line) => console.log(line);
log(`seed ${seed}, ${minutes} min, ${folder}`);
const common = { folder, dist: DIST, seed, log, signal: abort.signal };
const soak = await runSoak({ ...common, durationMs: minutes * 60_000 }).catch((error) => {
  console.error(error.code === "NO_SERVER" ? error.message : error.stack);
  process.exit(1);
});

const { summary, samples, judged, cores } = soak;
const { problems, faults, ...rest } = summary;
const number = (value) => (value === undefined ? "" : Math.round(value).toLocaleString("en"));
const lines = [
  `# Soak of ${minutes} minutes, seed ${seed}`,
  "",
  `${samples.length} samples, ${cores.toFixed(2)} cores on average, ${problems.length} problems.`,
  "",
  ...problems.map((problem) => `- ${problem}`),
  "",
  "| of | what | flat | first low | last low | growth | allowed | greatest |",
  "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
  ...judged.map(({ of, what, greatest, flatness }) =>
    [
      "",
      of,
      what,
      flatness === undefined ? "too few samples" : flatness.isFlat ? "yes" : "**no**",
      ...[flatness?.first, flatness?.last, flatness?.growth, flatness?.allowed].map(number),
      number(greatest),
      "",
    ]
      .join(" | ")
      .trim(),
  ),
  "",
  "Faults:",
  "",
  ...Object.entries(faults).map(([kind, count]) => `- ${kind}: ${count}`),
  "",
  "```json",
  JSON.stringify(rest, undefined, 1),
  "```",
  "",
];
mkdirSync(REPORTS, { recursive: true });
const report = join(REPORTS, `soak-${seed}-${minutes}`);
writeFileSync(`${report}.md`, lines.join("\n"));
writeFileSync(`${report}.json`, `${JSON.stringify({ minutes, seed, ...soak })}\n`);
log(lines.join("\n"));
log(`report: ${report}.md`);
const hasEnough = soak.tooFew === 0 || minutes < 5;
if (!hasEnough) console.error(`${soak.tooFew} quantities had too few samples to be judged`);
if (problems.length === 0) rmSync(folder, { recursive: true });
else console.error(`${problems.length} problems. Journals: ${folder}`);
process.exit(problems.length === 0 && hasEnough ? 0 : 1);
