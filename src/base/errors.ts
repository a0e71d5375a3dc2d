/**
 * Every error a caller can see, and what the caller should do about it.
 *
 * A new code earns its place only if a caller would *act* differently on it. Details that only
 * help a human go in `message`, which is not part of the API.
 */
export const ERROR_CODES = {
  /** The call itself is wrong: a dimension, a filter, an option. Nothing was written. */
  BRAINY_INVALID_ARGUMENT: { action: "fix-call", http: 400 },
  /** The thing named does not exist: a checkpoint, a database to open read-only. */
  BRAINY_NOT_FOUND: { action: "fix-call", http: 404 },
  /** A condition did not hold: another process created or changed the object first. */
  BRAINY_CONFLICT: { action: "retry", http: 409 },
  /** Another live instance decides conditional operations of this record: ask `error.owner`. */
  BRAINY_NOT_OWNER: { action: "retry", http: 421 },
  /** This handle may not go on: a newer epoch, another database, a lane that cannot be trusted. */
  BRAINY_FENCED: { action: "reopen", http: 409 },
  /** The store did not answer. The outcome of a write may be unknown. */
  BRAINY_UNAVAILABLE: { action: "retry", http: 503 },
  /** Stored bytes are not what was written: checksum, magic, impossible value. */
  BRAINY_CORRUPT: { action: "operator", http: 500 },
  /** The store, the role or this version cannot do it. */
  BRAINY_UNSUPPORTED: { action: "fix-call", http: 501 },
  /** The handle was closed. */
  BRAINY_CLOSED: { action: "reopen", http: 409 },
  /** A quota or a size: too large, too many, disk full. */
  BRAINY_LIMIT: { action: "operator", http: 413 },
  /** The operating system or the store refused access. */
  BRAINY_DENIED: { action: "operator", http: 403 },
} as const satisfies Record<`BRAINY_${string}`, { action: ErrorAction; http: number }>;

/** Who decides instead, where that is known. */
export interface OwnerReference {
  /** `vectors/p007`. */
  readonly partition: string;
  readonly instanceId: string;
  /** Where that instance is reached, if it says so. */
  readonly endpoint?: string | undefined;
}

/** `retry`: same call, later. `reopen`: this handle is dead. `operator`: a human must look. */
export type ErrorAction = "fix-call" | "retry" | "reopen" | "operator";
/** A stable name of what went wrong: a key of `ERROR_CODES`. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The one error class of the package. `code` and `action` are API; `message` is for people. */
export class BrainyError extends Error {
  override readonly name: string = "BrainyError";
  readonly code: ErrorCode;
  /** Of `BRAINY_NOT_OWNER`: the instance to send the call to. */
  readonly owner?: OwnerReference | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly owner?: OwnerReference | undefined },
  ) {
    super(message, options);
    this.code = code;
    if (options?.owner !== undefined) this.owner = options.owner;
  }

  get action(): ErrorAction {
    return ERROR_CODES[this.code].action;
  }
}

/** Prefer this to `instanceof`: two copies of the package may be loaded in one process. */
export function isBrainyError(error: unknown, code?: ErrorCode): error is BrainyError {
  return (
    error instanceof Error &&
    "code" in error &&
    Object.hasOwn(ERROR_CODES, String(error.code)) &&
    (code === undefined || error.code === code)
  );
}

/** The error of a bad call, with the offending value shown short. */
export function invalid(message: string): BrainyError {
  return new BrainyError("BRAINY_INVALID_ARGUMENT", message);
}

/** The error of bytes that are not what was written; `where` names the object. */
export function corrupt(where: string, what: string): BrainyError {
  return new BrainyError("BRAINY_CORRUPT", `${where}: ${what}`);
}
