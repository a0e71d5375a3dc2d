import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { corrupt } from "../base/errors.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import type { GetOptions, ObjectStore, StoredObject } from "../storage/object-store.ts";
import { getDecoded } from "./get-decoded.ts";

const KEY = "_brainy/x";

/** A store whose first `damaged` answers have other bytes than are stored. */
async function world(damaged: number) {
  const inner = new MemoryStore({ clock: new FakeClock() });
  await inner.put(KEY, Uint8Array.of(1, 2, 3));
  const asked: (boolean | undefined)[] = [];
  const get = async (key: string, options?: GetOptions): Promise<StoredObject | undefined> => {
    const found = await inner.get(key, options);
    asked.push(options?.fresh);
    return found && asked.length <= damaged ? { ...found, bytes: found.bytes.slice(1) } : found;
  };
  const store = Object.assign(Object.create(inner) as ObjectStore, { get });
  return { store, asked };
}

function decode({ bytes }: StoredObject): number {
  if (bytes.length !== 3) throw corrupt(KEY, `has ${bytes.length} bytes`);
  return bytes[0]!;
}

test("[R15] what arrives damaged is read once more, past caches", async () => {
  const { store, asked } = await world(1);
  expect(await getDecoded(store, KEY, decode)).toBe(1);
  expect(asked).toEqual([undefined, true]);
});

test("[R15] what is damaged twice is damage", async () => {
  const { store, asked } = await world(2);
  await expect(getDecoded(store, KEY, decode)).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
  expect(asked).toHaveLength(2);
});

test("[R15] what arrives whole, and what is not there, is asked for once", async () => {
  const { store, asked } = await world(0);
  expect(await getDecoded(store, KEY, decode)).toBe(1);
  expect(await getDecoded(store, "_brainy/y", decode)).toBe(undefined);
  expect(asked).toHaveLength(2);
});
