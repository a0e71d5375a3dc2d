/**
 * Throws when an invariant of *our own code* does not hold. Never use it to check input that a
 * caller, a peer or the object store controls: that is a `BrainyError`.
 *
 * `message` may be a thunk so that hot paths do not build strings that nobody reads.
 */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (condition) return;
  throw new Error(`invariant violated: ${typeof message === "string" ? message : message()}`);
}

/** Marks the branch the type system says cannot run; the compiler checks that it is right. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
