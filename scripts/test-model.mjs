// Every model of test/model with its larger bounds, and a table of what was explored; some
// minutes. See docs/reliability.md.
//
//     npm run test:model
//     npm run test:model -- lanes        # files whose names contain that
//     BRAINY_MODEL_DEPTH=normal npm run test:model      # the bounds of `npm test`
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const wanted = process.argv.slice(2).map((name) => `test/model/${name}`);
const folder = mkdtempSync(join(tmpdir(), "brainy-models-"));
const report = join(folder, "report.jsonl");
const files = wanted.length > 0 ? wanted : ["test/model"];
const { status } = spawnSync("npx", ["vitest", "run", "--project", "fast", ...files], {
  cwd: ROOT,
  stdio: ["ignore", "inherit", "inherit"],
  env: { BRAINY_MODEL_DEPTH: "deep", ...process.env, BRAINY_MODEL_REPORT: report },
});
const rows = existsSync(report)
  ? readFileSync(report, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];
rmSync(folder, { recursive: true });

const modelOf = ({ name }) => name.split(",")[0];
const format = (number) => number.toLocaleString("en-US");
console.log("\n| model | actors | rule | states | verdict | seconds |");
console.log("| --- | --- | --- | ---: | --- | ---: |");
// Two files run at once; a model's rows belong together.
rows.sort((a, b) => modelOf(a).localeCompare(modelOf(b)));
for (const { name, actors, rule, states, verdict, seconds } of rows) {
  console.log(
    `| ${name} | ${actors} | ${rule} | ${format(states)} | ${verdict} | ${seconds.toFixed(1)} |`,
  );
}
process.exit(status ?? 1);
