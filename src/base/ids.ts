import { encodeTime, monotonicFactory } from "ulid";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** 26 characters of Crockford's base 32: 48 bits of time, 80 of chance. Sorts by time. */
export const ULID_PATTERN = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** Makes ulids that sort in the order they were made (https://github.com/ulid/spec). */
export function ulidFactory(clock: Clock, random: Random): () => string {
  const next = monotonicFactory(() => random.next());
  return () => next(Math.floor(clock.nowMs()));
}

/** Sorts before every ulid of this moment and after all of those before it. */
export function ulidFloor(nowMs: number): string {
  return encodeTime(Math.max(0, Math.floor(nowMs))) + "0".repeat(16);
}
