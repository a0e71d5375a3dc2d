/** The bytes of one range of an object, put together from blocks. */
export class BlockTarget {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #start: number;
  readonly #end: number;
  readonly #bytesTotal: number;
  readonly #blockBytes: number;

  /** In `memory`, when that has the length of the range. */
  constructor(options: {
    readonly range: readonly [start: number, end: number];
    readonly bytesTotal: number;
    readonly blockBytes: number;
    readonly memory?: Uint8Array<ArrayBuffer> | undefined;
  }) {
    const { range, bytesTotal, blockBytes, memory } = options;
    const [start, end] = range;
    this.#start = start;
    this.#end = end;
    this.#bytesTotal = bytesTotal;
    this.#blockBytes = blockBytes;
    this.bytes = memory?.byteLength === end - start ? memory : new Uint8Array(end - start);
  }

  /** Numbers of the blocks that the range touches, ascending. */
  get indices(): readonly number[] {
    const first = Math.floor(this.#start / this.#blockBytes);
    const count = Math.ceil(this.#end / this.#blockBytes) - first;
    return this.#start === this.#end ? [] : Array.from({ length: count }, (_, i) => first + i);
  }

  /** Where a block goes that lies within the range with all of its bytes. */
  whole(index: number): Uint8Array<ArrayBuffer> | undefined {
    const start = index * this.#blockBytes;
    const end = Math.min(this.#bytesTotal, start + this.#blockBytes);
    if (start < this.#start || end > this.#end) return undefined;
    return this.bytes.subarray(start - this.#start, end - this.#start);
  }

  /** Takes what the range needs of a block; nothing when the block is in its place already. */
  place(index: number, block: Uint8Array): void {
    const blockStart = index * this.#blockBytes;
    const start = Math.max(this.#start, blockStart);
    const end = Math.min(this.#end, blockStart + block.byteLength);
    const isInPlace =
      block.buffer === this.bytes.buffer &&
      block.byteOffset === this.bytes.byteOffset + blockStart - this.#start;
    if (end <= start || isInPlace) return;
    this.bytes.set(block.subarray(start - blockStart, end - blockStart), start - this.#start);
  }
}
