import { PARTITIONS_MAX } from "./config.ts";
import { FORMAT_VERSION } from "./format-version.ts";
import { JsonFields } from "./json-fields.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";

/**
 * Which instance is to own which partition. Key: `_brainy/leases/assignment.json`. Advice: who owns
 * a partition is what its lease says.
 */
export interface Assignment {
  readonly databaseId: string;
  /** Raised by every change. */
  readonly version: number;
  readonly partitionCount: number;
  /** Partitions by instance id, ascending. Every partition is in exactly one list. */
  readonly partitions: ReadonlyMap<string, readonly number[]>;
  /** Random, so that no two assignments have the same bytes. */
  readonly nonce: string;
}

const INSTANCE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Pretty-printed JSON with a checksum, like a manifest; partitions as ranges: `0-3 7 12-15`. */
export function encodeAssignment(assignment: Assignment): Uint8Array {
  const { databaseId, version, partitionCount, partitions, nonce } = assignment;
  const ranges = [...partitions].map(([id, numbers]) => [id, encodeRanges(numbers)] as const);
  return encodeSealedJson({
    formatVersion: FORMAT_VERSION,
    databaseId,
    version,
    partitionCount,
    partitions: Object.fromEntries(ranges),
    nonce,
  });
}

/** Checks every field. */
export function decodeAssignment(bytes: Uint8Array, where: string): Assignment {
  const fields = decodeSealedJson(bytes, where);
  fields.integer("formatVersion", 1);
  const partitionCount = fields.integer("partitionCount", 1, PARTITIONS_MAX);
  const lists = fields.object("partitions");
  const partitions = new Map<string, readonly number[]>();
  const seen = new Set<number>();
  for (const id of Object.keys(lists.value)) {
    if (!INSTANCE_ID.test(id)) lists.fail(id, "of an instance id");
    partitions.set(id, decodeRanges(lists, id, partitionCount, seen));
  }
  if (seen.size !== partitionCount) fields.fail("partitions", "a list of all partitions");
  return {
    databaseId: fields.nonEmpty("databaseId"),
    version: fields.integer("version", 1),
    partitionCount,
    partitions,
    nonce: fields.nonEmpty("nonce"),
  };
}

function encodeRanges(numbers: readonly number[]): string {
  const ranges: string[] = [];
  for (let start = 0; start < numbers.length;) {
    let end = start;
    while (numbers[end + 1] === numbers[end]! + 1) end++;
    ranges.push(start === end ? `${numbers[start]}` : `${numbers[start]}-${numbers[end]}`);
    start = end + 1;
  }
  return ranges.join(" ");
}

function decodeRanges(
  lists: JsonFields,
  id: string,
  partitionCount: number,
  seen: Set<number>,
): readonly number[] {
  const text = lists.matching(id, /^((\d+(-\d+)?)( \d+(-\d+)?)*)?$/, "ranges of partitions");
  const numbers: number[] = [];
  for (const range of text === "" ? [] : text.split(" ")) {
    const [start, end = start] = range.split("-").map(Number) as [number, number?];
    if (end >= partitionCount) lists.fail(id, `ranges below ${partitionCount}`);
    for (let partition = start; partition <= end; partition++) {
      const isNext = partition > (numbers.at(-1) ?? -1) && !seen.has(partition);
      if (!isNext) lists.fail(id, "ascending ranges, no partition twice");
      numbers.push(partition);
      seen.add(partition);
    }
  }
  return numbers;
}
