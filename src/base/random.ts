/**
 * The only source of randomness in `src/`. Everything that needs it receives one, so a failing
 * simulation replays from its seed alone.
 */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** The process's own generator. */
export const systemRandom: Random = { next: () => Math.random() };

/** Same seed, same sequence: mulberry32, 32 bits of state, for tests, builds and simulations. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** A whole number in [0, limit). */
export function randomInteger(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}

/** `bytes` random bytes as lower-case hexadecimal. */
export function randomHex(random: Random, bytes: number): string {
  let text = "";
  for (let i = 0; i < bytes; i++) text += randomInteger(random, 256).toString(16).padStart(2, "0");
  return text;
}
