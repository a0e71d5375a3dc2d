import type { Command } from "commander";
import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { refuseMissing } from "../database.ts";
import { openLocation } from "../location.ts";
import { examples } from "../examples.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { globalsOf, type GlobalOptions, type Shell } from "../shell.ts";
import { oneLine } from "../show-record.ts";

/** How often progress is shown. */
const SHOW_EVERY_MS = 1_000;

interface VerifyFlags {
  readonly repair?: boolean;
}

/** `brainy verify`. */
export function verifyCommand(program: Command, shell: Shell): void {
  program
    .command("verify")
    .summary("check every object of the database")
    .description(
      "Reads every object of the database and checks it: checksums, references, invariants. " +
        "Reports by object, and ends with code 1 when one is in error. Changes nothing, unless " +
        "--repair is given; then it does what is safe and says what it did.",
    )
    .option("--repair", "mend what can be mended without losing anything")
    .addHelpText("after", examples("brainy verify", "brainy verify --repair --json"))
    .action((flags: VerifyFlags, self: Command) => runVerify(shell, globalsOf(self), flags));
}

async function runVerify(
  shell: Shell,
  globals: GlobalOptions,
  { repair = false }: VerifyFlags,
): Promise<void> {
  const { signal, output } = shell;
  await refuseMissing(globals);
  // The store itself, because a database whose manifest is damaged cannot be opened.
  const { verifyStore } = await import("../../engine/verify.ts");
  await using store = (await openLocation(globals)).store;
  const clock = systemClock;
  const onProgress = progressLine(shell, globals);
  const options = { store, clock, random: systemRandom, repair, signal, onProgress };
  const report = await verifyStore(options);
  const { ok, objects, bytes, problems } = report;
  if (!ok) shell.exitCode = EXIT_CODES.problems.code;
  if (globals.json === true) {
    await output.json({ ok, objects, bytes, problems });
    return;
  }
  for (const { severity, key, problem, repaired } of problems) {
    const what = problem.startsWith(`${key}: `) || key === "" ? problem : `${key}: ${problem}`;
    const mended = repaired === true ? " (repaired)" : "";
    await output.line(`${severity.padEnd(8)}${oneLine(what)}${mended}`);
  }
  const { formatBytes } = await import("../importing/progress.ts");
  const size = `${objects.toLocaleString("en")} objects, ${formatBytes(bytes)}`;
  await output.line(ok ? `ok: ${size}` : `in error: ${size}`);
}

/** On a terminal, one line that is written over; elsewhere nothing. */
function progressLine(shell: Shell, globals: GlobalOptions): (objects: number) => void {
  let shownMs = systemClock.monotonicMs();
  return (objects) => {
    const nowMs = systemClock.monotonicMs();
    if (!process.stderr.isTTY || nowMs - shownMs < SHOW_EVERY_MS) return;
    shownMs = nowMs;
    shell.say(globals, `${objects.toLocaleString("en")} objects checked`);
  };
}
