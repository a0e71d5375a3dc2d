import { assert } from "../../base/assert.ts";
import { concatBytes } from "../../base/bytes.ts";
import { assertBytes, assertRejects, bytes, listAll, many, patterned, streamOf } from "./case.ts";
import type { ConformanceCases } from "./case.ts";

/** Deleted in one call: more than the 1,000 that one request of S3 takes. */
const DELETE_COUNT = 1_500;

/** Puts without conditions, streams and deletes. */
export const WRITE_CASES: ConformanceCases = {
  async "deleting is idempotent"({ store }) {
    await store.deleteMany([]);
    await store.deleteMany(["absent", "absent/too"]);
    await store.put("k", bytes(1));
    await store.deleteMany(["k", "k"]);
    await store.deleteMany(["k"]);
  },

  async "a deleted object is gone from get, head and list"({ store }) {
    await store.put("a/k", bytes(1));
    await store.put("a/l", bytes(2));
    await store.deleteMany(["a/k"]);
    assert((await store.get("a/k")) === undefined, "get finds it");
    assert((await store.head("a/k")) === undefined, "head finds it");
    assert((await listAll(store)).keys.join() === "a/l", "the listing differs");
  },

  async "deleteMany deletes many"({ store, objectCount }) {
    const count = Math.min(objectCount, DELETE_COUNT);
    const keyOf = (index: number): string => `many/${index}`;
    await many(count, (index) => store.put(keyOf(index), bytes(1)));
    await store.put("many-more", bytes(1));
    await store.deleteMany(Array.from({ length: count }, (_, index) => keyOf(index)));
    assert((await listAll(store)).keys.join() === "many-more", "not exactly those are gone");
  },

  async "a deleted key can be written again"({ store }) {
    await store.put("k", bytes(1));
    await store.deleteMany(["k"]);
    await store.put("k", bytes(2, 2));
    assertBytes((await store.get("k"))?.bytes, bytes(2, 2));
    assert((await listAll(store)).keys.join() === "k", "it is not listed once");
  },

  async "a stream is visible only when it is finished"({ store }) {
    const seen: string[] = [];
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield patterned(70_000);
      if ((await store.get("s")) !== undefined) seen.push("get");
      if ((await store.head("s")) !== undefined) seen.push("head");
      yield bytes(9);
      seen.push(...(await listAll(store)).keys);
    };
    const { etag } = await store.putStream("s", chunks());
    assert(seen.length === 0, () => `half of it was seen: ${seen.join()}`);
    const found = await store.get("s");
    assertBytes(found?.bytes, concatBytes([patterned(70_000), bytes(9)]));
    assert(found?.etag === etag, "get gives another etag");
  },

  async "a stream whose chunks throw leaves nothing and passes the error on"({ store }) {
    const mine = new Error("mine");
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield patterned(70_000);
      throw mine;
    };
    await store.put("old", bytes(1));
    for (const key of ["new", "old"]) {
      const error = await store.putStream(key, failing()).catch((reason: unknown) => reason);
      assert(error === mine, () => `rejected with ${String(error)}`);
    }
    assert((await listAll(store)).keys.join() === "old", "it left something behind");
    assertBytes((await store.get("old"))?.bytes, bytes(1));
  },

  async "a stream of several megabytes in odd pieces makes the round trip"({ store }) {
    const pieces = [1, 3 << 20, 0, 65_537, 1 << 20, 2_000_003].map((size, i) => patterned(size, i));
    await store.putStream("s", streamOf(...pieces));
    assertBytes((await store.get("s"))?.bytes, concatBytes(pieces));
    await store.putStream("empty", streamOf());
    assert((await store.head("empty"))?.bytesTotal === 0, "no chunks are not an empty object");
  },

  async "a stream may use one buffer for all its chunks"({ store }) {
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      const buffer = new Uint8Array(4);
      for (let value = 1; value <= 3; value++) yield buffer.fill(value);
    };
    await store.putStream("s", chunks());
    assertBytes((await store.get("s"))?.bytes, bytes(1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
  },

  async "what is over putBytesMax is refused"({ store }) {
    // Larger limits are as good as none here: the object would not fit into the test.
    const { putBytesMax } = store.capabilities;
    assert(putBytesMax > 0, "nothing fits");
    if (putBytesMax > 1 << 26) return;
    await assertRejects(store.put("k", new Uint8Array(putBytesMax + 1)), "BRAINY_LIMIT");
    assert((await store.head("k")) === undefined, "it was written all the same");
  },
};
