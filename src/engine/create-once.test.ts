import { expect, test } from "vitest";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { faulty } from "../storage/layers/faulty.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { backoffMs, createOnce } from "./create-once.ts";

const KEY = "_brainy/wal/x";
const MINE = Uint8Array.of(1, 2, 3);
const OTHERS = Uint8Array.of(9, 9, 9);
const lost = (): never => {
  throw new BrainyError("BRAINY_UNAVAILABLE", "the answer is lost");
};

function world() {
  const clock = new FakeClock();
  const inner = new MemoryStore({ clock });
  const store = scripted(inner);
  const create = (bytes = MINE, over: ObjectStore = store, attemptsMax?: number) =>
    createOnce({ store: over, clock, random: seededRandom(1), key: KEY, bytes, attemptsMax });
  return { clock, inner, store, create };
}

test("a direct answer is the outcome, and costs one request", async () => {
  const { store, create, clock } = world();
  expect(await create()).toEqual({
    kind: "won",
    direct: true,
    attempts: 1,
    storeMs: clock.nowMs(),
  });
  expect(store.requests).toEqual([`put ${KEY}`]);
});

test("[A1] a lost answer is looked at: my bytes are there, so I won", async () => {
  const { store, create } = world();
  store.script = { after: (request) => (request.startsWith("put") ? lost() : undefined) };
  expect(await create()).toMatchObject({ kind: "won", direct: false });
  expect(store.requests).toEqual([`put ${KEY}`, `get ${KEY}`]);
});

test("[A1] a conflict is looked at: a repeated request that meets its own bytes has won", async () => {
  const { inner, store, create } = world();
  // A client below sent the request twice: the first answer was lost, the second one is 412.
  store.script = {
    before: async (request) => {
      if (request.startsWith("put")) await inner.put(KEY, MINE, { condition: { ifAbsent: true } });
    },
  };
  expect(await create()).toMatchObject({ kind: "won", direct: false });
});

test("[A1] other bytes under the key mean lost, and are handed over", async () => {
  const { inner, create } = world();
  await inner.put(KEY, OTHERS);
  expect(await create()).toEqual({ kind: "lost", found: OTHERS, isUnanswered: false });
  expect((await inner.get(KEY))?.bytes).toEqual(OTHERS);
});

test("[A1] own bytes that arrive damaged are looked at again, and are no reason to have lost", async () => {
  const { inner, store, create } = world();
  store.script = { after: (request) => (request.startsWith("put") ? lost() : undefined) };
  let looks = 0;
  const damaging: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
    get: async (key: string) => {
      const found = await store.get(key);
      return found && looks++ === 0 ? { ...found, bytes: found.bytes.slice(0, 2) } : found;
    },
  });
  expect(await create(MINE, damaging)).toMatchObject({ kind: "won", direct: false });
  expect(looks).toBe(2);
  expect((await inner.get(KEY))?.bytes).toEqual(MINE);
});

test("[A1] own bytes that arrive damaged, and then not at all or damaged again, are looked at until it is sure", async () => {
  for (const second of ["unavailable", "damaged"] as const) {
    const { inner, store, create } = world();
    store.script = { after: (request) => (request.startsWith("put") ? lost() : undefined) };
    let looks = 0;
    const damaging: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      get: async (key: string) => {
        const found = (await store.get(key))!;
        looks++;
        if (looks === 1) return { ...found, bytes: found.bytes.slice(0, 2) };
        if (looks === 2 && second === "unavailable") return lost();
        return looks === 2 ? { ...found, bytes: found.bytes.slice(0, 1) } : found;
      },
    });
    expect(await create(MINE, damaging)).toMatchObject({ kind: "won", direct: false });
    expect((await inner.get(KEY))?.bytes).toEqual(MINE);
  }
});

test("[A1] absence means the same bytes again, and a look that fails decides nothing", async () => {
  const { store, create, inner } = world();
  let failures = 5;
  store.script = { before: () => (failures-- > 0 ? lost() : undefined) };
  expect(await create()).toMatchObject({ kind: "won", direct: true, attempts: 4 });
  expect((await inner.get(KEY))?.bytes).toEqual(MINE);
});

test("[A1] exactly one of many creators wins, whatever the network does", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const clock = new FakeClock();
    const inner = new MemoryStore({ clock });
    const store = faulty(inner, { random: seededRandom(seed), errorRate: 0.3 });
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((name) =>
        createOnce({
          store,
          clock,
          random: seededRandom(seed),
          key: KEY,
          bytes: Uint8Array.of(name),
          attemptsMax: 20,
        }),
      ),
    );
    const stored = (await inner.get(KEY))?.bytes[0];
    const kinds = outcomes.map((outcome, i) => {
      if (outcome.status === "rejected") throw outcome.reason;
      const { value } = outcome;
      if (value.kind === "won") expect(stored).toBe(i + 1);
      else expect(value.found[0]).toBe(stored);
      return value.kind;
    });
    expect(kinds.toSorted()).toEqual(["lost", "lost", "won"]);
  }
});

test("[A2] every attempt sends the same bytes, so a late one cannot change what is there", async () => {
  const { inner, store, create } = world();
  const sent: Uint8Array[] = [];
  const spying: ObjectStore = {
    ...store,
    put: (key, bytes, options) => {
      sent.push(bytes.slice());
      expect(options?.condition).toEqual({ ifAbsent: true });
      return sent.length < 4 ? Promise.reject(unavailable()) : inner.put(key, bytes, options);
    },
  };
  await create(MINE, spying);
  expect(sent).toEqual([MINE, MINE, MINE, MINE]);
});

test("[A3] attempts are bounded; the outcome is then unknown, and asking again goes on", async () => {
  const { inner, store, create } = world();
  store.script = { before: () => lost() };
  await expect(create(MINE, store, 3)).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(store.requests.filter((request) => request.startsWith("put"))).toHaveLength(3);
  store.script = {};
  await inner.put(KEY, MINE);
  expect(await create()).toMatchObject({ kind: "won", direct: false });
});

test("[A3] what surely changed nothing is not tried again, unless an earlier attempt may have", async () => {
  const { store, create } = world();
  const full = new BrainyError("BRAINY_LIMIT", "disk full");
  store.script = {
    before: () => {
      throw full;
    },
  };
  await expect(create()).rejects.toBe(full);
  expect(store.requests).toHaveLength(1);

  let puts = 0;
  store.script = {
    before: (request) => {
      if (request.startsWith("put") && ++puts > 1) throw full;
    },
    after: (request) => (request.startsWith("put") ? lost() : undefined),
  };
  expect(await create()).toMatchObject({ kind: "won", direct: false });
});

test("[A3] a store whose word cannot be trusted any more is not looked at", async () => {
  const { store, create } = world();
  store.script = {
    before: () => {
      throw new BrainyError("BRAINY_FENCED", "fsync failed");
    },
  };
  await expect(create()).rejects.toMatchObject({ code: "BRAINY_FENCED" });
  expect(store.requests).toEqual([`put ${KEY}`]);
});

test("[A3] waits between attempts grow and stay under five seconds", () => {
  const always = { next: () => 1 };
  expect([1, 2, 3].map((attempt) => backoffMs(attempt, always))).toEqual([100, 200, 400]);
  expect(backoffMs(30, always)).toBe(5_000);
});

function unavailable(): BrainyError {
  return new BrainyError("BRAINY_UNAVAILABLE", "not now");
}
