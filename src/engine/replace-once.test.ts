import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { Etag, ObjectStore } from "../storage/object-store.ts";
import { replaceOnce } from "./replace-once.ts";

const clock = new ManualClock();
const random = seededRandom(1);
const [OLD, MINE, THEIRS] = [1, 2, 3].map((byte) => Uint8Array.of(byte)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

async function stored(): Promise<{ readonly store: MemoryStore; readonly etag: Etag }> {
  const store = new MemoryStore({ clock });
  const { etag } = await store.put("key", OLD);
  return { store, etag };
}

function replace(store: ObjectStore, etag: Etag): Promise<"won" | "lost"> {
  return replaceOnce({ store, clock, random, key: "key", etag, bytes: MINE });
}

test("[A4] a replacement whose answer was lost has won, one whose request was lost is sent again", async () => {
  for (const when of ["before", "after"] as const) {
    const { store, etag } = await stored();
    let left = 2;
    const flaky = scripted(store, {
      [when]: (request: string) => {
        if (request === "put key" && left-- > 0)
          throw new BrainyError("BRAINY_UNAVAILABLE", "lost");
      },
    });
    expect(await replace(flaky, etag)).toBe("won");
    expect((await store.get("key"))?.bytes).toEqual(MINE);
  }
});

test("[A4] another version, made by others or gone, is lost, and nothing is changed", async () => {
  const { store, etag } = await stored();
  await store.put("key", THEIRS);
  expect(await replace(store, etag)).toBe("lost");
  expect((await store.get("key"))?.bytes).toEqual(THEIRS);
  await store.deleteMany(["key"]);
  expect(await replace(store, etag)).toBe("lost");
  expect(await store.get("key")).toBeUndefined();
});

test("[A4] own bytes that arrive damaged are no reason to have lost", async () => {
  for (const damagedLooks of [1, 2, 3]) {
    const { store, etag } = await stored();
    const flaky = scripted(store, {
      after: (request) => {
        if (request === "put key") throw new BrainyError("BRAINY_UNAVAILABLE", "lost");
      },
    });
    let looks = 0;
    const damaging: ObjectStore = Object.assign(Object.create(flaky) as ObjectStore, {
      get: async (key: string) => {
        const found = await flaky.get(key);
        const isDamaged = found !== undefined && looks++ < damagedLooks;
        return isDamaged ? { ...found, bytes: Uint8Array.of(9, looks) } : found;
      },
    });
    expect(await replace(damaging, etag)).toBe("won");
    expect((await store.get("key"))?.bytes).toEqual(MINE);
  }
});

test("[A4] a store that says nothing for long leaves the outcome unknown, and one that refuses does not", async () => {
  const { store, etag } = await stored();
  for (const code of ["BRAINY_UNAVAILABLE", "BRAINY_DENIED"] as const) {
    const mute = scripted(store, {
      before: (request) => {
        if (request === "put key") throw new BrainyError(code, "no");
      },
    });
    await expect(replace(mute, etag)).rejects.toMatchObject({ code });
    expect(mute.requests.filter((request) => request === "put key")).toHaveLength(
      code === "BRAINY_DENIED" ? 1 : 8,
    );
  }
});

test("[A4] a failed fsync is not made good by finding the own bytes", async () => {
  const { store, etag } = await stored();
  let attempts = 0;
  const failing = scripted(store, {
    before: (request) => {
      if (request === "put key" && attempts++ === 0) {
        throw new BrainyError("BRAINY_UNAVAILABLE", "lost");
      }
    },
    after: (request) => {
      if (request === "put key") throw new BrainyError("BRAINY_FENCED", "fsync failed");
    },
  });
  await expect(replace(failing, etag)).rejects.toMatchObject({ code: "BRAINY_FENCED" });
  expect(attempts).toBe(2);
});
