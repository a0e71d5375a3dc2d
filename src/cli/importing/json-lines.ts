import type { Entry } from "./entry.ts";
import { readLines } from "./read-lines.ts";
import { recordOfJson, type RecordFields } from "./record-of-json.ts";

/** Records of a JSONL file: one JSON value a line, empty lines left out. */
export async function* jsonLines(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  fields: RecordFields,
): AsyncGenerator<Entry> {
  for await (const { number, text, problem, isTerminated } of readLines(chunks)) {
    const where = `${path}:${number}`;
    if (text === undefined) {
      yield { kind: "problem", where, problem: problem ?? "cannot be read" };
      continue;
    }
    if (text.trim() === "") continue;
    yield entryOfJson(text, { where, fields, isLastOfCut: !isTerminated });
  }
}

/** The record that a JSON text stands for. */
export function entryOfJson(
  text: string,
  options: {
    readonly where: string;
    readonly fields: RecordFields;
    /** The file ends here without the line break or bracket that belongs there. */
    readonly isLastOfCut: boolean;
  },
): Entry {
  const { where, fields, isLastOfCut } = options;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const problem = isLastOfCut
      ? "is cut off: the file ends in the middle of a record"
      : `is not JSON: ${(error as Error).message}`;
    return { kind: "problem", where, problem };
  }
  const made = recordOfJson(value, fields);
  if (typeof made === "string") return { kind: "problem", where, problem: made };
  return { kind: "record", record: made, where, characters: text.length };
}
