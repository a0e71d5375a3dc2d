import type { Command } from "commander";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { globalsOf, type Shell } from "../shell.ts";

interface CheckpointFlags {
  readonly delete?: boolean;
}

/** `brainy checkpoint`. */
export function checkpointCommand(program: Command, shell: Shell): void {
  program
    .command("checkpoint")
    .summary("name the present state, to read it later")
    .description(
      "Names the present state of the database. Reading commands take --checkpoint NAME and then " +
        "answer from it, whatever was written or deleted since. It costs no copy; what only it " +
        "needs is kept until it is deleted.",
    )
    .argument("<name>", "letters, digits, _ and -, at most 64")
    .option("--delete", "forget this checkpoint")
    .addHelpText(
      "after",
      examples(
        "brainy checkpoint before-reimport",
        "brainy count --checkpoint before-reimport",
        "brainy checkpoint before-reimport --delete",
      ),
    )
    .action(async (name: string, flags: CheckpointFlags, self: Command) => {
      const globals = globalsOf(self);
      const isDeleted = flags.delete === true;
      await withDatabase(shell, globals, { access: "change" }, (brain) =>
        isDeleted ? brain.deleteCheckpoint(name) : brain.checkpoint(name),
      );
      if (globals.json === true) return shell.output.json({ checkpoint: name, isDeleted });
      await shell.output.line(`checkpoint ${name}${isDeleted ? " deleted" : ""}`);
    });
}
