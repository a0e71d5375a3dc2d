import { assert } from "../base/assert.ts";
import { systemClock, type Clock } from "../base/clock.ts";
import { assertBytes, bytes, type ConformanceCases } from "./conformance/case.ts";
import { CONDITION_CASES } from "./conformance/condition-cases.ts";
import { LIST_CASES } from "./conformance/list-cases.ts";
import { READ_CASES } from "./conformance/read-cases.ts";
import { WRITE_CASES } from "./conformance/write-cases.ts";
import type { ObjectStore } from "./object-store.ts";

/** The only thing asked of a test runner: `test(name, run)`, as in node:test, vitest, mocha. */
export interface TestFunction {
  (name: string, run: () => Promise<void>): unknown;
  /** Used for known gaps, where the runner has it. */
  readonly skip?: ((name: string, run: () => Promise<void>) => unknown) | undefined;
}

/** Options of `objectStoreConformance`. */
export interface ConformanceOptions {
  readonly test: TestFunction;
  /** Returns an empty store. Called once per case; the suite disposes it. */
  readonly open: () => Promise<ObjectStore>;
  /** Opens what is in a store once more, as a new process would; given, durability is checked. */
  readonly reopen?: ((store: ObjectStore) => Promise<ObjectStore>) | undefined;
  /** Known gaps. A reason is required, and a skip that names no case fails the run. */
  readonly skip?: Readonly<Record<string, string>> | undefined;
  /** Objects that make more than one page, 2,500 by default; slow stores may take 1,001. */
  readonly objectCount?: number | undefined;
  /** What `storeMs` is compared with; the process's clock by default. */
  readonly clock?: Clock | undefined;
}

/** One named function per promise of the contract. */
const CASES: ConformanceCases = {
  ...READ_CASES,
  ...WRITE_CASES,
  ...CONDITION_CASES,
  ...LIST_CASES,
};

const REOPEN_CASE = "a put outlives the store that made it";

/**
 * Registers every promise of the `ObjectStore` contract as a test of one adapter.
 *
 * Published, so that adapters outside this repository are held to the same contract.
 */
export function objectStoreConformance(options: ConformanceOptions): void {
  const { test, open, reopen, skip = {}, objectCount = 2_500, clock = systemClock } = options;
  for (const [name, reason] of Object.entries(skip)) {
    assert(Object.hasOwn(CASES, name) || name === REOPEN_CASE, `skip names no case: ${name}`);
    assert(reason.length > 0, `skip of ${name} has no reason`);
  }
  const add = (name: string, run: () => Promise<void>): void => {
    const reason = skip[name];
    if (reason === undefined) test(name, run);
    else test.skip?.(`${name} (skipped: ${reason})`, run);
  };
  for (const [name, run] of Object.entries(CASES)) {
    add(name, async () => {
      await using store = await open();
      await run({ store, objectCount, clock });
    });
  }
  if (reopen === undefined) return;
  add(REOPEN_CASE, async () => {
    await using store = await open();
    const { etag } = await store.put("kept/k", bytes(1, 2, 3));
    await using again = await reopen(store);
    const found = await again.get("kept/k");
    assert(store.capabilities.durable === (found !== undefined), "durable says otherwise");
    if (found === undefined) return;
    assertBytes(found.bytes, bytes(1, 2, 3));
    assert(found.etag === etag, "the etag changed");
  });
}
