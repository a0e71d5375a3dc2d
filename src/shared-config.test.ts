import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { VirtualTime, settle } from "../test/support/virtual-time.ts";
import { Brainy } from "./brainy.ts";
import { BrainyError } from "./base/errors.ts";
import { seededRandom } from "./base/random.ts";
import { LocalEventBus } from "./cluster/local-event-bus.ts";
import { decodeConfig, isSealedConfig, type ConfigDocument } from "./format/config.ts";
import { ASSIGNMENT_KEY, CONFIG_KEY, FIXED_SETTINGS_KEY, overridesKey } from "./format/keys.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import { metered } from "./storage/layers/metered.ts";
import type { BrainyEvent, BrainyOptions, DistributedOptions } from "./types.ts";

/** A fleet on one store, and the operator who uploads documents to it. */
class World {
  readonly time = new VirtualTime();
  readonly #inner = new MemoryStore({ clock: this.time.machine() });
  readonly #metered = metered(this.#inner);
  readonly store = this.#metered.store;
  readonly counters = this.#metered.counters;
  readonly logged: string[] = [];
  readonly events: (BrainyEvent & { readonly by: string })[] = [];
  #made = 0;

  async open(distributed: DistributedOptions, options: BrainyOptions = {}): Promise<Brainy> {
    const log = (message: string): void => void this.logged.push(message);
    const brain = new Brainy({
      storage: { type: "store", store: this.store },
      pollInterval: 0,
      clock: this.time.machine(),
      random: seededRandom(++this.#made),
      logging: { logger: { info: log, warn: log } },
      distributed,
      ...options,
    });
    onTestFinished(() => brain.close());
    const by = distributed.instanceId ?? "";
    brain.on("*", (event) => this.events.push({ ...event, by }));
    await brain.init();
    await settle();
    return brain;
  }

  /** A writer and a reader, on a database with one record of two dimensions. */
  async fleet(): Promise<{ readonly writer: Brainy; readonly reader: Brainy }> {
    const writer = await this.open({ role: "writer", instanceId: "w" });
    await writer.add([1, 0], {}, { id: "a" });
    const reader = await this.open({ role: "reader", instanceId: "r" });
    await this.time.pass(31_000);
    this.events.length = 0;
    return { writer, reader };
  }

  of(type: string): readonly (BrainyEvent & { readonly by: string })[] {
    return this.events.filter((event) => event.type === type);
  }

  async config(): Promise<ConfigDocument> {
    return decodeConfig((await this.store.get(CONFIG_KEY))!.bytes, CONFIG_KEY);
  }

  /** As with `aws s3 cp`: downloads, changes the settings, uploads. */
  async edit(settings: Readonly<Record<string, unknown>>): Promise<void> {
    const config = await this.config();
    await this.upload({ ...config, settings: { ...config.settings, ...settings } });
  }

  async upload(document: unknown, key = CONFIG_KEY): Promise<void> {
    const text = typeof document === "string" ? document : JSON.stringify(document, undefined, 4);
    await this.store.put(key, new TextEncoder().encode(text));
  }
}

test("[Y1] a setting that may change is in force within 10 s, and the file is ours again", async () => {
  const world = new World();
  await world.fleet();
  const before = await world.config();
  await world.edit({ heartbeatInterval: 5_000 });
  expect(isSealedConfig(await world.config())).toBe(false);
  await world.time.pass(10_000);

  const after = await world.config();
  expect(isSealedConfig(after)).toBe(true);
  expect(after.version).toBe(before.version + 1);
  expect(after.updated > before.updated).toBe(true);
  expect(after.settings).toEqual({ ...before.settings, heartbeatInterval: 5_000 });
  const changes = [{ name: "heartbeatInterval", new: 5_000 }];
  expect(world.of("config_changed").map(({ by, payload }) => [by, payload["changes"]])).toEqual(
    expect.arrayContaining([
      ["w", changes],
      ["r", changes],
    ]),
  );
  expect(world.of("config_changed")).toHaveLength(2);
  expect(world.logged.join("\n")).toMatch(/config_changed.*"heartbeatInterval","new":5000/);

  const { requests } = world.counters.put;
  await world.time.pass(60_000);
  // Twelve of each instance, instead of two.
  expect(world.counters.put.requests - requests).toBeGreaterThanOrEqual(22);
});

test("[Y1] a longer and a shorter interval, a poll, and logging all change without a restart", async () => {
  const world = new World();
  const writer = await world.open({ role: "writer", instanceId: "w" });
  await writer.add([1, 0], {}, { id: "a" });
  const reader = await world.open(
    { role: "reader", instanceId: "r" },
    {
      pollInterval: undefined,
      logging: { logger: { info: (m) => world.logged.push(m), warn: () => {} } },
    },
  );
  await world.edit({ pollInterval: 3_600_000 });
  await world.time.pass(11_000);
  await writer.add([0, 1], {}, { id: "b" });
  await world.time.pass(30_000);
  expect(await reader.count()).toBe(1);
  await world.edit({ pollInterval: 500, verbose: true });
  await world.time.pass(11_000);
  expect(await reader.count()).toBe(2);
  world.logged.length = 0;
  await world.open({ role: "reader", instanceId: "r2" });
  await world.time.pass(31_000);
  expect(world.logged.join("\n")).toMatch(/instance_joined.*"r2"/);
});

test("[Y1] compaction in the background can be switched off and on", async () => {
  const world = new World();
  const indexing = { batchIndexUpdates: false, async: false };
  const writer = await world.open({ role: "writer", instanceId: "w" }, { indexing });
  await writer.add([1, 0], {}, { id: "a" });
  await writer.add([1, 1], {}, { id: "b" });
  expect(writer.getMetrics().index.segments).toBeGreaterThan(0);
  await world.edit({ compaction: false });
  await world.time.pass(21_000);
  const { manifest } = writer.getMetrics().index;
  await writer.add([1, 2], {}, { id: "c" });
  await writer.add([1, 3], {}, { id: "d" });
  expect(writer.getMetrics().index.manifest).toBe(manifest);
  await world.edit({ compaction: true });
  await world.time.pass(10_000);
  await writer.add([1, 4], {}, { id: "e" });
  await writer.add([1, 5], {}, { id: "f" });
  expect(writer.getMetrics().index.manifest).toBeGreaterThan(manifest);
});

test("[Y2] a change of what data depends on is refused, by field, and all go on with what they have", async () => {
  const world = new World();
  const { writer, reader } = await world.fleet();
  for (const [name, value] of [
    ["dimensions", 3],
    ["distanceMetric", "dot"],
    ["partitionCount", 7],
    ["databaseId", "another"],
  ] as const) {
    world.events.length = 0;
    const good = await world.config();
    await world.edit({ [name]: value, heartbeatInterval: 5_000 });
    const uploaded = await world.store.get(CONFIG_KEY);
    await world.time.pass(10_000);
    const refused = world.of("config_refused");
    expect(refused.map(({ by }) => by).toSorted()).toEqual(["r", "w"]);
    expect(refused[0]!.payload).toMatchObject({
      source: CONFIG_KEY,
      field: `settings.${name}`,
      was: good.settings[name],
      is: value,
      wanted: expect.stringContaining(`put ${JSON.stringify(good.settings[name])} back`),
    });
    expect(world.of("config_changed")).toEqual([]);
    // Told once, written by nobody, and no obstacle to work.
    await world.time.pass(60_000);
    expect(world.of("config_refused")).toHaveLength(2);
    expect((await world.store.get(CONFIG_KEY))!.etag).toBe(uploaded!.etag);
    await writer.add([1, 1], {}, { id: `while ${name}` });
    expect(await reader.has(`while ${name}`, { consistency: "strong" })).toBe(true);
    expect((await reader.getDistributedConfig()).settings).toEqual(good.settings);
    // Who opens now is told the same.
    await expect(world.open({ role: "reader", instanceId: "n" })).rejects.toMatchObject({
      code: "BRAINY_CORRUPT",
      message: expect.stringMatching(new RegExp(`settings\\.${name} is .*put .* back`)),
    });
    await world.upload(good);
    await world.time.pass(10_000);
  }
  await world.edit({ heartbeatInterval: 5_000 });
  await world.time.pass(10_000);
  expect(world.of("config_changed")).toHaveLength(2);
});

test("[Y2] what is no document, or has a wrong field, is refused, and says how to put it right", async () => {
  const world = new World();
  const { writer } = await world.fleet();
  const good = await world.config();
  const cases = [
    [JSON.stringify(good).slice(0, 90), "document", /not JSON/],
    ["", "document", /not JSON/],
    [{ ...good, version: "two" }, "version", /whole number/],
    [
      { ...good, settings: { ...good.settings, heartbeatInterval: 1 } },
      "settings.heartbeatInterval",
      /whole number from 1000 to 3600000/,
    ],
  ] as const;
  for (const [document, field, wanted] of cases) {
    world.events.length = 0;
    await world.upload(document);
    await world.time.pass(10_000);
    const refused = world.of("config_refused");
    expect(refused).toHaveLength(2);
    expect(refused[0]!.payload).toMatchObject({ field, wanted: expect.stringMatching(wanted) });
    await writer.add([1, 1], {}, { id: "b" });
    await expect(world.open({ role: "hybrid" })).rejects.toMatchObject({
      code: "BRAINY_CORRUPT",
      message: expect.stringMatching(/upload it again with that put right.*"dimensions":2/),
    });
  }
  world.events.length = 0;
  await world.store.deleteMany([CONFIG_KEY]);
  await world.time.pass(30_000);
  expect(world.of("config_refused")).toHaveLength(2);
  await world.upload(good);
  await world.time.pass(10_000);
  await world.open({ role: "hybrid" });
});

test("[Y3] of all who adopt an edit one writes it again, and readers never do", async () => {
  const world = new World();
  await world.fleet();
  for (let i = 0; i < 4; i++) await world.open({ role: "writer", instanceId: `w${i}` });
  await world.time.pass(60_000);
  const { version } = await world.config();
  await world.edit({ instanceTimeout: 90_000 });
  await world.time.pass(20_000);
  expect((await world.config()).version).toBe(version + 1);
  expect(world.of("config_changed")).toHaveLength(6);

  const readers = new World();
  const maker = await readers.open({ role: "writer", instanceId: "w" });
  await maker.add([1], {}, { id: "a" });
  await maker.close();
  await readers.open({ role: "reader", instanceId: "r" });
  await readers.edit({ instanceTimeout: 90_000 });
  await readers.time.pass(10_000);
  expect(readers.of("config_changed")).toHaveLength(1);
  expect(isSealedConfig(await readers.config())).toBe(false);
  const late = await readers.open({ role: "writer", instanceId: "late" });
  await readers.time.pass(10_000);
  expect(isSealedConfig(await readers.config())).toBe(true);
  expect(late.getHealthStatus().status).toBe("healthy");
});

test("[Y3] [Y6] a store that was full for a while is written to again", async () => {
  const world = new World();
  const { writer } = await world.fleet();
  const put = world.store.put.bind(world.store);
  let isFull = true;
  let refused = 0;
  world.store.put = (key, bytes, options) => {
    if (!isFull || key !== CONFIG_KEY || options?.condition === undefined) {
      return put(key, bytes, options);
    }
    refused++;
    return Promise.reject(new BrainyError("BRAINY_LIMIT", "403 QuotaExceeded"));
  };
  await world.edit({ flushInterval: 1_000 });
  await world.time.pass(31_000);
  expect(isSealedConfig(await world.config())).toBe(false);
  // One attempt a look, not four, and one warning.
  expect(refused).toBe(3);
  expect(world.logged.filter((line) => line.includes("QuotaExceeded"))).toHaveLength(1);
  isFull = false;
  await world.open({ role: "reader", instanceId: "late" });
  await world.time.pass(31_000);
  const config = await world.config();
  expect(isSealedConfig(config)).toBe(true);
  expect(Object.keys(config.instances).toSorted()).toEqual(["late", "r", "w"]);
  expect((await writer.getDistributedConfig()).settings.flushInterval).toBe(1_000);
});

test("[Y2] an edit that arrives damaged is neither refused nor taken up", async () => {
  const world = new World();
  await world.fleet();
  const look = world.store.getIfChanged.bind(world.store);
  const damages = [
    { right: "5000", wrong: "7000" },
    { right: "}", wrong: "" },
  ];
  let damaged = 0;
  world.store.getIfChanged = async (key, etag, options) => {
    const found = await look(key, etag, options);
    if (key !== CONFIG_KEY || found === "unchanged" || found === undefined) return found;
    const damage = damages[damaged++];
    if (damage === undefined) return found;
    const text = new TextDecoder().decode(found.bytes).replace(damage.right, damage.wrong);
    return { ...found, bytes: new TextEncoder().encode(text) };
  };
  await world.edit({ heartbeatInterval: 5_000 });
  await world.time.pass(11_000);
  expect(damaged).toBeGreaterThan(damages.length);
  expect(world.of("config_refused")).toEqual([]);
  expect((await world.config()).settings.heartbeatInterval).toBe(5_000);
  const told = world.of("config_changed").map(({ payload }) => payload["changes"]);
  expect(new Set(told.map((changes) => JSON.stringify(changes)))).toEqual(
    new Set([JSON.stringify([{ name: "heartbeatInterval", new: 5_000 }])]),
  );
  expect(isSealedConfig(await world.config())).toBe(true);
});

test("[Y2] who has made the database refuses a slip without a copy to hold it against", async () => {
  const world = new World();
  const writer = await world.open({ role: "writer", instanceId: "w" });
  const hide = world.store.get.bind(world.store);
  world.store.get = async (key, options) =>
    key === FIXED_SETTINGS_KEY ? undefined : hide(key, options);
  // It knows the settings that it has just made, and has not looked at the document yet.
  const put = world.store.put.bind(world.store);
  let isFirst = true;
  world.store.put = async (key, bytes, options) => {
    const result = await put(key, bytes, options);
    if (key === CONFIG_KEY && isFirst) {
      isFirst = false;
      await world.edit({ partitionCount: 7 });
    }
    return result;
  };
  await writer.add([1, 0], {}, { id: "a" });
  await world.time.pass(31_000);
  const refused = world.of("config_refused").map(({ payload }) => payload["field"]);
  expect(refused).toEqual(["settings.partitionCount"]);
  expect((await world.config()).settings.partitionCount).toBe(7);
  expect(isSealedConfig(await world.config())).toBe(false);
});

test("[Y3] an older document that is uploaded again becomes a newer version", async () => {
  const world = new World();
  await world.fleet();
  const old = await world.config();
  for (const heartbeatInterval of [5_000, 6_000]) {
    await world.edit({ heartbeatInterval });
    await world.time.pass(10_000);
  }
  await world.upload(old);
  await world.time.pass(10_000);
  const { version, settings } = await world.config();
  expect(version).toBe(old.version + 3);
  expect(settings.heartbeatInterval).toBeUndefined();
});

test("[Y4] a hint makes the others look at once", async () => {
  const world = new World();
  const bus = new LocalEventBus();
  const hinted = { coordinationMethod: "pubsub", coordinator: bus } as const;
  const writer = await world.open({ role: "writer", instanceId: "w", ...hinted });
  await writer.add([1], {}, { id: "a" });
  await world.time.pass(5_000);
  await world.open({ role: "reader", instanceId: "r", ...hinted });
  await world.edit({ heartbeatInterval: 5_000 });
  await writer.getDistributedConfig();
  expect(world.of("config_changed").map(({ by }) => by)).toEqual(["w"]);
  await world.time.pass(900);
  expect(world.of("config_changed").map(({ by }) => by)).toEqual(["w", "r"]);
});

test("[Y5] overrides of one instance go before its options, and shared settings after them", async () => {
  const world = new World();
  await world.fleet();
  await world.upload({ role: "hybrid", heartbeatInterval: 2_000 }, overridesKey("x"));
  const x = await world.open({ role: "writer", instanceId: "x", heartbeatInterval: 50_000 });
  expect(x.getHealthStatus().role).toBe("hybrid");
  expect(world.logged.join("\n")).toMatch(
    /_brainy\/instances\/x\.json overrides distributed\.role/,
  );
  const beats = async (ms: number) => {
    const { requests } = world.counters.put;
    await world.time.pass(ms);
    return world.counters.put.requests - requests;
  };
  await beats(10_000);
  expect(await beats(20_000)).toBeGreaterThanOrEqual(10);

  // Of the shared settings, what the options say is hidden, and said to be.
  await world.store.deleteMany([overridesKey("x")]);
  await world.edit({ heartbeatInterval: 5_000 });
  await world.time.pass(10_000);
  const told = world.of("config_changed").filter(({ by }) => by === "x");
  expect(told.map(({ payload }) => payload)).toEqual([
    expect.objectContaining({
      source: overridesKey("x"),
      changes: [{ name: "heartbeatInterval", old: 2_000 }],
      hidden: [],
    }),
    expect.objectContaining({ source: CONFIG_KEY, hidden: ["heartbeatInterval"] }),
  ]);

  world.events.length = 0;
  await world.upload({ heartbeatIntervall: 1_000 }, overridesKey("x"));
  await world.time.pass(301_000);
  expect(world.of("config_refused").map(({ by, payload }) => [by, payload["message"]])).toEqual([
    ["x", expect.stringMatching(/instances\/x\.json.*meant is heartbeatInterval\?/)],
  ]);
  await expect(world.open({ role: "writer", instanceId: "x" })).rejects.toThrow(/meant is/);
});

test("[Y5] the environment goes before an operator's role", async () => {
  process.env["BRAINY_ROLE"] = "reader";
  onTestFinished(() => void delete process.env["BRAINY_ROLE"]);
  const world = new World();
  await world.upload({ role: "writer" }, overridesKey("x"));
  const x = await world.open({ instanceId: "x" });
  expect(x.getHealthStatus().role).toBe("reader");
  expect(world.logged.join("\n")).toMatch(/BRAINY_ROLE=reader overrides _brainy\/instances\/x/);
});

test("[Y6] the file shows who is there, and is rewritten when that changes and not else", async () => {
  const world = new World();
  const { writer, reader } = await world.fleet();
  const { version } = await world.config();
  const shown = async () => (await world.config()).instances;
  expect(await shown()).toEqual({
    w: {
      role: "writer",
      status: "active",
      lastHeartbeat: expect.stringMatching(/^\d{4}-.*Z$/),
      metrics: { vectorCount: 1, cacheHitRate: 0, memoryUsage: expect.any(Number) },
    },
    r: expect.objectContaining({ role: "reader", status: "active" }),
  });
  const { etag } = (await world.store.head(CONFIG_KEY))!;
  await world.time.pass(20 * 60_000);
  expect((await world.store.head(CONFIG_KEY))!.etag).toBe(etag);

  await reader.close();
  await world.time.pass(250_000);
  expect(Object.keys(await shown())).toEqual(["w"]);
  const second = await world.open({ role: "writer", instanceId: "a" });
  await world.time.pass(250_000);
  expect(Object.keys(await shown()).toSorted()).toEqual(["a", "w"]);
  await second.close();
  await writer.close();
  expect(await shown()).toEqual({});
  const { version: after, settings } = await world.config();
  expect(after).toBe(version);
  expect(settings.dimensions).toBe(2);
  expect(isSealedConfig(await world.config())).toBe(true);
});

test("[Y6] a writer without an index that maintains shows who has come", async () => {
  const world = new World();
  const writer = await world.open({ role: "writer", instanceId: "w" }, { writeOnly: true });
  await writer.add([1, 0], {}, { id: "a" });
  await writer.compact();
  await world.open({ role: "hybrid", instanceId: "h" });
  await world.time.pass(250_000);
  expect(Object.keys((await world.config()).instances).toSorted()).toEqual(["h", "w"]);
});

test("[Y6] a document that was refused is not written over to show instances", async () => {
  const world = new World();
  await world.fleet();
  const good = await world.config();
  const other = { ...good, settings: { ...good.settings, distanceMetric: "dot" } };
  await world.upload(other);
  await world.time.pass(10_000);
  // Somebody joins who saw the good one.
  await world.upload(good);
  await world.open({ role: "reader", instanceId: "late" });
  await world.upload(other);
  await world.time.pass(61_000);
  expect(world.of("instance_joined").map(({ payload }) => payload["instanceId"])).toContain("late");
  const { settings, instances } = await world.config();
  expect(settings.distanceMetric).toBe("dot");
  expect(instances).not.toHaveProperty("late");
});

test("[Y7] what data depends on is kept beside the document once it is fixed", async () => {
  const world = new World();
  const { writer } = await world.fleet();
  const kept = await world.store.get(FIXED_SETTINGS_KEY);
  expect(JSON.parse(new TextDecoder().decode(kept!.bytes))).toMatchObject({
    databaseId: (await world.config()).settings.databaseId,
    dimensions: 2,
    distanceMetric: "cosine",
  });
  // One that a crash has left unwritten is written by the fleet.
  await world.store.deleteMany([FIXED_SETTINGS_KEY]);
  const other = await world.open({ role: "writer", instanceId: "x" });
  await world.time.pass(21_000);
  expect((await world.store.get(FIXED_SETTINGS_KEY))?.etag).toBeDefined();
  expect(other.getHealthStatus().status).toBe(writer.getHealthStatus().status);
});

test("[Y8] an idle hour costs 60 conditional GETs, and 12 for overrides that are not there", async () => {
  const world = new World();
  const { reader } = await world.fleet();
  const gets = async (ms: number) => {
    const { requests } = world.counters.get;
    await world.time.pass(ms);
    return world.counters.get.requests - requests;
  };
  await reader.close();
  await gets(11 * 60_000);
  // That of partitions has a price of its own.
  const get = world.store.get.bind(world.store);
  let assignments = 0;
  world.store.get = (key, options) => {
    if (key === ASSIGNMENT_KEY) assignments++;
    return get(key, options);
  };
  expect((await gets(3_600_000)) - assignments).toBeLessThanOrEqual(74);
});

test("verbose logs say how the role was found, what the settings were changed to, and who came and went", async () => {
  const world = new World();
  const log = (message: string): void => void world.logged.push(message);
  const logging = { verbose: true, logger: { info: log, warn: log } };
  const writer = await world.open({ role: "auto", instanceId: "w" }, { logging });
  await writer.add([1], {}, { id: "a" });
  const other = await world.open({ role: "reader", instanceId: "r" });
  await world.time.pass(31_000);
  await world.edit({ instanceTimeout: 90_000 });
  await world.time.pass(10_000);
  await other.close();
  await world.time.pass(31_000);
  const said = world.logged.join("\n");
  for (const line of [
    /role writer: distributed\.role: "auto", and no live writer is registered/,
    /instance_joined \{"instanceId":"r",.*"role":"reader"/,
    /config_changed .*"version":2,"changes":\[\{"name":"instanceTimeout","new":90000\}\]/,
    /instance_left \{"instanceId":"r",.*"reason":"closed"/,
  ]) {
    expect(said).toMatch(line);
  }
});

test("[Y1] in a folder the file is edited until programs have changed it, then its newest version", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-shared-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await using brain = new Brainy({
    storage: folder,
    distributed: { role: "writer", instanceId: "w" },
    logging: { logger: { info: () => undefined, warn: () => undefined } },
  });
  const changes: unknown[] = [];
  brain.on("config_changed", ({ payload }) => changes.push(payload["changes"]));
  await brain.add([1, 0], {}, { id: "a" });
  await brain.getDistributedConfig();
  const edit = (path: string, heartbeatInterval: number): void => {
    const document = JSON.parse(readFileSync(path, "utf8"));
    const settings = { ...document.settings, heartbeatInterval };
    writeFileSync(path, JSON.stringify({ ...document, settings }));
  };
  const plain = join(folder, "_brainy/config.json");
  edit(plain, 5_000);
  await brain.getDistributedConfig();
  const versions = join(folder, "_brainy/.config.json.versions");
  edit(join(versions, readdirSync(versions).toSorted().at(-1)!), 6_000);
  const { settings, version } = await brain.getDistributedConfig();
  expect(changes).toEqual([
    [{ name: "heartbeatInterval", new: 5_000 }],
    [{ name: "heartbeatInterval", old: 5_000, new: 6_000 }],
  ]);
  expect({ version, interval: settings.heartbeatInterval }).toEqual({
    version: 3,
    interval: 6_000,
  });
  // The copy for people follows.
  expect(JSON.parse(readFileSync(plain, "utf8"))).toMatchObject({ version: 3, settings });
});
