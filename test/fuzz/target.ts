import { isDeepStrictEqual } from "node:util";
import type { ErrorCode } from "../../src/base/errors.ts";
import type { Draw } from "./draw.ts";

/** One decoder, and all that is built on what it accepts. */
export interface FuzzTarget {
  readonly name: string;
  /** Errors with which it may refuse; `BRAINY_CORRUPT` and `BRAINY_UNSUPPORTED` by default. */
  readonly refusals?: readonly ErrorCode[] | undefined;
  /** Processor time beside what grows with the input. Default 200 ms. */
  readonly cpuMsMax?: number | undefined;
  /** Bytes that it may allocate beside what grows with the input. Default 8 MiB. */
  readonly allocatedBytesMax?: number | undefined;
  /** How often it is drawn, against the others. Default 1. */
  readonly weight?: number | undefined;
  /** A sound input, of any shape. */
  sample(draw: Draw): Uint8Array | Promise<Uint8Array>;
  /** The same with something wrong. */
  mutate(input: Uint8Array, draw: Draw, other: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Decodes, and then uses what came out in every way there is. Resolves with `false` where the
   * decoder says by its value that the input is nothing.
   */
  read(input: Uint8Array, draw: Draw): unknown;
}

/** What was decoded, and cannot be. */
export class Inconsistency extends Error {}

/** Fails with what is wrong. */
export function demand(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Inconsistency(typeof what === "string" ? what : what());
}

/** Both are the same, to the last value. */
export function demandEqual(actual: unknown, expected: unknown, what: string): void {
  if (isSame(actual, expected)) return;
  const show = (value: unknown): string => (JSON.stringify(value) ?? "undefined").slice(0, 300);
  throw new Inconsistency(`${what}: ${show(actual)} is not ${show(expected)}`);
}

/** What is nested more deeply than `node:util` can follow counts as the same. */
function isSame(a: unknown, b: unknown): boolean {
  try {
    return isDeepStrictEqual(a, b) || isDeepStrictEqual(withoutSign(a), withoutSign(b));
  } catch (error) {
    if (error instanceof RangeError) return true;
    throw error;
  }
}

/** JSON has no negative zero: what is parsed as one is written as zero. */
function withoutSign(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(withoutSign);
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, withoutSign(one)]));
  const isPlain = typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
  if (!isPlain) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutSign(one)]));
}
