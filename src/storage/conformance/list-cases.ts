import { assert } from "../../base/assert.ts";
import type { ObjectStore } from "../object-store.ts";
import { assertSame, bytes, listAll, many } from "./case.ts";
import type { ConformanceCases } from "./case.ts";

const PAGE_SIZE_MAX = 1000;

async function fill(store: ObjectStore, ...keys: string[]): Promise<void> {
  for (const key of keys) await store.put(key, bytes(1));
}

/** Listings. */
export const LIST_CASES: ConformanceCases = {
  async "a listing of nothing is empty"({ store }) {
    const empty = await listAll(store, { prefix: "absent/", delimiter: "/" });
    assert(empty.keys.length + empty.prefixes.length === 0, "it has entries");
  },

  async "a prefix is matched letter by letter"({ store }) {
    await fill(store, "db/1", "db/in/2", "db2/1", "d", "db.json", "x/db/1");
    assertSame((await listAll(store, { prefix: "db/" })).keys, ["db/1", "db/in/2"]);
    const begun = ["db.json", "db/1", "db/in/2", "db2/1"];
    assertSame((await listAll(store, { prefix: "db" })).keys, begun);
    assertSame((await listAll(store, { prefix: "db/i" })).keys, ["db/in/2"]);
    assertSame((await listAll(store, { prefix: "db/1" })).keys, ["db/1"]);
    assertSame((await listAll(store, { prefix: "db/1/" })).keys, []);
    assertSame((await listAll(store)).keys, ["d", ...begun, "x/db/1"]);
  },

  async "a delimiter rolls up what lies below"({ store }) {
    await fill(store, "a", "b/1", "b/2", "b/c/3", "b/c/d/4", "gone/1");
    await store.deleteMany(["gone/1"]);
    const top = await listAll(store, { delimiter: "/" });
    assertSame(top.keys, ["a"]);
    assertSame(top.prefixes, ["b/"]);
    const below = await listAll(store, { prefix: "b/", delimiter: "/" });
    assertSame(below.keys, ["b/1", "b/2"]);
    assertSame(below.prefixes, ["b/c/"]);
    const cut = await listAll(store, { prefix: "b/c", delimiter: "/" });
    assertSame(cut.keys, []);
    assertSame(cut.prefixes, ["b/c/"]);
  },

  async "any string can be the delimiter"({ store }) {
    await fill(store, "a-1", "a-2/x", "b");
    const found = await listAll(store, { delimiter: "-" });
    assertSame(found.keys, ["b"]);
    assertSame(found.prefixes, ["a-"]);
  },

  async "a listing starts strictly after startAfter"({ store }) {
    await fill(store, "n/1", "n/2", "n/2-x", "n/2d/y", "n/3", "o/1");
    const after = async (startAfter: string, prefix?: string): Promise<readonly string[]> =>
      (await listAll(store, { startAfter, prefix })).keys;
    assertSame(await after("n/2"), ["n/2-x", "n/2d/y", "n/3", "o/1"]);
    assertSame(await after("n/2d/y"), ["n/3", "o/1"]);
    assertSame(await after("n/2", "n/"), ["n/2-x", "n/2d/y", "n/3"]);
    assertSame(await after("z"), []);
    const rolledUp = await listAll(store, { startAfter: "n/9", delimiter: "/" });
    assertSame(rolledUp.prefixes, ["o/"]);
  },

  async "a listing of more than one page has every object once"({ store, objectCount }) {
    const expected = Array.from({ length: objectCount }, (_, i) => `list/${i % 7}/${i}`);
    await many(objectCount, (index) => store.put(expected[index]!, bytes(1)));
    const { pages, keys } = await listAll(store, { prefix: "list/" });
    for (const { objects, prefixes } of pages) {
      const size = objects.length + prefixes.length;
      assert(size <= PAGE_SIZE_MAX, () => `a page of ${size}`);
    }
    const missing = expected.filter((key) => !keys.includes(key)).length;
    assert(missing === 0, () => `${missing} of ${objectCount} are missing`);
    assert(keys.length === objectCount, () => `${keys.length} entries for ${objectCount} objects`);
  },

  async "objects deleted during a listing break nothing"({ store }) {
    const all = Array.from({ length: 20 }, (_, i) => `during/${i}`);
    await fill(store, ...all);
    const listed: string[] = [];
    for await (const page of store.list({ prefix: "during/" })) {
      listed.push(...page.objects.map(({ key }) => key));
      await store.deleteMany(all);
    }
    assert(
      listed.every((key) => all.includes(key)),
      "listed what never was",
    );
  },
};
