import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { Metric } from "../kernel/metric.ts";
import { checkpointCommand } from "./commands/checkpoint.ts";
import { compactCommand } from "./commands/compact.ts";
import { countCommand } from "./commands/count.ts";
import { deleteCommand } from "./commands/delete.ts";
import { exportCommand } from "./commands/export.ts";
import { getCommand } from "./commands/get.ts";
import { importCommand } from "./commands/import.ts";
import { listCommand } from "./commands/list.ts";
import { searchCommand } from "./commands/search.ts";
import { statsCommand } from "./commands/stats.ts";
import { verifyCommand } from "./commands/verify.ts";
import { examples } from "./examples.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { oneOf, wholeNumber } from "./option-values.ts";
import type { Shell } from "./shell.ts";

const METRICS: readonly Metric[] = ["cosine", "euclidean", "dot"];
const DIMENSIONS_MAX = 65_536;

const COMMANDS = [
  importCommand,
  searchCommand,
  getCommand,
  listCommand,
  countCommand,
  deleteCommand,
  exportCommand,
  statsCommand,
  compactCommand,
  checkpointCommand,
  verifyCommand,
];

/**
 * The command line. Commands load what they run with when they run: naming the database code here
 * would make `brainy --help` wait for it.
 */
export function makeProgram(shell: Shell): Command {
  const program = new Command("brainy")
    .description("A vector database in a folder or a bucket: import, search and look after it.")
    .version(readVersion(), "--version", "show the version")
    .option(
      "-d, --database <path>",
      "folder of the database, or s3://bucket/prefix (env: BRAINY_DATABASE)",
      process.env["BRAINY_DATABASE"] ?? "./brainy-data",
    )
    .option(
      "--endpoint <url>",
      "where the bucket is, unless that is AWS (env: AWS_ENDPOINT_URL_S3)",
      process.env["AWS_ENDPOINT_URL_S3"] || process.env["AWS_ENDPOINT_URL"] || undefined,
    )
    .option("--json", "results and errors for programs")
    .option("--quiet", "no progress, no remarks")
    .option("--verbose", "what happens in the background, and the details of errors")
    .option(
      "--dimensions <n>",
      "length of vectors; fixed when the database is made",
      wholeNumber("--dimensions", DIMENSIONS_MAX),
    )
    .option(
      "--metric <metric>",
      "cosine, euclidean or dot; fixed when the database is made",
      oneOf("--metric", METRICS),
    )
    .configureHelp({ showGlobalOptions: true })
    // Errors are written once, by who reads them from what is thrown.
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .addHelpText(
      "after",
      `${examples(
        "brainy import README.md docs src",
        'brainy search "where are slots written?"',
        "brainy export | gzip > backup.jsonl.gz",
      )}\n${exitCodeText()}`,
    );
  for (const add of COMMANDS) add(program, shell);
  return program;
}

function exitCodeText(): string {
  const lines = Object.values(EXIT_CODES).map(
    ({ code, when }) => `  ${String(code).padEnd(5)}${when}`,
  );
  return `Exit codes:\n${lines.join("\n")}\n`;
}

function readVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
