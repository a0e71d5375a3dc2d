import { BrainyError, isBrainyError, type ErrorCode } from "../../base/errors.ts";

/** What the mapping needs to know of a request that failed. */
export interface S3Request {
  /** For the message: `put key of s3://bucket`. */
  readonly what: string;
  /** Whether it carried a condition, which may then be what did not hold. */
  readonly isConditional?: boolean | undefined;
  /** When it was made, by this process's clock. */
  readonly sentMs?: number | undefined;
}

/** The parts of an SDK's error that this module reads; anything may be missing. */
interface SdkError {
  readonly name?: string;
  readonly Code?: string;
  /** Of the operating system: `ECONNRESET`, … */
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: {
    readonly httpStatusCode?: number;
    readonly attempts?: number;
    readonly requestId?: string;
  };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

const CLOCK_CODES = new Set(["RequestTimeTooSkewed", "RequestExpired"]);
const LIMIT_CODES = new Set(["EntityTooLarge", "QuotaExceeded", "TooManyParts"]);
const DENIED_CODES = new Set([
  "ExpiredToken",
  "InvalidToken",
  "TokenRefreshRequired",
  "CredentialsProviderError",
]);
const REGION_CODES = new Set([
  "PermanentRedirect",
  "TemporaryRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
]);
/** Of the operating system, `ECONNRESET` say, and not of a store. */
const SYSTEM_CODE = /^E[A-Z]+$/;
/** Less than what stores refuse signatures for, which is 5 to 15 minutes; more than a request takes. */
const LATE_MS = 240_000;
/** Answered with a status of the 400s although the same request may succeed later. */
const BUSY_CODES = new Set(["RequestTimeout", "SlowDown", "Throttling", "IncompleteBody"]);

/**
 * The error of a request that did not succeed, as the contract of stores names it. Whatever does
 * not say for certain that nothing was changed is `BRAINY_UNAVAILABLE`: who sent a conditional put
 * then looks.
 */
export function s3Error(error: unknown, request: S3Request): BrainyError {
  if (isBrainyError(error)) return error;
  const { code, why } = judge(error ?? {}, request);
  return new BrainyError(code, `${request.what}: ${why}`, { cause: withoutRequest(error) });
}

/**
 * An error of the SDK holds the whole exchange, the signature that it sent among it, which logs
 * would print. This keeps what helps to find the request in the logs of the store.
 */
function withoutRequest(error: unknown): unknown {
  const { $metadata, $response, name = "Error", message = "" } = (error ?? {}) as SdkError;
  if ($metadata === undefined && $response === undefined) return error;
  const { httpStatusCode: status, requestId } = $metadata ?? {};
  const plain = Object.assign(new Error(message), { status, code: s3Code(error), requestId });
  plain.name = name;
  if (error instanceof Error && error.stack !== undefined) plain.stack = error.stack;
  return plain;
}

/** The status of an answer, or `undefined` when there was none. */
export function s3Status(error: unknown): number | undefined {
  return ((error ?? {}) as SdkError).$metadata?.httpStatusCode;
}

/** What the store called it: `NoSuchKey`, `SlowDown`, … */
export function s3Code(error: unknown): string {
  const { name, Code, code } = (error ?? {}) as SdkError;
  return Code ?? code ?? name ?? "";
}

function judge(error: SdkError, request: S3Request): { code: ErrorCode; why: string } {
  const [code, status] = [s3Code(error), s3Status(error)];
  const said = status === undefined ? `${code} ${error.message ?? ""}`.trim() : `${status} ${code}`;
  if (DENIED_CODES.has(code)) return { code: "BRAINY_DENIED", why: credentials(said) };
  if (status === undefined) {
    return /region is missing/i.test(error.message ?? "")
      ? { code: "BRAINY_INVALID_ARGUMENT", why: "no region: set `region`, or AWS_REGION" }
      : { code: "BRAINY_UNAVAILABLE", why: `no answer (${said})` };
  }
  // Only the status came: what the store called it was cut off, so nothing certain was said.
  if (SYSTEM_CODE.test(code)) return { code: "BRAINY_UNAVAILABLE", why: `cut answer (${said})` };
  if (CLOCK_CODES.has(code) || (status === 403 && code === "Unknown" && isLate(error, request))) {
    const why = `refused (${said}): the clock of this machine differs too much from the store's`;
    return { code: "BRAINY_UNAVAILABLE", why };
  }
  if (BUSY_CODES.has(code)) return { code: "BRAINY_UNAVAILABLE", why: said };
  if (LIMIT_CODES.has(code)) return { code: "BRAINY_LIMIT", why: said };
  if (code === "NoSuchBucket") return { code: "BRAINY_NOT_FOUND", why: "there is no such bucket" };
  if (REGION_CODES.has(code) || (status >= 300 && status < 400)) {
    const region = error.$response?.headers?.["x-amz-bucket-region"];
    const where = region === undefined ? "" : `: it is in ${region}`;
    return { code: "BRAINY_INVALID_ARGUMENT", why: `the bucket is elsewhere (${said})${where}` };
  }
  return judgeStatus(status, said, { ...request, attempts: error.$metadata?.attempts ?? 1 });
}

/**
 * Answers to HEAD have no body, and so no code: denied, or signed by a clock that was off, if only
 * since the machine slept between signing and sending. Whoever is denied learns it from any other
 * request.
 */
function isLate({ $response }: SdkError, { sentMs }: S3Request): boolean {
  const answeredMs = Date.parse($response?.headers?.["date"] ?? "");
  return sentMs !== undefined && Math.abs(answeredMs - sentMs) > LATE_MS;
}

function judgeStatus(
  status: number,
  said: string,
  { isConditional = false, attempts }: S3Request & { readonly attempts: number },
): { code: ErrorCode; why: string } {
  if (isConditional && (status === 404 || status === 409 || status === 412)) {
    // After a second attempt the first one may be what the condition met.
    return attempts === 1
      ? { code: "BRAINY_CONFLICT", why: `the condition did not hold (${said})` }
      : { code: "BRAINY_UNAVAILABLE", why: `${said} after ${attempts} attempts` };
  }
  if (status === 401 || status === 403) return { code: "BRAINY_DENIED", why: credentials(said) };
  if (status === 404) return { code: "BRAINY_NOT_FOUND", why: said };
  if (status === 501)
    return { code: "BRAINY_UNSUPPORTED", why: `the store cannot do it (${said})` };
  if (status === 413) return { code: "BRAINY_LIMIT", why: said };
  if (status >= 500 || status === 408 || status === 409 || status === 412 || status === 429) {
    return { code: "BRAINY_UNAVAILABLE", why: said };
  }
  return { code: "BRAINY_INVALID_ARGUMENT", why: said };
}

function credentials(said: string): string {
  return `refused (${said}): the credentials are missing, expired or may not do this`;
}
