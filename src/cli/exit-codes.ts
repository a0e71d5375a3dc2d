import type { ErrorCode } from "../base/errors.ts";

/**
 * What the process tells its caller in one number. A script branches on these, so they are API;
 * docs/guide/cli.md shows the same table and is tested against this one.
 */
export const EXIT_CODES = {
  ok: { code: 0, when: "It worked. A search without hits worked too.", errors: [] },
  problems: {
    code: 1,
    when: "Problems were found: an invalid input line, an error that `verify` reports, a surprise.",
    errors: [],
  },
  usage: {
    code: 2,
    when: "The call is wrong: an argument, an option, or one that this database does not take.",
    errors: ["BRAINY_INVALID_ARGUMENT", "BRAINY_UNSUPPORTED"],
  },
  notFound: {
    code: 3,
    when: "No such database, record, checkpoint or input file.",
    errors: ["BRAINY_NOT_FOUND"],
  },
  store: {
    code: 4,
    when: "The store did not answer, refused, is full, or another process got in the way.",
    errors: [
      "BRAINY_UNAVAILABLE",
      "BRAINY_DENIED",
      "BRAINY_LIMIT",
      "BRAINY_CONFLICT",
      "BRAINY_NOT_OWNER",
      "BRAINY_FENCED",
      "BRAINY_CLOSED",
    ],
  },
  corrupt: {
    code: 5,
    when: "Stored bytes are not what was written. Run `brainy verify`.",
    errors: ["BRAINY_CORRUPT"],
  },
  interrupted: { code: 130, when: "Stopped by SIGINT (Ctrl-C).", errors: [] },
  terminated: { code: 143, when: "Stopped by SIGTERM.", errors: [] },
} as const satisfies Record<
  string,
  { readonly code: number; readonly when: string; readonly errors: readonly ErrorCode[] }
>;

/** The exit code of an error that ended a command. */
export function exitCodeOf(code: ErrorCode): number {
  for (const row of Object.values(EXIT_CODES)) {
    if ((row.errors as readonly ErrorCode[]).includes(code)) return row.code;
  }
  return EXIT_CODES.problems.code;
}
