import type { Command } from "commander";
import type { Metric } from "../kernel/metric.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { reportError } from "./report-error.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  /** A folder, or `s3://bucket/prefix`. */
  readonly database: string;
  /** Where the bucket is, unless that is AWS. */
  readonly endpoint?: string | undefined;
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly verbose?: boolean | undefined;
  readonly dimensions?: number | undefined;
  readonly metric?: Metric | undefined;
}

/** The process around a command: its output, and the wish that it stops. */
export class Shell {
  readonly interruption = new Interruption();
  readonly output: Output = new Output(process.stdout, {
    signal: this.interruption.signal,
    onClosed: () => this.interruption.outputClosed(),
  });
  /** What the process ends with unless an error or a signal says otherwise. */
  exitCode = 0;

  constructor() {
    // Nobody reads what is said here: not a reason to end otherwise than without it.
    process.stderr.on("error", () => undefined);
  }

  get signal(): AbortSignal {
    return this.interruption.signal;
  }

  /** Says something to people. Machines read stdout, and errors on stderr. */
  say(globals: GlobalOptions, line: string): void {
    if (globals.quiet === true || globals.json === true) return;
    process.stderr.write(`${line}\n`);
  }

  /** Reports an error after which there is nothing left to do but to end with its exit code. */
  fail(globals: GlobalOptions, error: Error, exitCode: number): void {
    const { json = false, verbose = false } = globals;
    reportError(error, { json, verbose });
    this.exitCode = exitCode;
  }

  /** Says that something is not as it should be, though the command goes on. */
  warn(globals: GlobalOptions, message: string): void {
    if (globals.quiet === true) return;
    const line =
      globals.json === true ? JSON.stringify({ warning: message }) : `brainy: ${message}`;
    process.stderr.write(`${line}\n`);
  }
}

/** The options of the program, wherever on the command line they stood. */
export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}
