import { assert } from "../../base/assert.ts";
import type { Etag } from "../object-store.ts";
import { assertBytes, assertRejects, bytes, listAll, patterned, streamOf } from "./case.ts";
import type { ConformanceCases } from "./case.ts";

const NO_KEYS = [
  "",
  "/absolute",
  "folder/",
  "a//b",
  "..",
  "a/../b",
  "./a",
  "a/.hidden",
  "nul\0byte",
  "back\\slash",
  "spa ce",
  "ümlaut",
  "a/CON",
  "com1.txt",
  "dot.",
  "k".repeat(513),
];

const HOUR_MS = 3_600_000;

/** Reads, and what every method refuses. */
export const READ_CASES: ConformanceCases = {
  async "a missing key is undefined, not an error"({ store }) {
    assert((await store.get("absent")) === undefined, "get found something");
    assert((await store.get("absent", { range: [0, 1] })) === undefined, "range found something");
    assert((await store.head("absent/too")) === undefined, "head found something");
    const changed = await store.getIfChanged("absent", "none" as Etag);
    assert(changed === undefined, "getIfChanged found something");
  },

  async "a target takes the bytes or is left alone, and only when it has their length"({ store }) {
    await store.put("k", patterned(5_000));
    for (const [length, range] of [
      [5_000, undefined],
      [1_000, [2_000, 3_000]],
      [999, [2_000, 3_000]],
      [5_000, [4_000, 9_000]],
    ] as const) {
      const target = new Uint8Array(length);
      const found = await store.get("k", { range, target });
      assertBytes(found?.bytes, patterned(5_000).subarray(...(range ?? [])));
    }
  },

  async "a put is visible to the next get, head and list"({ store }) {
    const { etag } = await store.put("a/1", bytes(1, 2, 3));
    const found = await store.get("a/1");
    assertBytes(found?.bytes, bytes(1, 2, 3));
    const head = await store.head("a/1");
    const listed = (await listAll(store, { prefix: "a/" })).objects;
    assert(listed.length === 1 && listed[0]?.key === "a/1", "the listing differs");
    assert(head?.key === "a/1", "head gives another key");
    for (const info of [found, head, listed[0]]) {
      assert(info?.bytesTotal === 3, () => `bytesTotal is ${info?.bytesTotal}`);
      assert(info.etag === etag, () => `etag is ${info.etag}, not ${etag} as from put`);
    }
  },

  async "an overwrite replaces bytes and etag"({ store }) {
    const first = await store.put("k", bytes(1));
    const second = await store.put("k", bytes(2, 2));
    assert(first.etag !== second.etag, "the etag stayed");
    const found = await store.get("k");
    assertBytes(found?.bytes, bytes(2, 2));
    assert(found?.etag === second.etag, "get gives another etag");
  },

  async "a range read is half open"({ store }) {
    await store.put("k", bytes(10, 11, 12, 13));
    const found = await store.get("k", { range: [1, 3] });
    assertBytes(found?.bytes, bytes(11, 12));
    assert(found?.bytesTotal === 4, () => `bytesTotal is ${found?.bytesTotal}`);
    assertBytes((await store.get("k", { range: [2, 2] }))?.bytes, bytes());
  },

  async "a range may end beyond the object, and begin at its end"({ store }) {
    await store.put("k", bytes(10, 11, 12, 13));
    assertBytes((await store.get("k", { range: [2, 99] }))?.bytes, bytes(12, 13));
    assertBytes((await store.get("k", { range: [4, 9] }))?.bytes, bytes());
  },

  async "a range that begins beyond the object is refused"({ store }) {
    await store.put("k", bytes(10, 11));
    await assertRejects(store.get("k", { range: [3, 4] }), "BRAINY_INVALID_ARGUMENT");
  },

  async "impossible ranges are refused"({ store }) {
    await store.put("k", bytes(10, 11));
    const refused = [
      { range: [2, 1] },
      { range: [-1, 1] },
      { range: [0, 0.5] },
      { suffix: -1 },
      { suffix: Number.NaN },
      { range: [0, 1], suffix: 1 },
    ] as const;
    for (const options of refused) {
      await assertRejects(store.get("k", options), "BRAINY_INVALID_ARGUMENT");
    }
  },

  async "a suffix read is the end of an object, or all of it"({ store }) {
    await store.put("k", bytes(10, 11, 12));
    const found = await store.get("k", { suffix: 2 });
    assertBytes(found?.bytes, bytes(11, 12));
    assert(found?.bytesTotal === 3, () => `bytesTotal is ${found?.bytesTotal}`);
    assertBytes((await store.get("k", { suffix: 9 }))?.bytes, bytes(10, 11, 12));
    assertBytes((await store.get("k", { suffix: 0 }))?.bytes, bytes());
  },

  async "an empty object is an object"({ store }) {
    await store.put("k", bytes());
    for (const options of [{}, { suffix: 4 }, { range: [0, 4] }] as const) {
      const found = await store.get("k", options);
      assertBytes(found?.bytes, bytes());
      assert(found?.bytesTotal === 0, "it has a size");
    }
    assert((await store.head("k"))?.bytesTotal === 0, "head says otherwise");
    assert((await listAll(store)).keys.join() === "k", "it is not listed");
  },

  async "getIfChanged tells unchanged, changed and missing apart"({ store }) {
    const first = await store.put("k", bytes(1));
    assert((await store.getIfChanged("k", first.etag)) === "unchanged", "changed by itself");
    const second = await store.put("k", bytes(2, 3));
    const found = await store.getIfChanged("k", first.etag);
    assert(typeof found === "object", "the change was not seen");
    assertBytes(found.bytes, bytes(2, 3));
    assert(found.etag === second.etag && found.bytesTotal === 2, "etag or size is another");
    await store.deleteMany(["k"]);
    assert((await store.getIfChanged("k", second.etag)) === undefined, "still there");
  },

  async "bytes given to a put may be changed afterwards"({ store }) {
    const given = bytes(1, 2, 3);
    await store.put("k", given);
    given.fill(9);
    assertBytes((await store.get("k"))?.bytes, bytes(1, 2, 3));
    const view = patterned(100).subarray(10, 20);
    await store.put("view", view);
    assertBytes((await store.get("view"))?.bytes, patterned(100).slice(10, 20));
  },

  async "bytes returned belong to the caller"({ store }) {
    await store.put("k", bytes(1, 2, 3));
    const found = await store.get("k");
    assert(found !== undefined, "not found");
    assert(found.bytes.buffer.byteLength === 3, "the bytes are a part of somebody's memory");
    found.bytes.fill(9);
    assertBytes((await store.get("k"))?.bytes, bytes(1, 2, 3));
  },

  async "a large object makes the round trip"({ store }) {
    const large = patterned(8 << 20);
    await store.put("large", large);
    assertBytes((await store.get("large"))?.bytes, large);
    const range = [5_000_001, 5_070_002] as const;
    assertBytes((await store.get("large", { range }))?.bytes, large.slice(...range));
  },

  async "long keys of every allowed character are keys"({ store }) {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~".slice(
      0,
      -1,
    );
    const key = `${letters}x/${"k".repeat(200)}/v1.2..3/${"n".repeat(100)}`;
    await store.put(key, bytes(7));
    assertBytes((await store.get(key))?.bytes, bytes(7));
    assert((await listAll(store)).keys.join() === key, "it is not listed");
  },

  async "the store's clock is sane and does not go back"({ store, clock }) {
    const times: number[] = [];
    const { storeMs } = await store.put("k", bytes(1));
    times.push(storeMs);
    times.push((await store.get("k"))?.storeMs ?? Number.NaN);
    const head = await store.head("k");
    times.push(head?.storeMs ?? Number.NaN);
    times.push((await listAll(store)).pages[0]?.storeMs ?? Number.NaN);
    times.push((await store.put("k", bytes(2))).storeMs);
    for (const [index, time] of times.entries()) {
      assert(Math.abs(time - clock.nowMs()) < HOUR_MS, () => `storeMs ${time} is no time of today`);
      // Stores answer in whole seconds, and kernels date files a little late.
      const before = times[index - 1] ?? time;
      assert(time > before - 2_000, () => `storeMs fell from ${before} to ${time}`);
    }
    const modifiedMs = head?.modifiedMs ?? Number.NaN;
    assert(Math.abs(modifiedMs - storeMs) < 60_000, () => `modified ${modifiedMs}, put ${storeMs}`);
  },

  async "what is no key is refused by every method"({ store }) {
    for (const key of NO_KEYS) {
      const code = "BRAINY_INVALID_ARGUMENT";
      await assertRejects(store.get(key), code);
      await assertRejects(store.getIfChanged(key, "e" as Etag), code);
      await assertRejects(store.head(key), code);
      await assertRejects(store.put(key, bytes(1)), code);
      await assertRejects(store.putStream(key, streamOf(bytes(1))), code);
      await assertRejects(store.deleteMany(["fine", key]), code);
    }
    for (const prefix of ["../", "/", "a//", "a/./b", "a\0"]) {
      await assertRejects(listAll(store, { prefix }), "BRAINY_INVALID_ARGUMENT");
    }
    assert((await listAll(store)).keys.length === 0, "something was written");
  },

  async "an aborted signal stops every method before it begins"({ store }) {
    const { etag } = await store.put("k", bytes(1));
    const reason = new Error("the caller's reason");
    const signal = AbortSignal.abort(reason);
    const calls: Record<string, () => Promise<unknown>> = {
      get: () => store.get("k", { signal }),
      getIfChanged: () => store.getIfChanged("k", etag, { signal }),
      head: () => store.head("k", { signal }),
      put: () => store.put("k", bytes(2), { signal }),
      putStream: () => store.putStream("k", streamOf(bytes(2)), { signal }),
      deleteMany: () => store.deleteMany(["k"], { signal }),
      list: () => listAll(store, { signal }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const outcome = await call().then(
        () => "resolved",
        (error: unknown) => (error === reason ? "aborted" : String(error)),
      );
      assert(outcome === "aborted", () => `${name}: ${outcome}`);
    }
    assertBytes((await store.get("k"))?.bytes, bytes(1));
  },
};
