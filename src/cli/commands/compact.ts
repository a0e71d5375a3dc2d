import type { Command } from "commander";
import { systemClock } from "../../base/clock.ts";
import { withDatabase } from "../database.ts";
import { examples } from "../examples.ts";
import { globalsOf, type Shell } from "../shell.ts";

/** `brainy compact`. */
export function compactCommand(program: Command, shell: Shell): void {
  program
    .command("compact")
    .summary("fold the log into segments, and segments into as few as can be")
    .description(
      "Folds the log into segments and segments into as few as can be, which makes opening and " +
        "searching faster and frees what deleted and replaced records took. Safe while other " +
        "processes read and write, and may be interrupted at any time.",
    )
    .addHelpText("after", examples("brainy compact", "brainy compact -d ./brainy-demo --json"))
    .action(async (_flags: object, self: Command) => {
      const globals = globalsOf(self);
      const startMs = systemClock.monotonicMs();
      const { signal } = shell;
      const index = await withDatabase(shell, globals, { access: "change" }, async (brain) => {
        await brain.compact({ signal });
        return brain.getMetrics().index;
      });
      const seconds = Number(((systemClock.monotonicMs() - startMs) / 1000).toFixed(3));
      const { records, segments } = index;
      if (globals.json === true) return shell.output.json({ records, segments, seconds });
      await shell.output.line(
        `${records.toLocaleString("en")} records in ${segments} ` +
          `${segments === 1 ? "segment" : "segments"}, ${seconds.toFixed(1)} s`,
      );
    });
}
