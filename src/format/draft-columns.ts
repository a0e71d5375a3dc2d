import { assert } from "../base/assert.ts";
import { encodeAttributes } from "./operation-attributes.ts";
import type { Attributes, Draft } from "./operation.ts";
import {
  HAS_ATTRIBUTES,
  HAS_CONTENT,
  HAS_METADATA,
  HAS_SEEN,
  HAS_VECTOR,
  KIND_BITS,
} from "./operations-layout.ts";

import { splitVersions, type Version } from "./version.ts";

/** A put that has a vector, which goes into a column of its own. */
export interface PutRow {
  readonly id: string;
  readonly content: string;
  readonly metadata: string;
  readonly attributes: Attributes | undefined;
}

/**
 * Operations that have no version yet, column by column: what a block is made of. An object for
 * each of them would cost more than all that is done to it.
 */
export class DraftColumns {
  readonly flags: number[] = [];
  readonly ids: string[] = [];
  /** Content, metadata, attributes and seen; `""` where the row has none. */
  readonly texts: readonly [string[], string[], string[], string[]] = [[], [], [], []];
  /** Vectors in the order of the rows that have one, some or many in each part. */
  readonly vectors: Float32Array[] = [];
  vectorCount = 0;
  /** Of every vector; 0 while there is none. */
  dimension = 0;
  /** About how many bytes a slot needs for them. */
  bytes = 0;

  static of(drafts: Iterable<Draft>): DraftColumns {
    const columns = new DraftColumns();
    for (const draft of drafts) columns.push(draft);
    return columns;
  }

  get count(): number {
    return this.ids.length;
  }

  push({ kind, id, vector, content, metadata, attributes, seen }: Draft): void {
    let flags: number = KIND_BITS[kind];
    if (content !== undefined) flags |= HAS_CONTENT;
    if (metadata !== undefined) flags |= HAS_METADATA;
    if (attributes !== undefined) flags |= HAS_ATTRIBUTES;
    if (seen !== undefined) flags |= HAS_SEEN;
    if (vector !== undefined) {
      flags |= HAS_VECTOR;
      this.pushVectors(vector, vector.length);
    }
    this.#pushRow(flags, id, content ?? "", metadata ?? "");
    this.texts[2].push(encodeAttributes(attributes) ?? "");
    this.texts[3].push(seen?.join("") ?? "");
  }

  /** The row of a put whose vector comes with `pushVectors`. */
  pushPut({ id, content, metadata, attributes }: PutRow): void {
    const flags = KIND_BITS.put | HAS_CONTENT | HAS_METADATA | HAS_VECTOR;
    const hasAttributes = attributes !== undefined;
    this.#pushRow(hasAttributes ? flags | HAS_ATTRIBUTES : flags, id, content, metadata);
    this.texts[2].push(encodeAttributes(attributes) ?? "");
    this.texts[3].push("");
  }

  /** One vector or several, one behind the other; they must not change any more. */
  pushVectors(vectors: Float32Array, dimension: number): void {
    if (this.vectorCount === 0) this.dimension = dimension;
    const isSame = dimension === this.dimension && dimension > 0;
    assert(isSame, "vectors of a block differ in dimension");
    this.vectors.push(vectors);
    this.vectorCount += vectors.length / dimension;
  }

  /** Everything that `other` has, behind what is here. */
  append(other: DraftColumns): void {
    for (const flags of other.flags) this.flags.push(flags);
    for (const id of other.ids) this.ids.push(id);
    for (const [i, texts] of other.texts.entries()) {
      for (const text of texts) this.texts[i]!.push(text);
    }
    for (const part of other.vectors) this.pushVectors(part, other.dimension);
  }

  /** What the author of a row had read; `undefined`: it does not say. */
  seen(row: number): Version[] | undefined {
    if ((this.flags[row]! & HAS_SEEN) === 0) return undefined;
    return splitVersions(this.texts[3][row]!, "a draft");
  }

  /** The same operations, of which each says what it has seen. Called in the order of the rows. */
  withSeen(seenBy: (row: number) => readonly Version[]): DraftColumns {
    const columns = new DraftColumns();
    columns.append(this);
    columns.bytes = this.bytes;
    for (let row = 0; row < this.count; row++) {
      const seen = seenBy(row);
      if (seen.length > 0) columns.flags[row]! |= HAS_SEEN;
      else columns.flags[row]! &= ~HAS_SEEN;
      columns.texts[3][row] = seen.join("");
    }
    return columns;
  }

  #pushRow(flags: number, id: string, content: string, metadata: string): void {
    this.flags.push(flags);
    this.ids.push(id);
    this.texts[0].push(content);
    this.texts[1].push(metadata);
  }
}
