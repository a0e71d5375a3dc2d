import type { RecordInput } from "../../types.ts";

/** What a source yields: a record, something that is none, or the end of a file of passages. */
export type Entry = RecordEntry | ProblemEntry | FileEndEntry;

/** A record and where it stood, so that a refusal can name the line. */
export interface RecordEntry {
  readonly kind: "record";
  readonly record: RecordInput;
  /** `FILE:LINE`. */
  readonly where: string;
  /** About how much memory the record takes while it waits. */
  readonly characters: number;
}

/** Input that cannot be read as a record. */
export interface ProblemEntry {
  readonly kind: "problem";
  readonly where: string;
  readonly problem: string;
}

/** All passages of a file were yielded: others that carry its path are of an older version. */
export interface FileEndEntry {
  readonly kind: "file-end";
  readonly path: string;
  readonly ids: ReadonlySet<string>;
}
