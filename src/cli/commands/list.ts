import type { Command } from "commander";
import type { Filter } from "../../engine/filter-types.ts";
import type { RecordPart } from "../../types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { parseFilter, parseInclude, wholeNumber } from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";
import { plainRecord, oneLine, snippetOf } from "../show-record.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

const SNIPPET_CHARACTERS = 72;

interface ListFlags extends ReadFlags {
  readonly filter?: Filter;
  readonly limit: number;
  readonly cursor?: string;
  readonly include?: readonly RecordPart[];
}

/** `brainy list`. */
export function listCommand(program: Command, shell: Shell): void {
  const command = program
    .command("list")
    .summary("list records in order of their ids, page by page")
    .description(
      "Lists records in order of their ids, one page at a time. Where there are more, it says " +
        "with which --cursor the next page begins. To read everything, use export.",
    )
    .option("--filter <json>", `only records that match: '{"type":"passage"}'`, parseFilter)
    .option("--limit <n>", "records in a page", wholeNumber("--limit", 10_000), 20)
    .option("--cursor <cursor>", "go on after the page before")
    .option("--include <parts>", "parts of each record: metadata,data,text,vector", parseInclude);
  addReadOptions(command)
    .addHelpText(
      "after",
      examples("brainy list --limit 5", `brainy list --filter '{"type":"passage"}' --json`),
    )
    .action((flags: ListFlags, self: Command) => runList(shell, globalsOf(self), flags));
}

async function runList(shell: Shell, globals: GlobalOptions, flags: ListFlags): Promise<void> {
  const { filter, limit, cursor, consistency, checkpoint } = flags;
  const { include = ["metadata", "data", "text"] } = flags;
  const { signal, output } = shell;
  const page = await withDatabase(shell, globals, { access: "read", checkpoint }, (brain) =>
    brain.list({ filter, limit, cursor, include, consistency, signal }),
  );
  if (globals.json === true) {
    return output.json({ records: page.records.map(plainRecord), cursor: page.cursor });
  }
  for (const record of page.records) {
    const label = record.type === undefined ? "" : ` (${record.type})`;
    const line = `${record.id}${label}  ${snippetOf(record, SNIPPET_CHARACTERS)}`;
    await output.line(oneLine(line));
  }
  if (page.cursor === undefined) return;
  await output.flush();
  shell.say(globals, `More: --cursor ${JSON.stringify(page.cursor)}`);
}
