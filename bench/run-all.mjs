// Every measurement, one after the other: two at once would measure each other.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

let isGood = true;
for (const name of ["import-time", "reopen", "warm-restart", "ingest", "freshness"]) {
  const path = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  isGood = spawnSync(process.execPath, [path], { stdio: "inherit" }).status === 0 && isGood;
}
process.exitCode = isGood ? 0 : 1;
