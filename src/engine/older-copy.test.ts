import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import type { Executor } from "./compaction.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import { listManifests } from "./manifest-store.ts";

type Copy = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** One store, its copies, and processes over it. */
class World {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ clock: this.clock });
  #seed = 1;
  /** Called before a job of compaction runs. */
  onJob: () => Promise<void> = async () => {};

  open(more: Partial<DatabaseOptions> = {}): Promise<Database> {
    const { clock, store } = this;
    const random = seededRandom(this.#seed++);
    const executor = async (): Promise<Executor> => {
      const inner = inlineExecutor({ store, clock, random });
      const run: Executor["run"] = async (job, signal) => {
        const result = await inner.run(job, signal);
        await this.onJob();
        return result;
      };
      return { name: "inline", run, [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose]() };
    };
    return Database.open({
      store,
      clock,
      random,
      executor,
      readOnly: false,
      wanted: {},
      compaction: DEFAULT_COMPACTION,
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
      ...more,
    });
  }

  async copy(): Promise<Copy> {
    const copy = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const key of await keysOf(this.store)) {
      copy.set(key, new Uint8Array((await this.store.get(key))!.bytes));
    }
    return copy;
  }

  async putBack(copy: Copy): Promise<void> {
    this.clock.advance(60_000);
    await this.store.deleteMany(await keysOf(this.store));
    for (const [key, bytes] of copy) await this.store.put(key, bytes);
  }
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects } of store.list({})) keys.push(...objects.map(({ key }) => key));
  return keys;
}

async function write(database: Database, id: string): Promise<void> {
  const draft = { kind: "put", id, content: "{}", metadata: "{}" } as const;
  await database.write({ drafts: [draft], bytes: 100 });
}

function count(database: Database, level: "strong" | "eventual"): Promise<number> {
  return database.read({ level }, async (view) => view.recordCount);
}

const FENCED = { code: "BRAINY_FENCED", action: "reopen" };

test("[G1] a copy that was put back shows what it held, and nothing that came later", async () => {
  const world = new World();
  const first = await world.open();
  await write(first, "a");
  await first.compact();
  await write(first, "b");
  const copy = await world.copy();
  await write(first, "c");
  await first.compact();
  await first.close();
  await world.putBack(copy);
  const second = await world.open();
  expect(await count(second, "strong")).toBe(2);
  await write(second, "d");
  await second.compact({ force: "compact" });
  expect(await count(await world.open(), "strong")).toBe(3);
});

test("[G2] a reader that knows a slot which is gone says reopen, and says it from then on", async () => {
  const world = new World();
  const writer = await world.open();
  await write(writer, "a");
  const copy = await world.copy();
  await write(writer, "b");
  const reader = await world.open({ readOnly: true });
  await world.putBack(copy);
  expect(await count(reader, "eventual")).toBe(2);
  await expect(count(reader, "strong")).rejects.toMatchObject(FENCED);
  await expect(count(reader, "eventual")).rejects.toMatchObject(FENCED);
  await reader.close();
  expect(await count(await world.open({ readOnly: true }), "strong")).toBe(1);
});

test("[G2] a reader whose manifest is gone says reopen, and does not go on with its own", async () => {
  const world = new World();
  const writer = await world.open();
  await write(writer, "a");
  await writer.compact();
  const copy = await world.copy();
  await write(writer, "b");
  await writer.compact();
  const reader = await world.open({ readOnly: true });
  await world.putBack(copy);
  await expect(count(reader, "strong")).rejects.toMatchObject(FENCED);
});

test("[G2] another history that has come as far as the old one is not taken for it", async () => {
  const world = new World();
  const writer = await world.open();
  await write(writer, "a");
  await writer.compact();
  const copy = await world.copy();
  await write(writer, "b");
  await writer.compact();
  const reader = await world.open({ readOnly: true });
  await count(reader, "strong");
  const [newest] = (await listManifests(world.store)).slice(-1);
  await world.putBack(copy);
  const other = await world.open();
  for (let i = 0; (await listManifests(world.store)).at(-1)! <= newest!; i++) {
    await write(other, `c${i}`);
    await other.compact();
  }
  await expect(count(reader, "strong")).rejects.toMatchObject(FENCED);
});

test("[G2] a reader that knows nothing which is gone goes on", async () => {
  const world = new World();
  const writer = await world.open();
  await write(writer, "a");
  await writer.compact();
  await write(writer, "b");
  const reader = await world.open({ readOnly: true });
  await writer.close();
  await world.putBack(await world.copy());
  expect(await count(reader, "strong")).toBe(2);
});

for (const writeOnly of [false, true]) {
  const who = writeOnly ? "a writer without an index" : "a writer";
  test(`[G3] ${who} whose lane has lost slots appends nothing from its next look on`, async () => {
    const world = new World();
    const writer = await world.open({ writeOnly, compaction: false });
    await write(writer, "a");
    const copy = await world.copy();
    await write(writer, "b");
    await world.putBack(copy);
    await expect(writer.catchUp()).rejects.toMatchObject(FENCED);
    await expect(write(writer, "c")).rejects.toMatchObject(FENCED);
    await writer.close();
    expect((await keysOf(world.store)).toSorted()).toEqual([...copy.keys()].toSorted());
    expect(await count(await world.open(), "strong")).toBe(1);
  });
}

test("[G4] a job that read a manifest which is gone by its end commits nothing", async () => {
  const world = new World();
  const writer = await world.open();
  await write(writer, "a");
  await writer.compact({ force: "flush" });
  const copy = await world.copy();
  // Another floor and nothing else, so that what a job makes of it would fit the copy too.
  await writer.compact({ force: "compact" });
  await write(writer, "b");
  const manifests = [...copy.keys()].filter((key) => key.includes("/manifests/"));
  expect((await listManifests(world.store)).length).toBeGreaterThan(manifests.length);
  world.onJob = () => world.putBack(copy);
  await writer.compact({ force: "flush" }).catch(() => undefined);
  const keys = (await keysOf(world.store)).filter((key) => key.includes("/manifests/"));
  expect(keys.toSorted()).toEqual(manifests.toSorted());
  world.onJob = async () => {};
  expect(await count(await world.open(), "strong")).toBe(1);
});
