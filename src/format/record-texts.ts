import { BrainyError, corrupt } from "../base/errors.ts";
import type { Operation } from "./operation.ts";

/** Whose text it is, for errors. */
export interface TextOwner {
  readonly id: string;
  readonly version?: string | undefined;
  /** The object that it is in, where that is known. */
  readonly where?: string | undefined;
}

/** Which text of a record. */
type TextName = "metadata" | "content" | "attributes";

/**
 * The object that a record's text stands for. Texts are not looked at before somebody asks for
 * them, so this is where damage shows: anything but an object is `BRAINY_CORRUPT`, by the record.
 */
export function parseRecordText(
  text: string,
  name: TextName,
  owner: TextOwner,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BrainyError("BRAINY_CORRUPT", `${describe(name, owner)} is not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw corrupt(describe(name, owner), "not an object");
  }
  return value as Record<string, unknown>;
}

/** The text of an object whose parts came out of `parseRecordText`. */
export function stringifyRecordText(
  entries: Iterable<readonly [string, unknown]>,
  name: TextName,
  owner: TextOwner,
): string {
  try {
    return JSON.stringify(Object.fromEntries(entries));
  } catch (cause) {
    // Deeper than the stack, which no author of ours writes.
    throw new BrainyError("BRAINY_CORRUPT", `${describe(name, owner)} is too deep`, { cause });
  }
}

/** What the content of a record is made of. */
export interface RecordContent {
  readonly data?: unknown;
  readonly text?: string | undefined;
}

/** The content of a record that has one. */
export function parseContent(record: TextOwner & { readonly content: string }): RecordContent {
  const content = parseRecordText(record.content, "content", record);
  const { text } = content;
  if (text === undefined || typeof text === "string") return { ...content, text };
  throw corrupt(describe("content", record), "its text is none");
}

/** Reads the texts of an operation for nothing but the error: `BRAINY_CORRUPT` for damage. */
export function checkRecordTexts(
  { id, version, metadata, content }: Operation,
  where: string,
): void {
  const owner = { id, version, where };
  if (metadata !== undefined) parseRecordText(metadata, "metadata", owner);
  if (content !== undefined && content !== "") parseContent({ ...owner, content });
}

function describe(name: TextName, { id, version, where }: TextOwner): string {
  const which = version === undefined ? "" : `, version ${version}`;
  const object = where === undefined ? "" : `${where}: `;
  return `${object}${name} of record ${JSON.stringify(id)}${which}`;
}
