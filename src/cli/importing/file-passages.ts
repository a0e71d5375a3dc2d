import { cutPassages, kindOfFile, type Passage } from "../../text/index.ts";
import type { Entry } from "./entry.ts";
import { passageId } from "./passage-id.ts";
import type { RecordFields } from "./record-of-json.ts";

/** Passages are cut with the whole file in memory; a longer text is rarely written by people. */
export const TEXT_BYTES_MAX = 32 * 1024 * 1024;

/** Bytes looked at to tell a text from anything else. */
const SNIFF_BYTES = 8 * 1024;

/** Whether these first bytes of a file rule out that it is text. */
export function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, SNIFF_BYTES).includes(0);
}

/**
 * The passages of a text file, as records that a later import of the same file replaces: the id
 * is the path and the lines, so a passage that did not move keeps its record.
 */
export async function* filePassages(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  fields: RecordFields,
): AsyncGenerator<Entry> {
  const bytes = await collect(chunks);
  if (bytes === undefined) {
    const problem = `is longer than ${TEXT_BYTES_MAX} bytes, too long to cut into passages`;
    yield { kind: "problem", where: path, problem };
    return;
  }
  const text = decode(bytes);
  if (text === undefined) {
    yield { kind: "problem", where: path, problem: "is not UTF-8 text" };
    return;
  }
  const ids = new Set<string>();
  for (const passage of cutPassages(text, { kind: kindOfFile(path) })) {
    const { lineStart, lineEnd, heading } = passage;
    const id = freeId(path, passage, ids);
    ids.add(id);
    const metadata = { path, lineStart, lineEnd, ...(heading !== undefined && { heading }) };
    const { type = "passage", domain } = fields;
    const record = { id, text: passage.text, metadata, type, domain };
    const where = `${path}:${lineStart}`;
    yield { kind: "record", record, where, characters: passage.text.length };
  }
  yield { kind: "file-end", path, ids };
}

/** A line that is itself cut gives several passages with the same lines. */
function freeId(path: string, { lineStart, lineEnd }: Passage, taken: ReadonlySet<string>): string {
  let id = passageId(path, { lineStart, lineEnd, part: 1 });
  for (let part = 2; taken.has(id); part++) id = passageId(path, { lineStart, lineEnd, part });
  return id;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > TEXT_BYTES_MAX) return undefined;
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function decode(bytes: Uint8Array): string | undefined {
  if (looksBinary(bytes)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
