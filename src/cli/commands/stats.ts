import type { Command } from "commander";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { globalsOf, type Shell } from "../shell.ts";
import { addReadOptions, type ReadFlags } from "./read-options.ts";

/** `brainy stats`. */
export function statsCommand(program: Command, shell: Shell): void {
  const command = program
    .command("stats")
    .summary("show how large the database is and how it is")
    .description(
      "Shows the number of records, the figures of the index and the log, and the health of the " +
        "database as this process sees it.",
    );
  addReadOptions(command)
    .addHelpText("after", examples("brainy stats", "brainy stats --json -d ./brainy-demo"))
    .action(async ({ consistency, checkpoint }: ReadFlags, self: Command) => {
      const globals = globalsOf(self);
      const { signal, output } = shell;
      const stats = await withDatabase(
        shell,
        globals,
        { access: "read", checkpoint },
        async (brain) => {
          const records = await brain.count(undefined, { consistency, signal });
          const { status, warnings } = brain.getHealthStatus();
          const { index, log } = brain.getMetrics();
          return { database: globals.database, records, status, warnings, index, log };
        },
      );
      if (globals.json === true) return output.json(stats);
      for (const [name, value] of flatten(stats)) {
        await output.line(`${name.padEnd(24)}${String(value)}`);
      }
    });
}

/** `{ log: { slots: 3 } }` → `log.slots`, 3. */
function* flatten(value: object, prefix = ""): Generator<readonly [string, unknown]> {
  for (const [name, field] of Object.entries(value) as [string, unknown][]) {
    if (typeof field === "object" && field !== null) yield* flatten(field, `${prefix}${name}.`);
    else if (field !== undefined) yield [prefix + name, field];
  }
}
