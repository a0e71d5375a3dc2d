import { encodeText } from "../base/bytes.ts";
import { checksumHex } from "../base/checksum.ts";
import { corrupt } from "../base/errors.ts";
import { decodeRow } from "./blob-column.ts";
import { FORMAT_VERSION, newerFormat } from "./format-version.ts";
import { JsonFields, parseJson } from "./json-fields.ts";

/*
 * JSON documents that only programs write and that people may read: two spaces of indentation, a
 * newline at the end, and as last field `checksum`, the XXH64 of the same text without that field.
 * There is one right text for each document, and a reader accepts no other.
 */

/** The document with its checksum. Fields keep their order; `undefined` ones are left out. */
export function encodeSealedJson(document: object): Uint8Array {
  return encodeText(seal(document));
}

/**
 * The document's fields, without `checksum`. A format above `newest` is told apart before the checksum is
 * looked at, because it may be sealed in another way.
 */
export function decodeSealedJson(
  bytes: Uint8Array,
  where: string,
  newest = FORMAT_VERSION,
): JsonFields {
  const text = decodeRow(bytes, where);
  const { value } = new JsonFields(parseJson(text, where), where);
  const { checksum, ...document } = value;
  const fields = new JsonFields(document, where);
  const lowestReader = document["minReader"] ?? document["formatVersion"];
  if (Number.isSafeInteger(lowestReader) && (lowestReader as number) > newest) {
    throw newerFormat(where, fields.integer("formatVersion"), newest);
  }
  if (typeof checksum !== "string" || seal(document) !== text) {
    throw corrupt(where, "the checksum does not match the document");
  }
  return fields;
}

function seal(document: object): string {
  const text = stringify(document);
  const checksum = checksumHex(encodeText(text));
  // The same text with one field more: to write a large manifest twice costs as much as all else.
  return text === "{}\n"
    ? stringify({ checksum })
    : `${text.slice(0, -3)},\n  "checksum": "${checksum}"\n}\n`;
}

function stringify(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
