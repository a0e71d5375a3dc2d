let used = 0;

/**
 * A port that a test may leave and take again: below those that systems give to connections and
 * to whoever asks for any, so that no other process gets it in between.
 */
export function fixedPort(): number {
  return 20_000 + ((process.pid * 8 + used++) % 10_000);
}
