import { BrainyError } from "../base/errors.ts";
import { createKernel, PAGE_BYTES, PAGES_MAX, type Kernel } from "./kernel.ts";

/** A cache line. */
const LINE_BYTES = 64;
/** Nobody reads the first of memory: an address there would be a mistake. */
const FIRST_ADDRESS = 1_024;

/**
 * The memory of one index: parts are taken one after the other and live as long as it does.
 * It grows as they are taken, up to 4 GiB; views are to be asked for again after that.
 */
export class IndexMemory {
  readonly #kernel: Kernel;
  #end = FIRST_ADDRESS;
  #buffer: ArrayBufferLike;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #floats: Float32Array;

  constructor() {
    this.#kernel = createKernel({ pages: 1, pagesMax: PAGES_MAX, shared: false });
    this.#buffer = this.#kernel.memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Uint32Array(this.#buffer);
    this.#floats = new Float32Array(this.#buffer);
  }

  get exports(): Kernel["exports"] {
    return this.#kernel.exports;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get words(): Uint32Array {
    return this.#words;
  }

  get floats(): Float32Array {
    return this.#floats;
  }

  /** Bytes that were taken. */
  get size(): number {
    return this.#end;
  }

  /** Whether so many more bytes fit. */
  hasRoom(bytes: number): boolean {
    return this.#end + bytes <= PAGES_MAX * PAGE_BYTES;
  }

  /** Zeroed bytes, on a cache line of their own. `BRAINY_LIMIT` beyond 4 GiB, or of the system. */
  take(bytes: number): number {
    const start = this.#end;
    const end = Math.ceil((start + bytes) / LINE_BYTES) * LINE_BYTES;
    const missing = Math.ceil((end - this.#buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.#grow(missing, bytes);
    this.#end = end;
    return start;
  }

  #grow(pages: number, bytes: number): void {
    if (!this.hasRoom(bytes)) {
      throw new BrainyError(
        "BRAINY_LIMIT",
        `an index of ${this.#end} bytes has no room for ${bytes} more: a memory ends at 4 GiB`,
      );
    }
    try {
      this.#kernel.memory.grow(pages);
    } catch (error) {
      throw new BrainyError("BRAINY_LIMIT", `no memory for ${bytes} bytes of an index`, {
        cause: error,
      });
    }
    this.#buffer = this.#kernel.memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Uint32Array(this.#buffer);
    this.#floats = new Float32Array(this.#buffer);
  }
}
