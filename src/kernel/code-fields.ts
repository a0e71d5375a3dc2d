import type { IndexMemory } from "./index-memory.ts";

/*
 * Byte offsets of what kernel/assembly/codes.ts declares, field by field in its order.
 */

function fields<const Name extends string>(...names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, i) => [name, 4 * i])) as Record<Name, number>;
}

const CODES = [
  "rowCount",
  "length",
  "stride",
  "codes",
  "scales",
  "norms",
  "window",
  "signs",
] as const;

/** Rows as int8 codes. */
export const CODES_FIELDS = fields(...CODES);

/** Codes, and the links of their rows. */
export const GRAPH_FIELDS = fields(
  ...CODES,
  "degree",
  "links",
  "upperStarts",
  "upper",
  "levels",
  "locks",
  "lockMask",
  "topLock",
  "entry",
  "topLevel",
);

/** Codes in order of clusters. */
export const CLUSTERS_FIELDS = fields(
  ...CODES,
  "count",
  "centroids",
  "centroidNorms",
  "rowStarts",
  "blockStarts",
  "blocks",
  "blockBytes",
);

/** A query as codes are compared with it; two of its fields are floats. */
export const PROBE_BYTES = 12;

const SEARCH = ["vector", "entries", "query", "distanceCount"] as const;

/** What one search needs. */
export const SEARCH_FIELDS = fields(...SEARCH);

/** What a search of a graph needs beside that. */
export const WALK_FIELDS = fields(
  ...SEARCH,
  "visited",
  "visitedBytes",
  "other",
  "list",
  "chosen",
  "chosenDistances",
  "pruned",
);

/** What a search of clusters needs beside that; its last fields are the kernel's own. */
export const SWEEP_FIELDS = fields(...SEARCH, "table", "probes", "sums", "list");

/** Bytes of the largest of these blocks, rounded up. */
const BLOCK_BYTES = 128;

/** Takes room for a block and writes its fields; returns its address. */
export function placeFields<Name extends string>(
  memory: IndexMemory,
  offsets: Readonly<Record<Name, number>>,
  values: Readonly<Record<Name, number>>,
): number {
  const address = memory.take(BLOCK_BYTES);
  for (const name of Object.keys(offsets) as Name[]) {
    memory.words[(address + offsets[name]) >> 2] = values[name];
  }
  return address;
}
