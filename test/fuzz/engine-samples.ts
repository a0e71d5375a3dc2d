import { Brainy } from "../../src/brainy.ts";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { MemoryStore } from "../../src/storage/adapters/memory.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { Draw } from "./draw.ts";
import { textOf, vectorOf } from "./shapes.ts";

/*
 * Small databases with something of everything: segments, masked rows, a checkpoint, slots that no
 * segment has yet, patches, deletes, records without a vector.
 */

/** Objects by key. */
export type Objects = ReadonlyMap<string, Uint8Array>;

/** Length of every vector. */
export const DIMENSIONS = 3;

/** The name that one state of each database was given. */
export const CHECKPOINT_NAME = "before";

const START_MS = 1_732_000_000_000;

/** Wall time that goes by calls, so that a database is the same each time it is made. */
export function countingClock(): Clock {
  let nowMs = START_MS;
  return { ...systemClock, nowMs: () => ++nowMs };
}

/** What a process needs to open a database that is here. */
export function optionsOf(store: ObjectStore, seed: number) {
  return {
    storage: { type: "store", store },
    clock: countingClock(),
    random: seededRandom(seed),
    dimensions: DIMENSIONS,
    compaction: false,
    pollInterval: 0,
    logging: { logger: { info: () => undefined, warn: () => undefined } },
  } as const;
}

/** A database that was made by the ways of resolving conflicts in turn. */
export async function sampleDatabase(index: number): Promise<Objects> {
  const draw = new Draw(1_000 + index);
  const clock = countingClock();
  const store = new MemoryStore({ clock });
  const modes = ["last-write-wins", "last-write-wins", "vector-clock", "crdt"] as const;
  const mode = modes[index % modes.length]!;
  const isFleet = mode !== "last-write-wins";
  for (const round of [0, 1]) {
    const brain = new Brainy({
      ...optionsOf(store, 10 * index + round),
      clock,
      ...(isFleet && { distributed: { role: "hybrid", conflictResolution: mode } }),
    });
    await change(brain, draw, round);
    await brain.compact();
    if (round === 1) await brain.checkpoint(CHECKPOINT_NAME);
    await change(brain, draw, round + 2);
    await brain.close();
  }
  return objectsOf(store);
}

async function change(brain: Brainy, draw: Draw, round: number): Promise<void> {
  await brain.addMany(
    draw.list(6, (i) => ({
      id: `r${(3 * round + i) % 12}`,
      vector: vectorOf(draw, DIMENSIONS),
      metadata: { n: i, s: textOf(draw) },
      data: { round },
      ...(i === 1 && { type: "t", expiresAt: new Date("2099-01-01") }),
    })),
  );
  await brain.update(`r${(3 * round + 1) % 12}`, { metadata: { n: 9, extra: [round] } });
  await brain.update(`r${(3 * round + 2) % 12}`, { vector: [1, 2, 3], data: { moved: round } });
  await brain.delete([`r${(3 * round) % 12}`, "absent"]);
}

async function objectsOf(store: ObjectStore): Promise<Objects> {
  const objects = new Map<string, Uint8Array>();
  for await (const page of store.list()) {
    for (const { key } of page.objects) objects.set(key, (await store.get(key))!.bytes);
  }
  return objects;
}

/** A store that holds these objects. */
export async function storeOf(objects: Objects): Promise<MemoryStore> {
  const store = new MemoryStore({ clock: countingClock() });
  for (const [key, bytes] of objects) await store.put(key, new Uint8Array(bytes));
  return store;
}
