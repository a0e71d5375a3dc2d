import { ERROR_CODES, isBrainyError, type ErrorCode } from "../base/errors.ts";
import { EXIT_CODES, exitCodeOf } from "./exit-codes.ts";
import { oneLine } from "./show-record.ts";
import { systemCode } from "./system-code.ts";

/** What the operating system says about files that a command reads or writes itself. */
const SYSTEM_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "BRAINY_NOT_FOUND",
  ENOTDIR: "BRAINY_NOT_FOUND",
  EISDIR: "BRAINY_INVALID_ARGUMENT",
  EACCES: "BRAINY_DENIED",
  EPERM: "BRAINY_DENIED",
  EROFS: "BRAINY_DENIED",
  EIO: "BRAINY_UNAVAILABLE",
  EDQUOT: "BRAINY_LIMIT",
  ENOSPC: "BRAINY_LIMIT",
  EMFILE: "BRAINY_LIMIT",
};

/** What an error looks like to a program that reads stderr. */
export interface ErrorDocument {
  /** One of `ERROR_CODES`, or `UNEXPECTED` for a mistake of our own. */
  readonly code: ErrorCode | "UNEXPECTED";
  readonly action: string;
  readonly message: string;
}

/** How errors are to be written. */
export interface ErrorStyle {
  readonly json: boolean;
  /** With stack and causes. */
  readonly verbose: boolean;
}

/** Writes an error to stderr and returns the exit code that goes with it. */
export function reportError(error: unknown, style: ErrorStyle): number {
  const document = describeError(error);
  if (style.json) {
    process.stderr.write(`${JSON.stringify(document)}\n`);
  } else {
    process.stderr.write(`brainy: ${oneLine(document.message)}\n`);
    if (style.verbose) process.stderr.write(`${detailsOf(error)}\n`);
    else if (document.code === "UNEXPECTED") {
      process.stderr.write("Run it again with --verbose for details.\n");
    }
  }
  return document.code === "UNEXPECTED" ? EXIT_CODES.problems.code : exitCodeOf(document.code);
}

function describeError(error: unknown): ErrorDocument {
  if (isBrainyError(error)) {
    const { code, message } = error;
    return { code, action: ERROR_CODES[code].action, message };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = SYSTEM_ERRORS[systemCode(error) ?? ""];
  if (code !== undefined) return { code, action: ERROR_CODES[code].action, message };
  return { code: "UNEXPECTED", action: "operator", message };
}

/** The stacks of an error and of what caused it. */
function detailsOf(error: unknown): string {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    lines.push(at.stack ?? String(at));
  }
  return lines.join("\ncaused by ");
}
