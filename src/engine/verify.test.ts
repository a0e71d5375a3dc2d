import { expect, test } from "vitest";
import { decodeConfig, encodeConfig, isSealedConfig, sealConfig } from "../format/config.ts";
import { encodeFixedSettings } from "../format/fixed-settings.ts";
import {
  CONFIG_KEY,
  FIXED_SETTINGS_KEY,
  manifestKey,
  segmentKey,
  slotKey,
} from "../format/keys.ts";
import { encodeManifest, type SegmentId } from "../format/manifest.ts";
import { Fleet, patch, put, remove } from "../../test/support/fleet.ts";
import { createCheckpoint, readCheckpoint } from "./checkpoint.ts";
import { keepFixedSettings } from "./fixed-settings.ts";
import { readManifest } from "./manifest-store.ts";
import { createSettings } from "./settings.ts";
import { verifyStore, type VerifyReport } from "./verify.ts";

/** Two segments, one with masks, and a tail. */
async function filled(): Promise<{
  readonly fleet: Fleet;
  readonly lane: { readonly id: string; readonly close: () => Promise<unknown> };
}> {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const { maintenance } = fleet.maintenance();
  await lane.append([put("a", 1, [1, 2, 3]), put("b", 2, [4, 5, 6]), put("c", 3)]);
  await lane.append(Array.from({ length: 9 }, (_, i) => put(`r${i}`, i)));
  await maintenance.run({ force: "flush" });
  await lane.append([remove("a"), patch("b", { more: 1 })]);
  await maintenance.run({ force: "flush" });
  await lane.append([put("d", 4)]);
  await lane.append([put("e", 5)]);
  return { fleet, lane };
}

function verify(fleet: Fleet, repair = false): Promise<VerifyReport> {
  const { store, clock, random } = fleet;
  return verifyStore({ store, clock, random, repair });
}

function errors(report: VerifyReport): string[] {
  return report.problems.filter(({ severity }) => severity === "error").map(({ key }) => key);
}

/** Turns one bit around in the middle of an object. */
async function damage(fleet: Fleet, key: string): Promise<void> {
  const { bytes } = (await fleet.store.get(key))!;
  bytes[bytes.length >> 1]! ^= 4;
  await fleet.store.put(key, bytes);
}

test("a sound store has no errors, and every object is counted", async () => {
  const { fleet } = await filled();
  let last = 0;
  const { store, clock, random } = fleet;
  const report = await verifyStore({ store, clock, random, onProgress: (n) => (last = n) });
  expect(report).toMatchObject({ ok: true, problems: [] });
  // Three manifests, two segments, six slots.
  expect(report.objects).toBe(11);
  expect(last).toBe(11);
});

test("an empty store is sound", async () => {
  expect(await verify(new Fleet())).toMatchObject({ ok: true, objects: 0, problems: [] });
});

test("a flipped bit in any object is an error of that object", async () => {
  const { fleet } = await filled();
  const keys: string[] = [];
  for await (const page of fleet.store.list()) keys.push(...page.objects.map(({ key }) => key));
  for (const key of keys) {
    const { bytes } = (await fleet.store.get(key))!;
    await damage(fleet, key);
    const report = await verify(fleet);
    expect(report.ok, key).toBe(false);
    expect(errors(report), key).toContain(key);
    await fleet.store.put(key, bytes);
  }
  expect((await verify(fleet)).ok).toBe(true);
});

test("a segment or a needed slot that is missing is an error, a covered slot is not", async () => {
  const { fleet, lane } = await filled();
  const slot = (number: number): string => slotKey(lane.id as never, number);
  await fleet.store.deleteMany([slot(0), slot(1)]);
  expect((await verify(fleet)).ok).toBe(true);
  await fleet.store.deleteMany([slot(4)]);
  expect(errors(await verify(fleet))).toEqual([slot(4)]);
  const [segment] = (await fleet.newest()).segments;
  await fleet.store.deleteMany([segment!.key]);
  expect(errors(await verify(fleet))).toContain(segment!.key);
});

test("a missing manifest breaks the chain, and a damaged newest one says what to do", async () => {
  const { fleet } = await filled();
  await fleet.store.deleteMany([manifestKey(2)]);
  expect(errors(await verify(fleet))).toEqual([manifestKey(3)]);
  await damage(fleet, manifestKey(3));
  const report = await verify(fleet, true);
  expect(report.problems.map(({ problem }) => problem).join()).toContain("restore this object");
  expect(await fleet.store.head(manifestKey(4))).toBeUndefined();
});

test("[M1] two unmasked rows of one id are found", async () => {
  const { fleet } = await filled();
  const newest = await fleet.newest();
  const segments = newest.segments.map((segment) => ({ ...segment, deletions: undefined }));
  const broken = { ...newest, segments };
  await fleet.store.put(manifestKey(newest.number), encodeManifest(broken));
  const report = await verify(fleet);
  expect(report.problems.map(({ problem }) => problem).join()).toContain('are both of "a"');
});

test("repair collects garbage and expired checkpoints, and touches nothing else", async () => {
  const { fleet } = await filled();
  const { store, clock, random, databaseId } = fleet;
  const orphan = segmentKey(fleet.newUlid() as SegmentId, 1);
  await store.put(orphan, Uint8Array.of(1));
  await store.put("notes.txt", Uint8Array.of(1));
  await createCheckpoint({ store, clock, random, databaseId, name: "old", expiresInMs: 1 });
  clock.advance(200_000);
  const found = await verify(fleet);
  expect(found).toMatchObject({ ok: true });
  expect(found.problems).toHaveLength(3);
  expect(await store.head(orphan)).toBeDefined();
  const { problems } = await verify(fleet, true);
  expect(problems.filter(({ repaired }) => repaired).map(({ key }) => key)).toEqual([
    "_brainy/checkpoints/old.json",
    orphan,
  ]);
  expect(await store.head(orphan)).toBeUndefined();
  expect(await store.head("notes.txt")).toBeDefined();
  expect(await readCheckpoint(store, "old")).toBeUndefined();
  expect((await fleet.newest()).holder).toBe("");
  await fleet.expectNothingLost();
  expect((await verify(fleet)).problems).toHaveLength(1);
});

test("a store of another database under one manifest is named", async () => {
  const { fleet } = await filled();
  const other = new TextEncoder().encode("{}");
  await fleet.store.put(CONFIG_KEY, other);
  expect(errors(await verify(fleet))).toEqual([CONFIG_KEY]);
});

test("a collected manifest that was created again is no error, whatever it names", async () => {
  const { fleet } = await filled();
  const { bytes } = (await fleet.store.get(manifestKey(2)))!;
  const { maintenance } = fleet.maintenance();
  const other = await fleet.openLane();
  for (let i = 0; i < 14; i++) {
    await other.append([put("a", i, [i, 2, 3])]);
    await maintenance.run({ force: "compact", takeOver: true });
    fleet.clock.advance(60_000);
  }
  expect(await fleet.store.head(manifestKey(2))).toBeUndefined();
  await fleet.store.put(manifestKey(2), bytes);
  const report = await verify(fleet);
  expect(errors(report)).toEqual([]);
  expect(report.problems.some(({ severity }) => severity === "warning")).toBe(true);
});

test("a collected manifest that the loser of a race created late is no error", async () => {
  const { fleet } = await filled();
  const { maintenance } = fleet.maintenance();
  const other = await fleet.openLane();
  for (let i = 0; i < 14; i++) {
    await other.append([put("a", i, [i, 2, 3])]);
    await maintenance.run({ force: "compact", takeOver: true });
    fleet.clock.advance(60_000);
  }
  expect(await fleet.store.head(manifestKey(2))).toBeUndefined();
  // It wanted the epoch that somebody else got, and its request waited until the number was free.
  const late = {
    ...(await fleet.newest()),
    number: 2,
    holder: fleet.newUlid(),
    nonce: "0".repeat(32),
  };
  await fleet.store.put(manifestKey(2), encodeManifest(late));
  const report = await verify(fleet);
  expect(errors(report)).toEqual([]);
  const warnings = report.problems.filter(({ severity }) => severity === "warning");
  expect(warnings.map(({ problem }) => problem)).toContainEqual(
    expect.stringMatching(/^epoch \d+ has two holders$/),
  );
});

test("what collection removes while verify runs is no finding", async () => {
  const { fleet } = await filled();
  const { store } = fleet;
  const named = async (number: number): Promise<string[]> =>
    ((await readManifest(store, number))?.segments ?? []).map(({ key }) => key);
  const { maintenance } = fleet.maintenance();
  await maintenance.run({ force: "compact", takeOver: true });
  const newest = await fleet.newest();
  const kept = new Set(await named(newest.number));
  const gone = (await named(2)).filter((key) => !kept.has(key));
  expect(gone).toHaveLength(1);
  const original = store.get.bind(store);
  const old = Array.from({ length: newest.number - 1 }, (_, i) => manifestKey(i + 1));
  store.get = async (key, options) => {
    // All manifests are read by now; these were collected while that went on.
    if (key.endsWith(".seg")) await store.deleteMany([...gone, ...old]);
    return original(key, options);
  };
  const report = await verify(fleet);
  expect(await store.head(gone[0]!)).toBeUndefined();
  expect(report).toMatchObject({ ok: true, problems: [] });
  // Named by the newest one it would be an error.
  store.get = original;
  await store.deleteMany([...kept]);
  expect(errors(await verify(fleet))).toContain([...kept][0]);
});

test("[Y7] a config that people broke is an error, and repair makes it again from the copy", async () => {
  const { fleet } = await filled();
  const { store, clock, random } = fleet;
  const { databaseId } = await fleet.newest();
  const wanted = { dimensions: 3 };
  await createSettings({ store, clock, random, wanted });
  const made = decodeConfig((await store.get(CONFIG_KEY))!.bytes, CONFIG_KEY);
  const settings = { ...made.settings, databaseId };
  const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  await store.deleteMany([FIXED_SETTINGS_KEY]);
  await keepFixedSettings(store, settings);
  const good = { ...made, settings };
  await store.put(CONFIG_KEY, text(good));
  expect((await verify(fleet)).ok).toBe(true);

  const broken = { ...good, settings: { ...settings, dimensions: 4, heartbeatInterval: 5_000 } };
  for (const [bytes, problem] of [
    [text(good).slice(0, 80), /not JSON/],
    [text(broken), /settings\.dimensions is 4.*put 3 back/],
    [undefined, /is missing/],
  ] as const) {
    await store.deleteMany([CONFIG_KEY]);
    if (bytes !== undefined) await store.put(CONFIG_KEY, bytes);
    const report = await verify(fleet);
    expect(report.ok).toBe(false);
    expect(report.problems).toContainEqual(
      expect.objectContaining({ key: CONFIG_KEY, problem: expect.stringMatching(problem) }),
    );
    expect((await verify(fleet, true)).ok).toBe(true);
    const mended = decodeConfig((await store.get(CONFIG_KEY))!.bytes, CONFIG_KEY);
    expect(mended.settings).toMatchObject(settings);
    expect(isSealedConfig(mended)).toBe(true);
    // Of a document that can be read, the rest is kept.
    expect(mended.settings.heartbeatInterval).toBe(
      problem.source.includes("dimensions") ? 5_000 : undefined,
    );
  }
});

test("[Y7] a damaged copy is a warning, an edit without a copy an error, and repair makes the copy again", async () => {
  const { fleet } = await filled();
  const { store, clock, random } = fleet;
  const { databaseId } = await fleet.newest();
  const made = await createSettings({ store, clock, random, wanted: { dimensions: 3 } });
  const settings = { ...made.settings, databaseId };
  const sealed = encodeConfig(sealConfig({ ...made, settings }));
  const copy = encodeFixedSettings(settings);
  const edited = new TextDecoder().decode(sealed).replace(": 100,", ": 180,");
  await store.put(FIXED_SETTINGS_KEY, copy.slice(0, 60));
  await store.put(CONFIG_KEY, new TextEncoder().encode(edited));
  for (const repair of [false, true]) {
    expect(errors(await verify(fleet, repair))).toEqual([CONFIG_KEY]);
    expect((await store.get(FIXED_SETTINGS_KEY))!.bytes).toHaveLength(60);
  }
  await store.put(CONFIG_KEY, sealed);
  const { ok, problems } = await verify(fleet);
  expect([ok, problems]).toMatchObject([true, [{ key: FIXED_SETTINGS_KEY, severity: "warning" }]]);
  expect((await verify(fleet, true)).problems).toMatchObject([{ repaired: true }]);
  expect((await store.get(FIXED_SETTINGS_KEY))!.bytes).toEqual(copy);
  expect((await verify(fleet)).problems).toEqual([]);
});

test("a seal of a lane's former life, which a checkpoint pins, is no gap in the one after it", async () => {
  const { fleet, lane } = await filled();
  await lane.close();
  await fleet.maintenance().maintenance.run({ takeOver: true, force: "flush" });
  const newest = await fleet.newest();
  const own = newest.lanes.find((entry) => entry.lane === lane.id)!;
  const seal = own.seal!.slot;
  const key = slotKey(own.lane, seal);
  // Its open record came again, was sealed and covered; nothing but the seal of old is left.
  const lanes = [{ ...own, cursor: 1, head: 1, seal: { slot: 1, seenMs: 1 } }];
  const next = {
    ...newest,
    number: newest.number + 1,
    nonce: "later",
    lanes,
    floor: own.lastVersion,
  };
  await fleet.store.put(manifestKey(next.number), encodeManifest(next));
  const slots: string[] = [];
  for await (const { objects } of fleet.store.list({
    prefix: slotKey(own.lane, 0).slice(0, -16),
  })) {
    slots.push(...objects.map((object) => object.key));
  }
  await fleet.store.deleteMany(slots.filter((other) => other !== key));
  expect(slots).toContain(key);
  expect(errors(await verify(fleet))).toEqual([]);
});
