/*
 * How many bytes of typed arrays a piece of code asks for. A decoder that believes a length shows
 * here even where the machine has the memory.
 */

const NAMES = [
  "ArrayBuffer",
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigUint64Array",
] as const;

/** Asked for more than it may. Thrown in place of the allocation, which may not fit the machine. */
export class TooLarge extends Error {}

/** Counts while it is on. One at a time. */
export class AllocationMeter {
  readonly #originals = new Map<string, unknown>();
  #bytes = 0;
  #bytesMax = Infinity;
  /** What went over the bound; kept in case somebody catches it. */
  tooLarge: TooLarge | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  start(bytesMax: number): void {
    this.#bytes = 0;
    this.#bytesMax = bytesMax;
    this.tooLarge = undefined;
    for (const name of NAMES) {
      const original = globalThis[name] as new (...given: readonly unknown[]) => object;
      this.#originals.set(name, original);
      const unit = "BYTES_PER_ELEMENT" in original ? Number(original.BYTES_PER_ELEMENT) : 1;
      const proxy = new Proxy(original, {
        construct: (target, given: readonly unknown[], newTarget) => {
          this.#count(given[0], unit);
          return Reflect.construct(target, given, newTarget) as object;
        },
      });
      Object.assign(globalThis, { [name]: proxy });
    }
  }

  stop(): void {
    for (const [name, original] of this.#originals) Object.assign(globalThis, { [name]: original });
    this.#originals.clear();
  }

  #count(length: unknown, unit: number): void {
    if (typeof length !== "number") return;
    this.#bytes += length * unit;
    if (this.#bytes <= this.#bytesMax) return;
    this.tooLarge ??= new TooLarge(`${this.#bytes} bytes are asked for`);
    throw this.tooLarge;
  }
}
