import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { decodeConfig } from "../format/config.ts";
import { CONFIG_KEY, FIXED_SETTINGS_KEY, manifestKey } from "../format/keys.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { DEFAULT_COMPACTION } from "./compaction-plan.ts";
import { DEFAULT_LIMITS } from "./database-limits.ts";
import { Database } from "./database.ts";
import { inlineExecutor } from "./executor-inline.ts";
import type { Draft } from "../format/operation.ts";
import { createSettings, fixDimensions, readSettings, type WantedSettings } from "./settings.ts";

function world() {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  let seed = 1;
  const open = async (
    wanted: WantedSettings = {},
    store = scripted(inner),
    machine = new FakeClock(clock.time),
  ) => {
    const random = seededRandom(seed++);
    const database = await Database.open({
      store,
      clock: machine,
      random,
      executor: async () => inlineExecutor({ store, clock, random }),
      readOnly: false,
      wanted,
      compaction: DEFAULT_COMPACTION,
      indexing: { async: true, batchIndexUpdates: true },
      limits: DEFAULT_LIMITS,
    });
    return { database, store };
  };
  const create = (wanted: WantedSettings = {}) =>
    createSettings({ store: inner, clock, random: seededRandom(seed++), wanted });
  const fix = (dimensions: number, store = scripted(inner)) =>
    fixDimensions({ store, clock, random: seededRandom(seed++), dimensions });
  const stored = async () =>
    decodeConfig((await inner.get(CONFIG_KEY))!.bytes, CONFIG_KEY).settings;
  return { clock, inner, open, create, fix, stored };
}

const put = (id: string, dimensions?: number): { drafts: Draft[]; bytes: number } => ({
  drafts: [
    {
      kind: "put",
      id,
      content: "",
      metadata: "{}",
      ...(dimensions !== undefined && { vector: new Float32Array(dimensions).fill(1) }),
    },
  ],
  bytes: 64,
});

test("[S1] settings are in the store before the first slot that depends on them", async () => {
  const { open, inner } = world();
  const { database, store } = await open();
  store.script = {
    before: async (request) => {
      if (!request.startsWith("put _brainy/wal/")) return;
      const config = await readSettings(inner);
      expect(config?.settings.dimensions).toBe(384);
    },
  };
  await database.write(put("a", 384));
  await database.close();
  const puts = store.requests.filter((request) => request.startsWith("put"));
  expect(puts[0]).toBe(`put ${CONFIG_KEY}`);
  expect(puts[1]).toBe(`put ${FIXED_SETTINGS_KEY}`);
  expect(puts[2]).toBe(`put ${manifestKey(1)}`);
  expect(puts).toHaveLength(6);
});

test("[S2] dimensions that another process fixes between two reads were not taken out", async () => {
  const { create, fix, inner, stored } = world();
  await create();
  const store = scripted(inner);
  let isFixed = false;
  store.script = {
    before: async (request) => {
      if (isFixed || request !== `get ${FIXED_SETTINGS_KEY}`) return;
      isFixed = true;
      await fix(384);
    },
  };
  expect((await fix(384, store)).settings.dimensions).toBe(384);
  expect(isFixed).toBe(true);
  expect((await stored()).dimensions).toBe(384);
});

test("[S1] [S2] of two processes with dimensions left open one wins, the other writes nothing", async () => {
  for (const first of [384, 768]) {
    const { open, inner, stored } = world();
    // A database of records without vectors: nothing has fixed the dimensions yet.
    const { database: earlier } = await open();
    await earlier.write(put("no vector"));
    await earlier.close();
    expect((await stored()).dimensions).toBeUndefined();

    const processes = [await open(), await open()];
    const sizes = [first, first === 384 ? 768 : 384];
    const outcomes = await Promise.allSettled(
      processes.map(({ database }, i) => database.write(put(`p${i}`, sizes[i]))),
    );
    const won = outcomes.findIndex(({ status }) => status === "fulfilled");
    const lost = outcomes.find((outcome) => outcome.status === "rejected");
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect((await stored()).dimensions).toBe(sizes[won]);
    expect(lost?.reason).toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
    expect(String(lost?.reason)).toContain(`dimensions ${sizes[won]}, not ${sizes[1 - won]}`);
    const wrote = processes.map(({ store }) =>
      store.requests.some((request) => request.startsWith("put _brainy/wal/")),
    );
    expect(wrote).toEqual([won === 0, won === 1]);
    for (const { database } of processes) await database.close();
    const reader = await open();
    expect(reader.database.view?.recordCount).toBe(2);
    expect(await inner.head(CONFIG_KEY)).toBeDefined();
  }
});

test("[S1] of two processes that create a database one wins, and the other compares", async () => {
  const { open, stored } = world();
  const [a, b] = [await open(), await open({ dimensions: 768 })];
  const outcomes = await Promise.allSettled([
    a.database.write(put("a", 384)),
    b.database.write(put("b", 768)),
  ]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect([384, 768]).toContain((await stored()).dimensions);
});

test("[S4] who is second to create settings does not take what somebody made of them since", async () => {
  const { create, inner } = world();
  await create({ metric: "euclidean" });
  const { bytes } = (await inner.get(CONFIG_KEY))!;
  const text = new TextDecoder().decode(bytes).replace('"euclidean"', '"dot"');
  await inner.put(CONFIG_KEY, new TextEncoder().encode(text));
  for (const metric of ["euclidean", "dot"] as const) {
    await expect(create({ metric })).rejects.toMatchObject({
      code: "BRAINY_CORRUPT",
      message: expect.stringContaining('put "euclidean" back') as string,
    });
  }
});

test("[S4] a fixed setting that somebody adds is noticed like one that somebody changes", async () => {
  const { create, inner } = world();
  await create();
  const { bytes } = (await inner.get(CONFIG_KEY))!;
  const text = new TextDecoder().decode(bytes);
  const edited = text.replace('"partitionCount"', '"partitioner": "mine", "partitionCount"');
  await inner.put(CONFIG_KEY, new TextEncoder().encode(edited));
  await expect(readSettings(inner)).rejects.toMatchObject({
    code: "BRAINY_CORRUPT",
    message: expect.stringContaining('settings.partitioner is "mine"') as string,
  });
});

test("[S1] two first vectors of one process, of two lengths: the later one is refused", async () => {
  for (const isNew of [true, false]) {
    const { open, create, stored } = world();
    if (!isNew) await create();
    const { database } = await open();
    const outcomes = await Promise.allSettled([
      database.write(put("a", 384)),
      database.write(put("b", 768)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((await stored()).dimensions).toBe(384);
    expect(database.view?.recordCount).toBe(1);
  }
});

test("[S2] a compare and swap that was lost, or not answered, is looked at", async () => {
  for (const fault of ["before", "after"] as const) {
    const { create, fix, inner, stored } = world();
    await create();
    const store = scripted(inner);
    let faults = 3;
    store.script = {
      [fault]: (request: string) => {
        if (request.startsWith("put") && faults-- > 0) {
          throw new BrainyError("BRAINY_UNAVAILABLE", "no answer");
        }
      },
    };
    const config = await fix(384, store);
    expect(config.settings.dimensions).toBe(384);
    expect((await stored()).dimensions).toBe(384);
    expect(config.version).toBe(2);
  }
});

test("[S2] a change of the file by hand at the same moment is kept", async () => {
  const { create, fix, inner, clock } = world();
  await create();
  const store = scripted(inner);
  let isEdited = false;
  store.script = {
    before: async (request) => {
      if (isEdited || !request.startsWith("put")) return;
      isEdited = true;
      const { bytes } = (await inner.get(CONFIG_KEY))!;
      const edited = { ...JSON.parse(new TextDecoder().decode(bytes)), note: "by hand" };
      await inner.put(CONFIG_KEY, new TextEncoder().encode(JSON.stringify(edited)));
      clock.advance(1);
    },
  };
  const config = await fix(384, store);
  expect(config).toMatchObject({ note: "by hand", settings: { dimensions: 384 } });
  expect(store.requests.filter((request) => request === `put ${CONFIG_KEY}`)).toHaveLength(2);
});

test("[S2] races are bounded", async () => {
  const { create, fix, inner } = world();
  await create();
  const store = scripted(inner);
  store.script = {
    before: async (request) => {
      if (!request.startsWith("put")) return;
      const { bytes } = (await inner.get(CONFIG_KEY))!;
      await inner.put(CONFIG_KEY, bytes);
    },
  };
  await expect(fix(384, store)).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
  expect(store.requests.filter((request) => request.startsWith("put"))).toHaveLength(16);
});

test("[S3] fixed settings that differ from what is asked for are refused, naming both", async () => {
  const { create, open } = world();
  await create({ dimensions: 384, metric: "cosine", embeddingModel: "a" });
  const cases: readonly (readonly [WantedSettings, string])[] = [
    [{ dimensions: 768 }, "dimensions 384, not 768"],
    [{ metric: "dot" }, "metric cosine, not dot"],
    [{ embeddingModel: "b" }, "embedding model a, not b"],
  ];
  for (const [wanted, message] of cases) {
    const opening = open(wanted);
    await expect(opening).rejects.toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
    await expect(opening).rejects.toThrow(message);
  }
  const { database } = await open({ dimensions: 384, metric: "cosine", embeddingModel: "a" });
  expect([database.dimensions, database.metric]).toEqual([384, "cosine"]);
});

test("[S3] what is not asked for is taken from the store", async () => {
  const { create, open } = world();
  await create({ dimensions: 3, metric: "dot" });
  const { database } = await open();
  expect([database.dimensions, database.metric]).toEqual([3, "dot"]);
});

test("[S4] a database whose settings are gone is not taken for a new one", async () => {
  const { create, fix, open, inner } = world();
  const { database } = await open();
  await database.write(put("a", 3));
  await database.compact();
  await database.close();
  await inner.deleteMany([CONFIG_KEY]);
  expect(await inner.head(manifestKey(1))).toBeDefined();
  await expect(open()).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  const empty = world();
  await empty.create();
  await empty.inner.deleteMany([CONFIG_KEY]);
  await expect(empty.fix(3)).rejects.toMatchObject({ code: "BRAINY_FENCED" });
  expect([create, fix]).toHaveLength(2);
});

test("[S4] a flipped bit of a fixed setting is noticed though no dimensions were ever fixed", async () => {
  const { open, inner } = world();
  const { database } = await open();
  await database.write(put("a"));
  await database.close();
  const { bytes } = (await inner.get(CONFIG_KEY))!;
  const text = new TextDecoder().decode(bytes);
  const flipped = text.replace('"partitionCount": 100', '"partitionCount": 500');
  expect(flipped).not.toBe(text);
  await inner.put(CONFIG_KEY, new TextEncoder().encode(flipped));
  await expect(open()).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  await inner.put(CONFIG_KEY, bytes);
  expect((await open()).database.stats().records).toBe(1);
});

test("[S4] an edited document is not used while its copy cannot be read, one that nobody edited is", async () => {
  const { open, inner } = world();
  const { database } = await open();
  await database.write(put("a"));
  await database.close();
  const config = (await inner.get(CONFIG_KEY))!.bytes;
  const copy = (await inner.get(FIXED_SETTINGS_KEY))!.bytes;
  const edited = new TextDecoder().decode(config).replace(": 100,", ": 180,");
  await inner.put(CONFIG_KEY, new TextEncoder().encode(edited));
  const refusal = { code: "BRAINY_CORRUPT" };
  for (const bytes of [copy.slice(0, 40), copy.map((byte, i) => (i === 90 ? byte ^ 1 : byte))]) {
    await inner.put(FIXED_SETTINGS_KEY, bytes);
    await expect(open()).rejects.toMatchObject(refusal);
    await expect(open()).rejects.toThrow("cannot be held against its copy");
  }
  await inner.put(CONFIG_KEY, config);
  expect((await open()).database.stats().records).toBe(1);
  await inner.put(CONFIG_KEY, new TextEncoder().encode(edited));
  await inner.put(FIXED_SETTINGS_KEY, copy);
  await expect(open()).rejects.toThrow("put 100 back");
});

test("[S2] dimensions are not fixed while a copy that may have them cannot be read", async () => {
  const { create, fix, inner, stored } = world();
  await create();
  const before = (await inner.get(CONFIG_KEY))!.bytes;
  await fix(384);
  // A document from before, sealed as it was, and a copy that has the dimensions.
  await inner.put(CONFIG_KEY, before);
  const copy = (await inner.get(FIXED_SETTINGS_KEY))!.bytes;
  await inner.put(FIXED_SETTINGS_KEY, copy.slice(1));
  await expect(fix(768)).rejects.toThrow("cannot be held against its copy");
  expect((await stored()).dimensions).toBeUndefined();
  await inner.put(FIXED_SETTINGS_KEY, copy);
  await expect(fix(768)).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
});

test("[S4] settings that are damaged into those of another database are not used", async () => {
  const { open, inner } = world();
  const { database } = await open();
  await database.write(put("a"));
  await database.compact();
  await database.close();
  // As it was before the copy was made together with the settings.
  await inner.deleteMany([FIXED_SETTINGS_KEY]);
  const { bytes } = (await inner.get(CONFIG_KEY))!;
  const [id] = /(?<="databaseId": ?")[0-9a-f]+/.exec(new TextDecoder().decode(bytes))!;
  const other = new TextDecoder().decode(bytes).replace(id, `${id.slice(1)}0`);
  await inner.put(CONFIG_KEY, new TextEncoder().encode(other));
  const opening = open();
  await expect(opening).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  await expect(opening).rejects.toThrow(`put "${id}" back`);
  await inner.put(CONFIG_KEY, bytes);
  expect((await open()).database.stats().records).toBe(1);
});

test("[S5] opening and reading write nothing, and a store stays empty until the first write", async () => {
  const { open, inner } = world();
  const { database, store } = await open();
  expect(await database.read({ level: "strong" }, async (view) => view.recordCount)).toBe(0);
  await database.close();
  expect(store.requests.filter((request) => !/^(get|list) /.test(request))).toEqual([]);
  const pages = [];
  for await (const page of inner.list()) pages.push(...page.objects);
  expect(pages).toEqual([]);
});

test("[S5] a process that opened an empty store finds the database another one made there", async () => {
  const { open } = world();
  const [reader, writer] = [await open(), await open()];
  await writer.database.write(put("a", 3));
  const read = (level: "strong" | "eventual") =>
    reader.database.read({ level }, async (view) => view.recordCount);
  expect(await read("strong")).toBe(1);
  await writer.database.write(put("b", 3));
  expect(await read("eventual")).toBe(1);
  expect(await read("strong")).toBe(2);
});

test("[S6] vectors that come before the dimensions were read here are taken as they are", async () => {
  const { open } = world();
  const [a, b] = [await open(), await open()];
  await a.database.write(put("no vector"));
  // B has read settings without dimensions; A fixes them and writes.
  await b.database.write(put("neither"));
  b.store.script = {
    before: async (request) => {
      if (request !== "list _brainy/wal/") return;
      b.store.script = {};
      await a.database.write(put("a", 3));
    },
  };
  const count = await b.database.read({ level: "strong" }, async (view) => view.recordCount);
  expect(count).toBe(3);
  await expect(b.database.write(put("b", 4))).rejects.toThrow("dimensions 3, not 4");
});

test("[W4] a clock that is wrong creates nothing in an empty store", async () => {
  const { open, clock, inner } = world();
  const { database } = await open({}, undefined, new FakeClock(clock.time, 60_000));
  await expect(database.write(put("a", 3))).rejects.toThrow("60000 ms ahead");
  const keys = [];
  for await (const page of inner.list({ prefix: "_brainy/wal/" })) keys.push(...page.objects);
  expect(keys).toEqual([]);
});
