import { assert } from "../../base/assert.ts";
import { equalBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { isBrainyError, type ErrorCode } from "../../base/errors.ts";
import type { ListOptions, ListPage, ObjectInfo, ObjectStore } from "../object-store.ts";

/** What a case gets to work with. */
export interface CaseContext {
  /** Empty at the start of each case. */
  readonly store: ObjectStore;
  /** Objects that make a listing longer than one page. */
  readonly objectCount: number;
  readonly clock: Clock;
}

/** Rejects when the store breaks the promise that the case is named after. */
export type ConformanceCase = (context: CaseContext) => Promise<void>;

/** Cases by the promise that each is named after. */
export type ConformanceCases = Readonly<Record<string, ConformanceCase>>;

/** Options of a put that creates. */
export const ABSENT = { condition: { ifAbsent: true } } as const;

/** A short array of bytes. */
export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** Bytes that differ from place to place, so that a shifted part is noticed. */
export function patterned(count: number, seed = 1): Uint8Array {
  const out = new Uint8Array(count);
  for (let i = 0; i < count; i++) out[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  return out;
}

/** Throws unless both are the same bytes. */
export function assertBytes(found: Uint8Array | undefined, expected: Uint8Array): void {
  assert(found !== undefined, "found nothing");
  const [have, want] = [found.byteLength, expected.byteLength];
  assert(equalBytes(found, expected), `found ${have} bytes that are not the ${want} expected`);
}

/** The call must reject with a `BrainyError`, of `code` when one is given. */
export async function assertRejects(call: Promise<unknown>, code?: ErrorCode): Promise<void> {
  const failure = await call.then(
    () => ({ rejected: false, error: undefined as unknown }),
    (error: unknown) => ({ rejected: true, error }),
  );
  assert(failure.rejected, () => `resolved, expected ${code ?? "an error"}`);
  const { error } = failure;
  assert(
    isBrainyError(error, code),
    () => `expected ${code ?? "BrainyError"}, got ${String(error)}`,
  );
}

/** All pages of a listing together. */
export async function listAll(store: ObjectStore, options?: ListOptions): Promise<ListAll> {
  const pages: ListPage[] = [];
  for await (const page of store.list(options)) pages.push(page);
  const objects = pages.flatMap((page) => page.objects);
  return {
    pages,
    objects,
    keys: objects.map(({ key }) => key).toSorted(),
    prefixes: pages.flatMap((page) => page.prefixes).toSorted(),
  };
}

/** A whole listing. */
export interface ListAll {
  readonly pages: readonly ListPage[];
  readonly objects: readonly ObjectInfo[];
  /** Sorted, because the order of a listing is not promised. */
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
}

/** Throws unless both are the same strings in the same order. */
export function assertSame(found: readonly string[], expected: readonly string[]): void {
  assert(found.join() === expected.join(), () => `[${found.join()}], not [${expected.join()}]`);
}

/** Runs `count` calls, some at a time: adapters need not survive thousands at once. */
export async function many(
  count: number,
  call: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: 32 }, loop));
}

/** The chunks, one after another. */
export async function* streamOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk;
}
