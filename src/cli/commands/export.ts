import { open, rename, rm } from "node:fs/promises";
import type { Command } from "commander";
import type { Brainy } from "../../brainy.ts";
import type { Filter } from "../../engine/filter-types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { parseFilter } from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";
import { plainRecord } from "../show-record.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

/** Text of one write to a file. */
const CHUNK_CHARACTERS = 256 * 1024;

interface ExportFlags extends ReadFlags {
  readonly filter?: Filter;
  readonly output?: string;
}

/** `brainy export`. */
export function exportCommand(program: Command, shell: Shell): void {
  const command = program
    .command("export")
    .summary("write records as JSONL that import reads")
    .description(
      "Writes every record, or those that match a filter, as JSONL: ids, vectors, texts and " +
        "metadata, so that import makes the same records of it anywhere. Versions stay behind; " +
        "they belong to this database. A file appears under its name only once it is complete.",
    )
    .option("--filter <json>", `only records that match: '{"type":"passage"}'`, parseFilter)
    .option("-o, --output <file>", "write to this file instead of standard output");
  addReadOptions(command)
    .addHelpText(
      "after",
      examples(
        "brainy export --output backup.jsonl",
        "brainy export -d old | brainy import - -d new",
        `brainy export --filter '{"domain":"code"}' | gzip > code.jsonl.gz`,
      ),
    )
    .action((flags: ExportFlags, self: Command) => runExport(shell, globalsOf(self), flags));
}

async function runExport(shell: Shell, globals: GlobalOptions, flags: ExportFlags): Promise<void> {
  const { checkpoint, output } = flags;
  await withDatabase(shell, globals, { access: "read", checkpoint }, async (brain) => {
    const lines = exportLines(shell, brain, flags);
    if (output === undefined || output === "-") {
      for await (const line of lines) await shell.output.line(line);
      return;
    }
    const exported = await writeFile(output, lines);
    if (globals.json === true) await shell.output.json({ exported, output });
    else shell.say(globals, `${exported.toLocaleString("en")} records in ${output}`);
  });
}

async function* exportLines(
  { signal }: Shell,
  brain: Brainy,
  { filter, consistency }: ExportFlags,
): AsyncGenerator<string> {
  for await (const { version: _, ...record } of brain.export({ filter, consistency, signal })) {
    signal.throwIfAborted();
    yield JSON.stringify(plainRecord(record));
  }
}

/** Writes beside the file and renames, so that nobody takes a part for the whole. */
async function writeFile(path: string, lines: AsyncIterable<string>): Promise<number> {
  const temporary = `${path}.${process.pid}.part`;
  const file = await open(temporary, "w");
  let count = 0;
  try {
    let waiting = "";
    for await (const line of lines) {
      waiting += `${line}\n`;
      count++;
      if (waiting.length < CHUNK_CHARACTERS) continue;
      await file.writeFile(waiting);
      waiting = "";
    }
    await file.writeFile(waiting);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  return count;
}
