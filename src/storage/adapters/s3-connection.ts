import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { BrainyError, isBrainyError } from "../../base/errors.ts";
import { newRequestCounters, type RequestCounters, type RequestKind } from "../layers/metered.ts";
import { s3Error, type S3Request } from "./s3-errors.ts";
import type { S3Settings } from "./s3-options.ts";
import { Turns } from "./s3-turns.ts";

/** The SDK, an optional peer. */
export type S3Sdk = typeof import("@aws-sdk/client-s3");

/** Slowest transfer that a deadline allows for, beyond the wait for an answer. */
const BYTES_PER_MS_MIN = 64;

/** The wait before attempt n is between nothing and this * 2^(n-1), as in `retrying`. */
const RETRY_BASE_MS = 50;

/** One request, as the connection makes it. */
export interface S3Call extends S3Request {
  readonly kind: RequestKind;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the body that is sent. */
  readonly bytesIn?: number | undefined;
}

/** What a call is run with. */
export interface S3CallContext {
  readonly client: S3Client;
  readonly options: { readonly abortSignal: AbortSignal };
  /** Puts the deadline off by the time that a body of this size may take. */
  readonly expectBytes: (count: number) => void;
}

/** Loads the SDK; `BRAINY_UNSUPPORTED` says how to install it. */
export async function loadS3Sdk(
  load: () => Promise<S3Sdk> = () => import("@aws-sdk/client-s3"),
): Promise<S3Sdk> {
  try {
    return await load();
  } catch (cause) {
    const what =
      "storage on S3 needs a package that is not installed: npm install @aws-sdk/client-s3";
    throw new BrainyError("BRAINY_UNSUPPORTED", what, { cause });
  }
}

/**
 * Requests to one endpoint: each is sent once, in its turn, with a deadline, is counted, and fails
 * as a `BrainyError`. The SDK's own retries are off, because a second attempt of a conditional put
 * would be told of a conflict with the first.
 */
export class S3Connection {
  readonly counters: RequestCounters = newRequestCounters();
  readonly #client: S3Client;
  readonly #settings: S3Settings;
  readonly #reading: Turns;
  readonly #writing: Turns;
  /** The store's clock, by the answer it came with. */
  readonly #dates = new WeakMap<object, number>();

  constructor(sdk: S3Sdk, settings: S3Settings) {
    this.#settings = settings;
    this.#reading = new Turns(settings.readConcurrency);
    this.#writing = new Turns(settings.writeConcurrency);
    this.#client = new sdk.S3Client(clientConfig(settings));
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        const { headers } = result.response as { readonly headers?: Record<string, string> };
        const storeMs = Date.parse(headers?.["date"] ?? "");
        if (result.output !== undefined) this.#dates.set(result.output, storeMs);
        return result;
      },
      // Outside of the SDK's own step, which makes the output that is the key here.
      { step: "deserialize", priority: "high", name: "brainyStoreDate" },
    );
  }

  /** Runs one request. What it rejects with is ours, or the reason of the signal. */
  async call<T>(call: S3Call, run: (context: S3CallContext) => Promise<T>): Promise<T> {
    call.signal?.throwIfAborted();
    const isWrite = call.kind === "put" || call.kind === "delete";
    const turns = isWrite ? this.#writing : this.#reading;
    return turns.run(() => this.#send(call, run), call.signal);
  }

  /** The same request again, with growing waits, while the store does not answer. */
  async callRepeatedly<T>(call: S3Call, run: (context: S3CallContext) => Promise<T>): Promise<T> {
    const { attemptsMax, clock, random } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.call(call, run);
      } catch (error) {
        if (attempt >= attemptsMax || !isBrainyError(error, "BRAINY_UNAVAILABLE")) throw error;
        await clock.sleep(random.next() * RETRY_BASE_MS * 2 ** (attempt - 1), call.signal);
      }
    }
  }

  /** The store's clock when it answered, in milliseconds since 1970. */
  storeMs(output: object, what: string): number {
    const storeMs = this.#dates.get(output);
    if (storeMs !== undefined && !Number.isNaN(storeMs)) return storeMs;
    // Clocks are compared by it before anything is written; guessing would switch that off.
    throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: the answer has no date`);
  }

  close(): void {
    this.#client.destroy();
  }

  async #send<T>(call: S3Call, run: (context: S3CallContext) => Promise<T>): Promise<T> {
    using deadline = this.#deadline(call);
    const counter = this.counters[call.kind];
    const sentMs = this.#settings.clock.nowMs();
    counter.requests++;
    counter.bytesIn += call.bytesIn ?? 0;
    try {
      return await run({
        client: this.#client,
        options: { abortSignal: deadline.signal },
        expectBytes: deadline.expectBytes,
      });
    } catch (error) {
      counter.errors++;
      call.signal?.throwIfAborted();
      throw deadline.isOver() ? deadline.error(error) : s3Error(error, { ...call, sentMs });
    }
  }

  /** Aborts when the answer, and the bodies either way, take longer than they may. */
  #deadline({ what, signal, bytesIn = 0 }: S3Call): Disposable & Deadline {
    const { clock, requestTimeoutMs } = this.#settings;
    const request = new AbortController();
    const finished = new AbortController();
    const onAbort = (): void => request.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    let isOver = false;
    let waits = 0;
    const waitMs = (count: number): number => requestTimeoutMs + count / BYTES_PER_MS_MIN;
    const restart = (ms: number): void => {
      const wait = ++waits;
      const expire = (): void => {
        if (wait !== waits) return;
        isOver = true;
        request.abort();
      };
      // A sleep that is cut short belongs to a request that has ended.
      clock.sleep(ms, finished.signal).then(expire, () => undefined);
    };
    restart(waitMs(bytesIn));
    return {
      signal: request.signal,
      expectBytes: (count) => restart(waitMs(count)),
      isOver: () => isOver,
      error: (cause) =>
        new BrainyError("BRAINY_UNAVAILABLE", `${what}: no answer in time`, { cause }),
      [Symbol.dispose]() {
        signal?.removeEventListener("abort", onAbort);
        finished.abort();
      },
    };
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  readonly expectBytes: (count: number) => void;
  readonly isOver: () => boolean;
  readonly error: (cause: unknown) => BrainyError;
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  const { region, endpoint, accessKeyId, secretAccessKey, sessionToken, s3 } = settings;
  const config: S3ClientConfig = {
    forcePathStyle: settings.forcePathStyle,
    useAccelerateEndpoint: s3.useTransferAcceleration ?? false,
    maxAttempts: 1,
    // Checksums in headers and trailers that many stores do not know; ours are in the objects.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: settings.connectTimeoutMs,
      ...agents(settings),
    },
  };
  if (endpoint !== undefined) config.endpoint = endpoint;
  if (region !== undefined) config.region = region;
  else if (endpoint !== undefined) {
    // Signatures need one; stores that are not AWS take this for none.
    config.region = process.env["AWS_REGION"] ?? process.env["AWS_DEFAULT_REGION"] ?? "us-east-1";
  }
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    config.credentials = {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    };
  }
  return config;
}

function agents({ endpoint, httpOptions, ...settings }: S3Settings): Record<string, object> {
  const maxSockets = settings.readConcurrency + settings.writeConcurrency;
  const agent = httpOptions?.agent ?? { keepAlive: true, maxSockets };
  return endpoint?.startsWith("http:") === true ? { httpAgent: agent } : { httpsAgent: agent };
}
