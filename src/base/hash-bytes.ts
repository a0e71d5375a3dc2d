/**
 * A 32-bit hash of bytes `[start, end)` for tables in memory, never for anything that is stored.
 * `seed` keeps whoever chooses the bytes from choosing what collides.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  // The last steps of MurmurHash3: every bit of the sum so far reaches every bit of the result.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
