import { BrainyError, isBrainyError, type ErrorCode } from "../../base/errors.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "BRAINY_LIMIT",
  EDQUOT: "BRAINY_LIMIT",
  EFBIG: "BRAINY_LIMIT",
  EACCES: "BRAINY_DENIED",
  EPERM: "BRAINY_DENIED",
  EROFS: "BRAINY_DENIED",
  // O_NOFOLLOW met a symbolic link.
  ELOOP: "BRAINY_DENIED",
  EMLINK: "BRAINY_LIMIT",
  ENAMETOOLONG: "BRAINY_INVALID_ARGUMENT",
};

/** The operating system's name of what went wrong, if it was the one to say it. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined;
  return "code" in error ? String(error.code) : undefined;
}

/** What a caller can act on, with the system's error as cause. Other errors pass unchanged. */
export function fileError(error: unknown, what: string): unknown {
  const code = systemCode(error);
  if (code === undefined || isBrainyError(error)) return error;
  return new BrainyError(CODES[code] ?? "BRAINY_UNAVAILABLE", `${what}: ${code}`, { cause: error });
}

/**
 * Anything that goes wrong after a name was given to an object: it is there, and may or may not
 * be after a crash. Reading it back would prove nothing, because the page cache answers.
 */
export function unsyncedError(error: unknown, what: string): BrainyError {
  if (isBrainyError(error, "BRAINY_FENCED")) return error;
  return new BrainyError(
    "BRAINY_FENCED",
    `${what}: fsync failed, durability is unknown; check the disk, then reopen the database`,
    { cause: error },
  );
}

/** Another process was in the middle of the same thing; only a look can tell what is there now. */
export function unknownOutcome(what: string): BrainyError {
  return new BrainyError("BRAINY_UNAVAILABLE", `${what}: outcome unknown, raced by another writer`);
}

/** A condition did not hold, so nothing happened. */
export function conflict(what: string, why: string): BrainyError {
  return new BrainyError("BRAINY_CONFLICT", `${what}: ${why}`);
}
