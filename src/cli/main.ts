#!/usr/bin/env node
import { CommanderError } from "commander";
import { invalid } from "../base/errors.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { makeProgram } from "./program.ts";
import { reportError } from "./report-error.ts";
import { Shell } from "./shell.ts";

const shell = new Shell();
shell.interruption.listen();
process.exitCode = await run(shell, process.argv.slice(2));
// A pipe that nobody closes or reads would keep the process; nothing of it is wanted any more.
if (shell.signal.aborted) process.exit();
process.stdin.destroy();

/** Runs a command line and resolves with its exit code, once everything is written and closed. */
async function run(shell: Shell, args: readonly string[]): Promise<number> {
  const style = { json: args.includes("--json"), verbose: args.includes("--verbose") };
  const program = makeProgram(shell);
  try {
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args, { from: "user" });
    await shell.output.flush();
  } catch (error) {
    const { exitCode } = shell.interruption;
    // Who asked to stop needs no message that it stopped.
    if (exitCode !== undefined) return exitCode;
    await shell.output.flush();
    if (!(error instanceof CommanderError)) return reportError(error, style);
    if (error.exitCode === 0) return EXIT_CODES.ok.code;
    if (error.code === "commander.help") return EXIT_CODES.usage.code;
    return reportError(usageError(error), style);
  }
  return shell.interruption.exitCode ?? shell.exitCode;
}

/** What the parser of the command line refuses, in words of our own. */
function usageError({ message }: CommanderError): Error {
  return invalid(`${message.replaceAll(/^error: |\.$/g, "")}. See: brainy help`);
}
