import { BrainyError, isBrainyError } from "../../base/errors.ts";
import { checkByteRange, resolveByteRange } from "../byte-range.ts";
import { checkKey, checkKeyPrefix, isKey } from "../keys.ts";
import type { RequestCounters } from "../layers/metered.ts";
import type {
  Etag,
  GetOptions,
  HeadResult,
  ListOptions,
  ListPage,
  ObjectStore,
  PutOptions,
  PutResult,
  StoreDescriptor,
  StoredObject,
} from "../object-store.ts";
import { loadS3Sdk, S3Connection, type S3CallContext, type S3Sdk } from "./s3-connection.ts";
import { deleteS3Keys } from "./s3-delete.ts";
import { learnEtagDialect, quoted, type EtagDialect, type S3PutHeaders } from "./s3-dialect.ts";
import { s3Code, s3Status } from "./s3-errors.ts";
import { resolveS3Options, type S3Settings, type S3StoreOptions } from "./s3-options.ts";
import { readS3Object } from "./s3-read.ts";
import { cutIntoParts, S3Upload, type S3ObjectHeaders } from "./s3-upload.ts";

type Abortable = { readonly signal?: AbortSignal | undefined };

/** Largest body of one PUT. */
const PUT_BYTES_MAX = 5 * 2 ** 30;

/** For objects that are written once under a name that is never used again. */
const IMMUTABLE = "private, max-age=31536000, immutable";

/** Times a range is asked for anew when the object was replaced in between. */
const RANGE_ATTEMPTS_MAX = 5;

/**
 * Objects in a bucket, by the protocol of S3. Each call is one request, sent once; the layer
 * `retrying` repeats what is safe to repeat. `putStream` repeats its parts by itself.
 * Spec: docs/specs/s3-store.md.
 */
export class S3Store implements ObjectStore {
  readonly name: string;
  readonly capabilities = {
    conditionalPut: true,
    durable: true,
    putBytesMax: PUT_BYTES_MAX,
  } as const;
  /** Absent where an option is no plain data: an agent belongs to one thread. */
  readonly descriptor: StoreDescriptor | undefined;
  readonly #sdk: S3Sdk;
  readonly #settings: S3Settings;
  readonly #connection: S3Connection;
  #dialect: Promise<EtagDialect> | undefined;

  private constructor(sdk: S3Sdk, settings: S3Settings, descriptor: StoreDescriptor | undefined) {
    this.descriptor = descriptor;
    this.name = `s3://${settings.bucket}/${settings.prefix}`;
    this.#sdk = sdk;
    this.#settings = settings;
    this.#connection = new S3Connection(sdk, settings);
  }

  /** Loads the SDK and sends nothing yet. `BRAINY_UNSUPPORTED` when the SDK is not installed. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    const settings = resolveS3Options(options);
    return new S3Store(await loadS3Sdk(), settings, describe(options));
  }

  /** Times that a request which is safe to repeat may be made in all. */
  get attemptsMax(): number {
    return this.#settings.attemptsMax;
  }

  /** Requests really sent, parts and repetitions among them. Live. */
  get counters(): RequestCounters {
    return this.#connection.counters;
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key);
    checkByteRange(key, options);
    const { range, suffix, signal } = options;
    for (let attempt = 1; attempt <= RANGE_ATTEMPTS_MAX; attempt++) {
      const isEmpty = suffix === 0 || (range !== undefined && range[0] === range[1]);
      if (!isEmpty) {
        const found = await this.#unlessAbsent(key, signal, () => this.#get(key, options));
        if (typeof found !== "string") return found;
      }
      // No request can ask for nothing, and a refused range does not always say the size.
      const head = await this.head(key, { signal });
      if (head === undefined) return undefined;
      const { etag, bytesTotal, storeMs } = head;
      const [start, end] = resolveByteRange(key, options, bytesTotal);
      if (start === end) return { bytes: new Uint8Array(), etag, bytesTotal, storeMs };
    }
    throw new BrainyError("BRAINY_UNAVAILABLE", `${this.#what("get", key)}: replaced all the time`);
  }

  async getIfChanged(
    key: string,
    etag: Etag,
    { signal }: Abortable = {},
  ): Promise<StoredObject | "unchanged" | undefined> {
    checkKey(key);
    const found = await this.#unlessAbsent(key, signal, () => this.#get(key, { signal }, etag));
    if (found !== "unsatisfiable") return found;
    const what = this.#what("get", key);
    throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: refused a range, and none was asked for`);
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key);
    const what = this.#what("put", key);
    this.#assertWritable(what);
    if (bytes.byteLength > PUT_BYTES_MAX) {
      throw new BrainyError("BRAINY_LIMIT", `${what}: ${bytes.byteLength} bytes are too many`);
    }
    const { condition, signal } = options;
    signal?.throwIfAborted();
    if (condition === undefined) return this.#put(key, bytes, { signal });
    if (!("ifMatch" in condition)) {
      return this.#put(key, bytes, { signal, condition: { IfNoneMatch: "*" } });
    }
    const dialect = await this.#learntDialect();
    signal?.throwIfAborted();
    return this.#put(key, bytes, { signal, condition: { IfMatch: dialect(condition.ifMatch) } });
  }

  async putStream(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    { signal }: Abortable = {},
  ): Promise<PutResult> {
    checkKey(key);
    const what = this.#what("put", key);
    this.#assertWritable(what);
    signal?.throwIfAborted();
    let first: Uint8Array = new Uint8Array();
    let upload: S3Upload | undefined;
    let bytesTotal = 0;
    try {
      for await (const part of cutIntoParts(chunks, this.#settings.partBytes)) {
        signal?.throwIfAborted();
        if (bytesTotal === 0) first = part;
        else {
          if (upload === undefined) {
            upload = await this.#beginUpload(key, signal);
            await upload.add(first);
            first = new Uint8Array();
          }
          await upload.add(part);
        }
        bytesTotal += part.byteLength;
      }
      signal?.throwIfAborted();
      if (upload === undefined) {
        return await this.#put(key, first, { signal, isImmutable: true, isRepeated: true });
      }
      await upload.complete();
      return await this.#uploaded(key, bytesTotal, signal);
    } catch (error) {
      await upload?.abort();
      throw error;
    }
  }

  async deleteMany(keys: readonly string[], { signal }: Abortable = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    const what = `delete from ${this.name}`;
    this.#assertWritable(what);
    signal?.throwIfAborted();
    const { bucket, prefix } = this.#settings;
    await deleteS3Keys({
      sdk: this.#sdk,
      connection: this.#connection,
      bucket,
      keys: keys.map((key) => prefix + key),
      what,
      signal,
    });
  }

  async head(key: string, { signal }: Abortable = {}): Promise<HeadResult | undefined> {
    checkKey(key);
    return this.#unlessAbsent(key, signal, () => this.#head(key, signal));
  }

  async #head(key: string, signal: AbortSignal | undefined): Promise<HeadResult | undefined> {
    const what = this.#what("head", key);
    return this.#connection.call({ kind: "head", what, signal }, async ({ client, options }) => {
      try {
        const input = { Bucket: this.#settings.bucket, Key: this.#settings.prefix + key };
        const output = await client.send(new this.#sdk.HeadObjectCommand(input), options);
        return {
          key,
          etag: bare(output.ETag, what),
          bytesTotal: output.ContentLength ?? 0,
          modifiedMs: output.LastModified?.getTime() ?? 0,
          storeMs: this.#connection.storeMs(output, what),
        };
      } catch (error) {
        // The answer has no body that could name a missing bucket.
        if (s3Status(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListPage> {
    const { prefix = "", delimiter, startAfter, signal } = options;
    checkKeyPrefix(prefix);
    const { bucket, prefix: below } = this.#settings;
    const what = `list ${this.name}${prefix}`;
    let token: string | undefined;
    do {
      const input = {
        Bucket: bucket,
        Prefix: below + prefix,
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        ...(startAfter === undefined ? {} : { StartAfter: below + startAfter }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      };
      const call = { kind: "list", what, signal } as const;
      const output = await this.#connection.call(call, ({ client, options: sendOptions }) =>
        client.send(new this.#sdk.ListObjectsV2Command(input), sendOptions),
      );
      const objects = (output.Contents ?? []).flatMap(({ Key = "", ETag, Size, LastModified }) => {
        const key = Key.slice(below.length);
        // Objects of others in the same bucket may have any name; they are none of ours.
        if (!isKey(key)) return [];
        const modifiedMs = LastModified?.getTime() ?? 0;
        return [{ key, etag: bare(ETag, what), bytesTotal: Size ?? 0, modifiedMs }];
      });
      const prefixes = (output.CommonPrefixes ?? []).map(({ Prefix = "" }) =>
        Prefix.slice(below.length),
      );
      yield { objects, prefixes, storeMs: this.#connection.storeMs(output, what) };
      token = output.IsTruncated === true ? output.NextContinuationToken : undefined;
      if (output.IsTruncated === true && token === undefined) {
        throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: a page without its continuation`);
      }
    } while (token !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
  }

  /**
   * Who may list this prefix only is refused a key that is missing, as if it were there and
   * forbidden. A listing of that one key tells; when it is there by then, it is read again.
   */
  async #unlessAbsent<T>(
    key: string,
    signal: AbortSignal | undefined,
    read: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isBrainyError(error, "BRAINY_DENIED")) throw error;
      const isThere = await this.#isListed(key, signal).catch(() => {
        throw error;
      });
      return isThere ? read() : undefined;
    }
  }

  async #isListed(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    for await (const { objects } of this.list({ prefix: key, signal })) {
      if (objects.some((object) => object.key === key)) return true;
    }
    return false;
  }

  /** One GET. A range that the store refuses is the caller's to judge. */
  async #get(key: string, options: GetOptions, unless?: Etag): Promise<S3GetAnswer> {
    const { range, suffix, signal } = options;
    const what = this.#what("get", key);
    const asked = suffix ?? (range === undefined ? undefined : range[1] - range[0]);
    return this.#connection.call({ kind: "get", what, signal }, async (context) => {
      try {
        const input = {
          Bucket: this.#settings.bucket,
          Key: this.#settings.prefix + key,
          ...(asked === undefined ? {} : { Range: rangeHeader({ range, suffix }) }),
          ...(unless === undefined ? {} : { IfNoneMatch: quoted(unless) }),
        };
        const output = await context.client.send(
          new this.#sdk.GetObjectCommand(input),
          context.options,
        );
        const { bytes, bytesTotal } = await readS3Object(what, output, {
          range,
          suffix,
          expectBytes: context.expectBytes,
        });
        this.#connection.counters.get.bytesOut += bytes.byteLength;
        const etag = bare(output.ETag, what);
        if (etag === unless) return "unchanged";
        return { bytes, etag, bytesTotal, storeMs: this.#connection.storeMs(output, what) };
      } catch (error) {
        const status = s3Status(error);
        if (status === 304) return "unchanged";
        if (status === 416) return "unsatisfiable";
        if (status === 404 && s3Code(error) !== "NoSuchBucket") return undefined;
        throw error;
      }
    });
  }

  /** One PUT, sent once. `condition` is what its header says. */
  async #put(key: string, bytes: Uint8Array, options: S3PutOptions): Promise<PutResult> {
    const { condition, signal, isImmutable = false, isRepeated = false } = options;
    const what = this.#what("put", key);
    const input = {
      Bucket: this.#settings.bucket,
      Key: this.#settings.prefix + key,
      Body: ownMemory(bytes),
      ...this.#headers(isImmutable),
      ...condition,
    };
    const isConditional = condition !== undefined;
    const call = { kind: "put", what, signal, bytesIn: bytes.byteLength, isConditional } as const;
    const send = async ({ client, options: sendOptions }: S3CallContext): Promise<PutResult> => {
      const output = await client.send(new this.#sdk.PutObjectCommand(input), sendOptions);
      return { etag: bare(output.ETag, what), storeMs: this.#connection.storeMs(output, what) };
    };
    return isRepeated
      ? this.#connection.callRepeatedly(call, send)
      : this.#connection.call(call, send);
  }

  /** What the object is after a multipart upload, whose own answer may lack the etag. */
  async #uploaded(
    key: string,
    bytesTotal: number,
    signal: AbortSignal | undefined,
  ): Promise<PutResult> {
    const what = this.#what("put", key);
    const input = { Bucket: this.#settings.bucket, Key: this.#settings.prefix + key };
    const call = { kind: "head", what, signal } as const;
    return this.#connection.callRepeatedly(call, async ({ client, options }) => {
      const output = await client
        .send(new this.#sdk.HeadObjectCommand(input), options)
        .catch((error: unknown) => {
          if (s3Status(error) === 404) return undefined;
          throw error;
        });
      if (output?.ContentLength !== bytesTotal) {
        const size = `${output?.ContentLength ?? "no"} bytes, not ${bytesTotal}`;
        throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: after its upload it has ${size}`);
      }
      return { etag: bare(output.ETag, what), storeMs: this.#connection.storeMs(output, what) };
    });
  }

  #beginUpload(key: string, signal: AbortSignal | undefined): Promise<S3Upload> {
    return S3Upload.begin({
      sdk: this.#sdk,
      connection: this.#connection,
      bucket: this.#settings.bucket,
      objectKey: this.#settings.prefix + key,
      what: this.#what("put", key),
      headers: this.#headers(true),
      signal,
    });
  }

  /** Learnt once, by the first put that needs it; a failure is learnt from anew. */
  #learntDialect(): Promise<EtagDialect> {
    this.#dialect ??= learnEtagDialect({
      random: this.#settings.random,
      put: (key, bytes, condition) => this.#put(key, bytes, { condition }),
      remove: (key) => this.deleteMany([key]),
    }).catch((error: unknown) => {
      this.#dialect = undefined;
      throw error;
    });
    return this.#dialect;
  }

  #headers(isImmutable: boolean): S3ObjectHeaders {
    const { useServerSideEncryption = false, cacheHeaders = false } = this.#settings.s3;
    return {
      ...(useServerSideEncryption ? { ServerSideEncryption: "AES256" as const } : {}),
      ...(cacheHeaders && isImmutable ? { CacheControl: IMMUTABLE } : {}),
    };
  }

  #assertWritable(what: string): void {
    if (!this.#settings.readOnly) return;
    throw new BrainyError("BRAINY_DENIED", `${what}: the store was opened read-only`);
  }

  #what(call: string, key: string): string {
    return `${call} ${this.name}${key}`;
  }
}

type S3GetAnswer = StoredObject | "unchanged" | "unsatisfiable" | undefined;

interface S3PutOptions {
  readonly condition?: S3PutHeaders | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether this key is never written again. */
  readonly isImmutable?: boolean | undefined;
  /** Whether a failed attempt is followed by others; never with a condition. */
  readonly isRepeated?: boolean | undefined;
}

function rangeHeader({ range, suffix }: GetOptions): string {
  if (suffix !== undefined) return `bytes=-${suffix}`;
  const [start, end] = range ?? [0, 0];
  return `bytes=${start}-${end - 1}`;
}

/** An etag without quotes, the form in which this store gives them out. */
function bare(etag: string | undefined, what: string): Etag {
  const text = etag?.replaceAll('"', "") ?? "";
  if (text === "") throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: the answer has no etag`);
  return text as Etag;
}

/** A body that the SDK can hash and send; memory that threads share is copied. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
}

/** A delete that named keys which are still there is no success. */
/** Clock and randomness are the other thread's own. */
function describe(options: S3StoreOptions): StoreDescriptor | undefined {
  const { httpOptions, clock: _clock, random: _random, ...plain } = options;
  return httpOptions?.agent === undefined ? { type: "s3", options: plain } : undefined;
}
