import { assert } from "../base/assert.ts";
import { concatBytes } from "../base/bytes.ts";
import { ChecksumStream, checksum64 } from "../base/checksum.ts";
import {
  BLOCK_BYTES,
  HEADER_BYTES,
  SECTION_ALIGNMENT,
  TRAILER_BYTES,
  alignUp,
  footerBytes,
  packChecksums,
  writeFooter,
  writeHeader,
} from "./container-layout.ts";
import type { ContainerIdentity, SectionEntry } from "./container-layout.ts";

/** A section of unknown length. Chunks are passed on as they are: do not write to them again. */
export interface StreamedSection {
  readonly kind: number;
  readonly required: boolean;
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Chunks smaller than this are gathered, so that a store sees few and large ones. */
const GATHER_BYTES = 256 * 1024;

/**
 * Writes a container of any size in bounded memory: the chunk at hand, at most 256 KiB of
 * gathered small ones, and eight bytes of checksum for each 64 KiB written.
 */
export class ContainerWriter {
  readonly #identity: ContainerIdentity;
  readonly #sections: SectionEntry[] = [];
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #bytesWritten = 0;

  constructor(identity: ContainerIdentity) {
    this.#identity = identity;
  }

  /** Bytes of the object so far; its length once `stream` has ended. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** The object's chunks. Each section is asked for its own when all before it are written. */
  async *stream(sections: Iterable<StreamedSection>): AsyncGenerator<Uint8Array, void, undefined> {
    assert(this.#bytesWritten === 0, "a container is written once");
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, this.#identity);
    yield* this.#emit(header);
    let blocks = 0;
    for (const section of sections) {
      const offset = this.#bytesWritten;
      const hasher = new BlockHasher();
      for await (const chunk of section.chunks()) {
        if (chunk.byteLength === 0) continue;
        hasher.update(chunk);
        yield* this.#emit(chunk);
      }
      const length = this.#bytesWritten - offset;
      const checksums = packChecksums(hasher.finish());
      blocks += checksums.byteLength / 8;
      this.#sections.push({
        kind: section.kind,
        required: section.required,
        offset,
        length,
        checksums,
      });
      const end = alignUp(this.#bytesWritten, SECTION_ALIGNMENT);
      if (end > this.#bytesWritten) yield* this.#emit(new Uint8Array(end - this.#bytesWritten));
    }
    const offset = this.#bytesWritten;
    const footer = new Uint8Array(footerBytes(this.#sections.length, blocks) + TRAILER_BYTES);
    writeFooter(footer, this.#identity, this.#sections, offset);
    yield* this.#emit(footer);
    yield* this.#flush();
  }

  *#emit(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    this.#bytesWritten += chunk.byteLength;
    if (chunk.byteLength < GATHER_BYTES) {
      this.#gathered.push(chunk);
      this.#gatheredBytes += chunk.byteLength;
      if (this.#gatheredBytes >= GATHER_BYTES) yield* this.#flush();
      return;
    }
    yield* this.#flush();
    yield chunk;
  }

  *#flush(): Generator<Uint8Array, void, undefined> {
    if (this.#gatheredBytes === 0) return;
    const chunk = concatBytes(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    yield chunk;
  }
}

/** One XXH64 for each 64 KiB, whatever the chunks are. */
class BlockHasher {
  readonly #checksums: bigint[] = [];
  #stream: ChecksumStream | undefined;
  #filled = 0;

  update(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - this.#filled);
      at += part.byteLength;
      if (part.byteLength === BLOCK_BYTES) {
        this.#checksums.push(checksum64(part));
        continue;
      }
      this.#stream ??= new ChecksumStream();
      this.#stream.update(part);
      this.#filled += part.byteLength;
      if (this.#filled === BLOCK_BYTES) this.#endBlock();
    }
  }

  finish(): readonly bigint[] {
    if (this.#filled > 0) this.#endBlock();
    return this.#checksums;
  }

  #endBlock(): void {
    assert(this.#stream !== undefined, "a block ends that never started");
    this.#checksums.push(this.#stream.digest());
    this.#stream = undefined;
    this.#filled = 0;
  }
}
