import type { CompletedPart } from "@aws-sdk/client-s3";
import { concatBytes } from "../../base/bytes.ts";
import { BrainyError } from "../../base/errors.ts";
import type { S3Connection, S3Sdk } from "./s3-connection.ts";
import { s3Code } from "./s3-errors.ts";

/** Parts on their way at once; one more is being filled meanwhile. */
const PARTS_AT_ONCE = 3;

/** What S3 allows for one upload. */
const PARTS_MAX = 10_000;

/** Headers that an object keeps. */
export interface S3ObjectHeaders {
  readonly CacheControl?: string;
  readonly ServerSideEncryption?: "AES256";
}

/** What an upload needs to know and to do. */
export interface S3UploadOptions {
  readonly sdk: S3Sdk;
  readonly connection: S3Connection;
  readonly bucket: string;
  /** The whole key, prefix included. */
  readonly objectKey: string;
  readonly what: string;
  /** Headers of the object. */
  readonly headers: S3ObjectHeaders;
  readonly signal?: AbortSignal | undefined;
}

/** One multipart upload: parts go out while later ones are filled, and it is aborted on failure. */
export class S3Upload {
  readonly #options: S3UploadOptions;
  readonly #uploadId: string;
  readonly #parts: CompletedPart[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  private constructor(options: S3UploadOptions, uploadId: string) {
    this.#options = options;
    this.#uploadId = uploadId;
  }

  /** Begins an upload, of which nothing is visible yet. */
  static async begin(options: S3UploadOptions): Promise<S3Upload> {
    const { sdk, bucket, objectKey, headers, signal, what } = options;
    const input = { Bucket: bucket, Key: objectKey, ...headers };
    const uploadId = await options.connection.callRepeatedly(
      { kind: "put", what, signal },
      async (context) => {
        const command = new sdk.CreateMultipartUploadCommand(input);
        return (await context.client.send(command, context.options)).UploadId;
      },
    );
    if (uploadId === undefined) {
      throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: the answer names no upload`);
    }
    return new S3Upload(options, uploadId);
  }

  /** Resolves when there is room for the next part; the bytes are this upload's from now on. */
  async add(bytes: Uint8Array): Promise<void> {
    const { what } = this.#options;
    if (this.#parts.length === PARTS_MAX) {
      throw new BrainyError("BRAINY_LIMIT", `${what}: longer than ${PARTS_MAX} parts`);
    }
    const part: CompletedPart = { PartNumber: this.#parts.length + 1 };
    this.#parts.push(part);
    const sending = this.#send(part, bytes)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    if (this.#inFlight.size >= PARTS_AT_ONCE) await Promise.race(this.#inFlight);
    this.#throwFailure();
  }

  /** Makes the object of all parts, visible at once. */
  async complete(): Promise<void> {
    const { sdk, connection, bucket, objectKey, signal, what } = this.#options;
    await Promise.all(this.#inFlight);
    this.#throwFailure();
    const input = {
      Bucket: bucket,
      Key: objectKey,
      UploadId: this.#uploadId,
      MultipartUpload: { Parts: this.#parts },
    };
    let attempts = 0;
    await connection.callRepeatedly({ kind: "put", what, signal }, async (context) => {
      attempts++;
      const command = new sdk.CompleteMultipartUploadCommand(input);
      try {
        await context.client.send(command, context.options);
      } catch (error) {
        // An earlier attempt did it, and its answer was lost; the caller looks at the object.
        if (attempts > 1 && s3Code(error) === "NoSuchUpload") return;
        throw error;
      }
    });
  }

  /** Gives parts back, as far as the store answers. What is left over costs money, and no more. */
  async abort(): Promise<void> {
    const { sdk, connection, bucket, objectKey, what } = this.#options;
    await Promise.all(this.#inFlight);
    const input = { Bucket: bucket, Key: objectKey, UploadId: this.#uploadId };
    await connection
      .callRepeatedly({ kind: "delete", what: `abort ${what}` }, (context) => {
        const command = new sdk.AbortMultipartUploadCommand(input);
        return context.client.send(command, context.options);
      })
      .catch(() => undefined);
  }

  async #send(part: CompletedPart, body: Uint8Array): Promise<void> {
    const { sdk, connection, bucket, objectKey, signal, what } = this.#options;
    const call = { kind: "put", what, signal, bytesIn: body.byteLength } as const;
    const input = {
      Bucket: bucket,
      Key: objectKey,
      UploadId: this.#uploadId,
      PartNumber: part.PartNumber,
      Body: body,
    };
    part.ETag = await connection.callRepeatedly(call, async (context) => {
      const command = new sdk.UploadPartCommand(input);
      return (await context.client.send(command, context.options)).ETag;
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Cuts a stream into pieces of exactly `partBytes`, the last one excepted. No stream, no piece. */
export async function* cutIntoParts(
  chunks: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (heldBytes + rest.byteLength >= partBytes) {
      const taken = rest.subarray(0, partBytes - heldBytes);
      yield concatBytes([...held, taken]);
      rest = rest.subarray(taken.byteLength);
      [held, heldBytes] = [[], 0];
    }
    // A copy: streams may use one buffer for all their chunks.
    if (rest.byteLength > 0) held.push(rest.slice());
    heldBytes += rest.byteLength;
  }
  if (heldBytes > 0) yield concatBytes(held);
}
