import type { Command } from "commander";
import { BrainyError } from "../../base/errors.ts";
import type { BrainyRecord, RecordPart } from "../../types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { parseInclude } from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";
import { plainRecord } from "../show-record.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

/** Numbers of a vector that people get to see. */
const NUMBERS_SHOWN = 4;

interface GetFlags extends ReadFlags {
  readonly include?: readonly RecordPart[];
}

/** `brainy get`. */
export function getCommand(program: Command, shell: Shell): void {
  const command = program
    .command("get")
    .summary("show records by their ids")
    .description(
      "Shows records by their ids, as JSON. With --json each is one line, vectors in full. " +
        "Ends with code 3 when one of them is not there; the others are shown all the same.",
    )
    .argument("<id...>", "ids of records")
    .option("--include <parts>", "parts of each record: metadata,data,text,vector", parseInclude);
  addReadOptions(command)
    .addHelpText(
      "after",
      examples("brainy get sku-1042", "brainy get sku-1 sku-2 --json --include metadata,vector"),
    )
    .action((ids: string[], flags: GetFlags, self: Command) =>
      runGet(shell, globalsOf(self), ids, flags),
    );
}

async function runGet(
  shell: Shell,
  globals: GlobalOptions,
  ids: readonly string[],
  { include, consistency, checkpoint }: GetFlags,
): Promise<void> {
  const { signal, output } = shell;
  const records = await withDatabase(shell, globals, { access: "read", checkpoint }, (brain) =>
    brain.getMany(ids, { include, consistency, signal }),
  );
  for (const record of records) {
    if (record === undefined) continue;
    if (globals.json === true) await output.json(plainRecord(record));
    else await output.line(JSON.stringify(shortened(record), undefined, 2));
  }
  const missing = ids.filter((_, at) => records[at] === undefined);
  if (missing.length === 0) return;
  await output.flush();
  throw new BrainyError("BRAINY_NOT_FOUND", `no record with id ${missing.join(", ")}`);
}

function shortened(record: BrainyRecord): object {
  const { vector, ...rest } = record;
  if (vector === undefined) return rest;
  const first = Array.from(vector.subarray(0, NUMBERS_SHOWN), (number) => number.toPrecision(4));
  const more = vector.length > NUMBERS_SHOWN ? ", …" : "";
  return { ...rest, vector: `[${first.join(", ")}${more}] ${vector.length} numbers` };
}
