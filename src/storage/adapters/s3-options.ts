import { systemClock, type Clock } from "../../base/clock.ts";
import { invalid } from "../../base/errors.ts";
import { refuseUnknownKeys } from "../../base/nearest-name.ts";
import { systemRandom, type Random } from "../../base/random.ts";
import { checkKey } from "../keys.ts";

/** How requests are made; the defaults suit one process beside its bucket. */
export interface S3TuningOptions {
  /** Reads and listings on their way at once, 32 by default; more of them wait their turn. */
  readonly readConcurrency?: number | undefined;
  /** Puts and deletes on their way at once, 16 by default. */
  readonly writeConcurrency?: number | undefined;
  /**
   * Streams up to this many bytes are one PUT; longer ones are uploaded in parts of this size.
   * 16 MiB by default, between 5 and 64 MiB: each stream that is being written holds four parts.
   */
  readonly multipartThreshold?: number | undefined;
  /** Asks the store to encrypt with keys of its own (`AES256`). False by default. */
  readonly useServerSideEncryption?: boolean | undefined;
  /** Uses the accelerated endpoint of AWS, which costs more a byte. False by default. */
  readonly useTransferAcceleration?: boolean | undefined;
  /** Marks streamed objects, which never change, as cacheable for ever. False by default. */
  readonly cacheHeaders?: boolean | undefined;
  /** `exponential`, the default, waits between attempts, longer each time; `none` makes one. */
  readonly retryStrategy?: "exponential" | "none" | undefined;
}

/** Options of `S3Store`. */
export interface S3StoreOptions {
  readonly bucket: string;
  /** Everything is below it, as if it were a folder. The whole bucket by default. */
  readonly prefix?: string | undefined;
  /** From the environment or the shared configuration of AWS by default. */
  readonly region?: string | undefined;
  /** Address of a store that is not AWS, with its scheme. */
  readonly endpoint?: string | undefined;
  /** With `secretAccessKey`; the credential chain of the SDK by default. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** The bucket in the path, not in the host name. True by default where `endpoint` is given. */
  readonly forcePathStyle?: boolean | undefined;
  /** Attempts after the first one, 3 by default, for what is safe to repeat. */
  readonly maxRetries?: number | undefined;
  /** An agent of `node:http` or `node:https`, whichever the endpoint speaks. */
  readonly httpOptions?: { readonly agent?: object | undefined } | undefined;
  readonly s3?: S3TuningOptions | undefined;
  /** Refuses every write with `BRAINY_DENIED` before anything is sent. False by default. */
  readonly readOnly?: boolean | undefined;
  /** Longest wait for a connection, 5,000 ms by default. */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest wait for an answer, 30,000 ms by default; the time of large bodies is added. */
  readonly requestTimeoutMs?: number | undefined;
  /** Source of deadlines and of waits between attempts; the process's own by default. */
  readonly clock?: Clock | undefined;
  /** Source of waits and scratch keys; the process's own by default. */
  readonly random?: Random | undefined;
}

/** Options with every default filled in. */
export interface S3Settings extends S3StoreOptions {
  /** Empty, or ends in `/`. */
  readonly prefix: string;
  readonly forcePathStyle: boolean;
  readonly attemptsMax: number;
  readonly readConcurrency: number;
  readonly writeConcurrency: number;
  readonly partBytes: number;
  readonly readOnly: boolean;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly s3: S3TuningOptions;
  readonly clock: Clock;
  readonly random: Random;
}

const NAMES = [
  "bucket",
  "prefix",
  "region",
  "endpoint",
  "accessKeyId",
  "secretAccessKey",
  "sessionToken",
  "forcePathStyle",
  "maxRetries",
  "httpOptions",
  "s3",
  "readOnly",
  "connectTimeoutMs",
  "requestTimeoutMs",
  "clock",
  "random",
] as const satisfies readonly (keyof S3StoreOptions)[];

const TUNING_NAMES = [
  "readConcurrency",
  "writeConcurrency",
  "multipartThreshold",
  "useServerSideEncryption",
  "useTransferAcceleration",
  "cacheHeaders",
  "retryStrategy",
] as const satisfies readonly (keyof S3TuningOptions)[];

const MIB = 1 << 20;

/** Checks options and fills in what is missing; throws `BRAINY_INVALID_ARGUMENT`. */
export function resolveS3Options(options: S3StoreOptions): S3Settings {
  refuseUnknownKeys(options, NAMES, "s3 store");
  const { bucket, endpoint, accessKeyId, secretAccessKey, sessionToken, s3 = {} } = options;
  refuseUnknownKeys(s3, TUNING_NAMES, "s3 store: s3");
  refuseUnknownKeys(options.httpOptions ?? {}, ["agent"], "s3 store: httpOptions");
  // Bucket names have rules of their own, which differ between stores; this keeps paths apart.
  if (typeof bucket !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(bucket)) {
    throw invalid(`s3 store: ${JSON.stringify(bucket)} is no name of a bucket`);
  }
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw invalid(
      `s3 store: endpoint ${JSON.stringify(endpoint)} begins with neither http:// nor https://`,
    );
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw invalid("s3 store: accessKeyId and secretAccessKey need each other");
  }
  if (sessionToken !== undefined && accessKeyId === undefined) {
    throw invalid("s3 store: sessionToken needs accessKeyId and secretAccessKey");
  }
  const { retryStrategy = "exponential" } = s3;
  if (retryStrategy !== "exponential" && retryStrategy !== "none") {
    throw invalid(
      `s3 store: retryStrategy ${JSON.stringify(retryStrategy)} is neither exponential nor none`,
    );
  }
  const maxRetries = whole("maxRetries", options.maxRetries, 3, [0, 100]);
  return {
    ...options,
    s3,
    prefix: folderOf(options.prefix ?? ""),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    attemptsMax: retryStrategy === "none" ? 1 : maxRetries + 1,
    readConcurrency: whole("readConcurrency", s3.readConcurrency, 32, [1, 10_000]),
    writeConcurrency: whole("writeConcurrency", s3.writeConcurrency, 16, [1, 10_000]),
    partBytes: whole("multipartThreshold", s3.multipartThreshold, 16 * MIB, [5 * MIB, 64 * MIB]),
    readOnly: options.readOnly ?? false,
    connectTimeoutMs: whole("connectTimeoutMs", options.connectTimeoutMs, 5_000, [1, 3_600_000]),
    requestTimeoutMs: whole("requestTimeoutMs", options.requestTimeoutMs, 30_000, [1, 3_600_000]),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

/** `db` and `db/` are the same place, which `db2/` is not part of. */
function folderOf(prefix: string): string {
  const folder = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  if (folder === "") return "";
  checkKey(folder);
  return `${folder}/`;
}

function whole(
  name: string,
  value: number | undefined,
  usual: number,
  [least, most]: readonly [number, number],
): number {
  if (value === undefined) return usual;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw invalid(`s3 store: ${name} ${String(value)} is no whole number from ${least} to ${most}`);
}
