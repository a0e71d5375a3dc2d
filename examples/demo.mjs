/*
 * What `npm run demo` runs: makes this repository's own documentation and source searchable with
 * the embedder that comes with Brainy, asks it three questions, and says how to go on.
 *
 * Running it again replaces what changed. `./brainy-demo` may be deleted at any time.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Brainy } from "brainy";

const DATABASE = "./brainy-demo";
const QUESTIONS = [
  "How is a text turned into a vector without a model?",
  "How are passages cut out of Markdown?",
  "May several processes use one store?",
];

// Paths in the database are relative to the root, wherever this was started.
process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const sources = ["README.md", "ARCHITECTURE.md", "docs", "src"].filter((name) => existsSync(name));
console.log(`Indexing ${sources.join(", ")} into ${DATABASE}`);

const command = ["dist/cli/main.js", "import", ...sources, "--prune", "--database", DATABASE];
const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const brain = new Brainy({ storage: DATABASE, readOnly: true });
try {
  for (const question of QUESTIONS) {
    const [hit] = await brain.search(question, 1);
    if (hit === undefined) throw new Error(`nothing found for: ${question}`);
    const { path, lineStart, lineEnd } = hit.metadata;
    const place = [path, lineStart, lineEnd].map(String);
    console.log(
      `\n${question}\n  ${place[0]}:${place[1]}-${place[2]}  score ${hit.score.toFixed(3)}`,
    );
    console.log(firstLines(hit.text, 4));
  }
} finally {
  await brain.close();
}

console.log(
  `\nAsk something yourself:\n  npx brainy search "when is a write durable?" -d ${DATABASE}`,
);

/** The beginning of a passage, indented. */
function firstLines(text, count) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const shown = lines.slice(0, count).map((line) => `  | ${line.slice(0, 90)}`);
  return [...shown, ...(lines.length > count ? ["  | …"] : [])].join("\n");
}
