import type { Command } from "commander";
import { invalid } from "../../base/errors.ts";
import type { Filter } from "../../engine/filter-types.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { parseFilter } from "../option-values.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";

interface DeleteFlags {
  readonly filter?: Filter;
  readonly yes?: boolean;
}

/** `brainy delete`. */
export function deleteCommand(program: Command, shell: Shell): void {
  program
    .command("delete")
    .summary("delete records by their ids or by a filter")
    .description(
      "Deletes records by their ids, or all that match a filter. Without --yes a filter only " +
        "counts what it would delete, and ends with code 2. Deleting what is not there is no error.",
    )
    .argument("[id...]", "ids of records")
    .option("--filter <json>", `all records that match: '{"type":"passage"}'`, parseFilter)
    .option("--yes", "really delete what the filter matches")
    .addHelpText(
      "after",
      examples(
        "brainy delete sku-1042 sku-1043",
        `brainy delete --filter '{"path":{"$startsWith":"docs/old/"}}' --yes`,
      ),
    )
    .action((ids: string[], flags: DeleteFlags, self: Command) =>
      runDelete(shell, globalsOf(self), ids, flags),
    );
}

async function runDelete(
  shell: Shell,
  globals: GlobalOptions,
  ids: readonly string[],
  { filter, yes = false }: DeleteFlags,
): Promise<void> {
  if (ids.length > 0 === (filter !== undefined)) throw invalid("delete: give ids or --filter");
  if (filter !== undefined && !yes) {
    const { signal } = shell;
    const matches = await withDatabase(shell, globals, { access: "read" }, (brain) =>
      brain.count(filter, { signal }),
    );
    throw invalid(`delete: the filter matches ${matches} records; add --yes to delete them`);
  }
  const deleted = await withDatabase(shell, globals, { access: "change" }, async (brain) => {
    // Only what is in memory by then is counted, so the database is opened first.
    await brain.init();
    return brain.delete(filter === undefined ? ids : { filter });
  });
  if (globals.json === true) return shell.output.json({ deleted });
  await shell.output.line(`deleted ${deleted}`);
}
