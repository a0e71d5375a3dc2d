import { invalid } from "../base/errors.ts";
import type { FilterRecord } from "./filter-types.ts";

/** Metadata is at most this deep, so a longer path can match nothing. */
const PARTS_MAX = 32;

/** Where a condition looks: an attribute of the record, or a path into its metadata. */
export type FilterPath =
  | { readonly attribute: "id" | "type" | "domain" }
  | { readonly parts: readonly string[] };

/** Hands over each value at the path until one satisfies `accept`; tells whether one did. */
export type PathReader = (record: FilterRecord, accept: (value: unknown) => boolean) => boolean;

/**
 * `id`, `type` and `domain` address the record; everything else its metadata. `metadata.` in
 * front says so explicitly, which is how metadata of those three names is reached.
 */
export function parsePath(path: string, where: string): FilterPath {
  if (path === "id" || path === "type" || path === "domain") return { attribute: path };
  const parts = path.split(".");
  if (parts.length > 1 && parts[0] === "metadata") parts.shift();
  if (parts.includes("")) {
    throw invalid(`${where}: the path ${JSON.stringify(path)} has an empty part`);
  }
  if (parts.length > PARTS_MAX) {
    throw invalid(`${where}: a path has at most ${PARTS_MAX} parts, this one ${parts.length}`);
  }
  return { parts };
}

/** Reads own properties only, so `constructor` is absent unless a user stored it. */
export function pathReader(path: FilterPath): PathReader {
  if ("attribute" in path) {
    const { attribute } = path;
    return (record, accept) => {
      const value = record[attribute];
      return value !== undefined && accept(value);
    };
  }
  const { parts } = path;
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) {
    return ({ metadata }, accept) => {
      if (!Object.hasOwn(metadata, first)) return false;
      const value = metadata[first];
      return value !== undefined && accept(value);
    };
  }
  return ({ metadata }, accept) => descend(metadata, parts, 0, accept);
}

function descend(
  value: unknown,
  parts: readonly string[],
  at: number,
  accept: (value: unknown) => boolean,
): boolean {
  const part = parts[at];
  if (part === undefined) return value !== undefined && accept(value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) {
    if (isIndex(part)) {
      return Object.hasOwn(value, part) && descend(value[Number(part)], parts, at + 1, accept);
    }
    return value.some((element) => !Array.isArray(element) && descend(element, parts, at, accept));
  }
  if (!Object.hasOwn(value, part)) return false;
  return descend((value as Record<string, unknown>)[part], parts, at + 1, accept);
}

function isIndex(part: string): boolean {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(part);
}
