import { concatBytes } from "../../base/bytes.ts";
import { BrainyError } from "../../base/errors.ts";
import { resolveByteRange } from "../byte-range.ts";
import type { GetOptions } from "../object-store.ts";

/** What of an answer to GET is read here. */
export interface S3GetOutput {
  readonly Body?: unknown;
  readonly ContentLength?: number | undefined;
  readonly ContentRange?: string | undefined;
}

/** The bytes that were asked for, in memory of their own. */
export interface S3Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly bytesTotal: number;
}

/** Reads the body of an answer to its end; a body that ends early is no answer. */
export async function readS3Object(
  what: string,
  output: S3GetOutput,
  options: GetOptions & { readonly expectBytes: (count: number) => void },
): Promise<S3Body> {
  const { ContentLength, ContentRange } = output;
  if (ContentLength !== undefined) options.expectBytes(ContentLength);
  const body = output.Body as AsyncIterable<Uint8Array>;
  const bytes = await readAll(body, ContentLength);
  if (ContentLength !== undefined && bytes.byteLength !== ContentLength) {
    const size = `${bytes.byteLength} of ${ContentLength} bytes`;
    throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: the answer ended after ${size}`);
  }
  if (ContentRange === undefined) {
    // All of it, because all was asked for, or because the store knows no ranges.
    const bytesTotal = bytes.byteLength;
    const [start, end] = resolveByteRange(what, options, bytesTotal);
    return { bytes: end - start === bytesTotal ? bytes : bytes.slice(start, end), bytesTotal };
  }
  const bytesTotal = Number(/\/(\d+)$/.exec(ContentRange)?.[1]);
  if (Number.isSafeInteger(bytesTotal)) return { bytes, bytesTotal };
  throw new BrainyError("BRAINY_UNAVAILABLE", `${what}: cannot read range ${ContentRange}`);
}

/** Into one array that is nobody else's; chunks of a connection are parts of a shared pool. */
async function readAll(
  body: AsyncIterable<Uint8Array>,
  expected: number | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (expected === undefined) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk.slice());
    return new Uint8Array(concatBytes(chunks));
  }
  const bytes = new Uint8Array(expected);
  let at = 0;
  for await (const chunk of body) {
    if (at + chunk.byteLength <= expected) bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return at === expected ? bytes : bytes.subarray(0, Math.min(at, expected));
}
