import type { Command } from "commander";
import type { Filter } from "../../engine/filter-types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { parseFilter } from "../option-values.ts";
import { globalsOf, type Shell } from "../shell.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

interface CountFlags extends ReadFlags {
  readonly filter?: Filter;
}

/** `brainy count`. */
export function countCommand(program: Command, shell: Shell): void {
  const command = program
    .command("count")
    .summary("count records")
    .description("Counts the records, or those that match a filter.")
    .option("--filter <json>", `only records that match: '{"type":"passage"}'`, parseFilter);
  addReadOptions(command)
    .addHelpText(
      "after",
      examples("brainy count", `brainy count --filter '{"brand":{"$in":["Bosch","Makita"]}}'`),
    )
    .action(async ({ filter, consistency, checkpoint }: CountFlags, self: Command) => {
      const globals = globalsOf(self);
      const { signal } = shell;
      const count = await withDatabase(shell, globals, { access: "read", checkpoint }, (brain) =>
        brain.count(filter, { consistency, signal }),
      );
      if (globals.json === true) return shell.output.json({ count });
      await shell.output.line(String(count));
    });
}
