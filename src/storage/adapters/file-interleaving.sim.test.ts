import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isBrainyError } from "../../base/errors.ts";
import { randomInteger, seededRandom, type Random } from "../../base/random.ts";
import { systemClock } from "../../base/clock.ts";
import type { Etag, PutResult } from "../object-store.ts";
import { systemFileCalls, type FileCalls } from "./file-calls.ts";
import { FileSystemStore } from "./file-system.ts";

const SEED = Number(process.env["BRAINY_SEED"] ?? 1);
const RUNS = Number(process.env["BRAINY_RUNS"] ?? 12);

const ACTORS = 4;
const STEPS = 12;

/*
 * Four processes, each with its own store on one root, create, replace, overwrite and delete one
 * object, and let the others run before any call of the system. Whatever the order:
 *
 *   - no version is replaced by two conditional puts, and no etag names two values;
 *   - what a put was told to have written is what its etag reads as;
 *   - while nobody deletes or overwrites, every acknowledged increment is in the value.
 */

/**
 * Lets other actors run for a while before each call: some of them for very long. The kernel's own
 * order of the calls is not ours to choose, so a seed repeats the shape of a run and not each step.
 */
function interleaved(random: Random): FileCalls {
  const calls: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(systemFileCalls)) {
    calls[name] = async (...all: unknown[]) => {
      const rounds = random.next() < 0.02 ? 200 : randomInteger(random, 4);
      for (let i = 0; i < rounds; i++) await systemClock.breathe();
      if (name === "fsync") return undefined;
      return (call as (...all: unknown[]) => Promise<unknown>)(...all);
    };
  }
  return calls as unknown as FileCalls;
}

interface Run {
  /** Etag of a version and the value it was made with. */
  readonly values: Map<Etag, number>;
  /** Etags that a conditional put has replaced. */
  readonly replaced: Etag[];
}

async function act(store: FileSystemStore, random: Random, run: Run, value: number): Promise<void> {
  const bytes = new Uint8Array(new Float64Array([value]).buffer);
  const kind = random.next();
  if (kind < 0.1) return store.deleteMany(["k"]);
  const found = kind < 0.35 ? undefined : await store.get("k");
  let result: PutResult;
  if (found === undefined) {
    const condition = kind < 0.2 ? undefined : ({ ifAbsent: true } as const);
    result = await store.put("k", bytes, { condition });
  } else {
    const known = run.values.get(found.etag);
    const read = new Float64Array(found.bytes.buffer)[0];
    if (known !== undefined) expect(read).toBe(known);
    result = await store.put("k", bytes, { condition: { ifMatch: found.etag } });
    run.replaced.push(found.etag);
  }
  expect(run.values.has(result.etag)).toBe(false);
  run.values.set(result.etag, value);
}

for (let seed = SEED; seed < SEED + RUNS; seed++) {
  test(`[F3] no version is replaced twice (BRAINY_SEED=${seed} BRAINY_RUNS=1)`, async () => {
    const random = seededRandom(seed);
    const root = mkdtempSync(join(tmpdir(), "brainy-interleaving-"));
    const run: Run = { values: new Map(), replaced: [] };
    const actor = async (number: number): Promise<void> => {
      const store = await FileSystemStore.open({ root, calls: interleaved(random) });
      for (let step = 0; step < STEPS; step++) {
        await act(store, random, run, number * 1000 + step).catch((error: unknown) => {
          const isKnown = isBrainyError(error, "BRAINY_CONFLICT");
          if (!isKnown && !/outcome unknown/.test(String(error))) throw error;
        });
      }
    };
    try {
      await Promise.all(Array.from({ length: ACTORS }, (_, number) => actor(number)));
      expect(new Set(run.replaced).size).toBe(run.replaced.length);
      expect(run.values.size).toBeGreaterThan(5);
      const last = await (await FileSystemStore.open({ root })).get("k");
      const known = last === undefined ? undefined : run.values.get(last.etag);
      if (known !== undefined) expect(new Float64Array(last!.bytes.buffer)[0]).toBe(known);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test(`[F3] no increment is lost (BRAINY_SEED=${seed} BRAINY_RUNS=1)`, async () => {
    const random = seededRandom(seed);
    const root = mkdtempSync(join(tmpdir(), "brainy-interleaving-"));
    try {
      await (await FileSystemStore.open({ root })).put("k", Uint8Array.of(0));
      let [acknowledged, unknown] = [0, 0];
      const actor = async (): Promise<void> => {
        const store = await FileSystemStore.open({ root, calls: interleaved(random) });
        for (let step = 0; step < STEPS; step++) {
          const found = (await store.get("k"))!;
          const next = Uint8Array.of(found.bytes[0]! + 1);
          await store.put("k", next, { condition: { ifMatch: found.etag } }).then(
            () => acknowledged++,
            (error: unknown) => {
              if (isBrainyError(error, "BRAINY_CONFLICT")) return;
              expect(String(error)).toMatch(/outcome unknown/);
              unknown++;
            },
          );
        }
      };
      await Promise.all(Array.from({ length: ACTORS }, actor));
      const total = (await (await FileSystemStore.open({ root })).get("k"))!.bytes[0]!;
      expect(total).toBeGreaterThanOrEqual(acknowledged);
      expect(total).toBeLessThanOrEqual(acknowledged + unknown);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}
