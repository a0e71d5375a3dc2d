import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Entry } from "./entry.ts";
import { filePassages, looksBinary, TEXT_BYTES_MAX } from "./file-passages.ts";
import type { Source } from "./find-sources.ts";
import { jsonArray } from "./json-array.ts";
import { jsonLines } from "./json-lines.ts";
import type { RecordFields } from "./record-of-json.ts";

/** What reading needs beside the source. */
export interface ReadSourceOptions {
  readonly fields: RecordFields;
  /** Ends the input where it is: what was read before still counts. */
  readonly signal: AbortSignal;
  /** Told of every chunk taken from the disk or the pipe. */
  readonly onBytes: (bytes: number) => void;
  /** Told of a file inside a folder that is passed over, and why. */
  readonly onPassedOver: (path: string, reason: string) => void;
}

/** Everything that a source holds, read no faster than it is taken. */
export async function* readSource(
  source: Source,
  options: ReadSourceOptions,
): AsyncGenerator<Entry> {
  const reason = source.isNamed ? undefined : await reasonToPassOver(source);
  if (reason !== undefined) {
    options.onPassedOver(source.path, reason);
    options.onBytes(source.bytes);
    return;
  }
  yield* await entriesOf(source, chunksOf(source, options), options.fields);
}

async function entriesOf(
  source: Source,
  chunks: AsyncIterable<Uint8Array>,
  fields: RecordFields,
): Promise<AsyncGenerator<Entry>> {
  const { path, format } = source;
  if (format === "jsonl") return jsonLines(path, chunks, fields);
  const isList = format === "json" && (source.isNamed || (await beginsWithBracket(source)));
  return isList ? jsonArray(path, chunks, fields) : filePassages(path, chunks, fields);
}

/** A folder holds images and archives too: not worth an error, unlike a file that was named. */
async function reasonToPassOver({ file, bytes, format }: Source): Promise<string | undefined> {
  if (file === undefined || format !== "text") return undefined;
  if (looksBinary(await firstBytes(file))) return "not a text";
  return bytes > TEXT_BYTES_MAX ? "too long" : undefined;
}

/** Any other JSON is a document to read, such as a package.json, and not a list of records. */
async function beginsWithBracket({ file, isGzip }: Source): Promise<boolean> {
  if (file === undefined || isGzip) return true;
  return /^\ufeff?\s*\[/.test(new TextDecoder().decode(await firstBytes(file)));
}

async function firstBytes(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(8192), 0, 8192, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The bytes of a source, unpacked. Ends early, without an error, when the signal says so. */
async function* chunksOf(
  { file, isGzip }: Source,
  { signal, onBytes }: ReadSourceOptions,
): AsyncGenerator<Uint8Array> {
  if (signal.aborted) return;
  const stream: Readable = file === undefined ? process.stdin : createReadStream(file);
  const stop = (): void => void stream.destroy();
  signal.addEventListener("abort", stop);
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      onBytes((chunk as Uint8Array).length);
      yield chunk as Uint8Array;
    }
  };
  // What goes wrong is seen by who reads the end of the pipeline.
  const unpacked = (): Readable => pipeline(counted(), createGunzip(), () => undefined);
  try {
    for await (const chunk of isGzip ? unpacked() : counted()) {
      yield chunk as Uint8Array;
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}
