import { seededRandom, type Random } from "../../src/base/random.ts";

/** Choices that follow from a seed. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    // The first values of seeds that follow each other are alike.
    for (let i = 0; i < 4; i++) this.#random.next();
  }

  /** A whole number in `[0, end)`; 0 when there is none. */
  below(end: number): number {
    return Math.floor(this.#random.next() * end);
  }

  /** A whole number in `[least, most]`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(share: number): boolean {
    return this.#random.next() < share;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!;
  }

  /** One of the functions, by weight, called. */
  one<Value>(...choices: readonly (readonly [weight: number, make: () => Value])[]): Value {
    let left = this.#random.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, make] of choices) {
      left -= weight;
      if (left < 0) return make();
    }
    return choices[0]![1]();
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** As many as `length`, each made anew. */
  list<Value>(length: number, make: (index: number) => Value): Value[] {
    return Array.from({ length }, (_, i) => make(i));
  }
}

/** One number out of two, such that neighbours of either are far apart. */
export function mixSeeds(a: number, b: number): number {
  let mixed = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
