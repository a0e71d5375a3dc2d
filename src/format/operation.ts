import type { Version } from "./version.ts";

/**
 * One change of one record: what lanes carry and what the state of a record is folded from.
 *
 * JSON stays text from the moment a record is accepted until somebody asks for it: it cannot be
 * changed under us, and copying it costs nothing to parse.
 *
 * | kind | vector, content | metadata | attributes |
 * |---|---|---|---|
 * | put | the record's | the whole object | the record's |
 * | patch | both or neither: `content` present means that vector, content and `type` are replaced together | keys to set | values to set, plus `unset`, `clear` |
 * | delete | absent | absent | absent |
 */
export interface Operation {
  readonly kind: "put" | "patch" | "delete";
  readonly version: Version;
  readonly id: string;
  readonly vector?: Float32Array | undefined;
  /** JSON text of `{ data?, text? }`; `""` when a put has neither. */
  readonly content?: string | undefined;
  /** JSON text of an object. */
  readonly metadata?: string | undefined;
  readonly attributes?: Attributes | undefined;
  /** Versions of the record that the author had read. */
  readonly seen?: readonly Version[] | undefined;
}

/** An operation before it has a version. */
export type Draft = Omit<Operation, "version">;

/** What a record has beside vector, content and metadata. */
export interface Attributes {
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  /** Milliseconds since 1970 from which the record no longer exists. */
  readonly expiresAtMs?: number | undefined;
  /** Patches only: top-level metadata keys to remove. */
  readonly unset?: readonly string[] | undefined;
  /** Patches only: attributes to remove. */
  readonly clear?: readonly ("type" | "domain" | "expiresAtMs")[] | undefined;
}
