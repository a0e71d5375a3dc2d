import { expect, onTestFinished, test } from "vitest";
import { Listener, eventBusConformance, hintOf } from "../../test/support/event-bus-conformance.ts";
import { VirtualTime, type VirtualMachine } from "../../test/support/virtual-time.ts";
import { systemClock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom, systemRandom } from "../base/random.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { metered } from "../storage/layers/metered.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { StoreEventBus, type StoreEventBusOptions } from "./store-event-bus.ts";

const MINUTE = 60_000;

eventBusConformance("store", async () => {
  const store = new MemoryStore({ clock: systemClock });
  const open = (): StoreEventBus =>
    new StoreEventBus({
      store,
      clock: systemClock,
      random: systemRandom,
      intervalMs: 5,
      idleMs: () => 0,
      warn: () => {},
    });
  const [a, b] = [open(), open()];
  while (!a.isConnected || !b.isConnected) await systemClock.sleep(1);
  return { a, b };
});

class Scene {
  readonly time = new VirtualTime();
  readonly memory = new MemoryStore({ clock: this.time.machine() });
  readonly warnings: string[] = [];
  #seed = 0;

  open(options: Partial<StoreEventBusOptions> = {}): StoreEventBus {
    const bus = new StoreEventBus({
      store: this.memory,
      clock: this.time.machine(),
      random: seededRandom(++this.#seed),
      intervalMs: 1_000,
      idleMs: () => 0,
      warn: (message) => this.warnings.push(message),
      ...options,
    });
    onTestFinished(() => bus.close());
    return bus;
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of this.memory.list()) keys.push(...objects.map(({ key }) => key));
    return keys;
  }
}

test("[E9] one PUT a second while there is something to say, gone after half a minute", async () => {
  const scene = new Scene();
  const { store, counters } = metered(scene.memory);
  const a = scene.open({ store });
  const b = scene.open();
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  await scene.time.pass(0);
  for (let i = 1; i <= 100; i++) {
    a.publish(hintOf("own", i));
    await scene.time.pass(100);
  }
  await scene.time.pass(2_000);
  expect(counters.put.requests).toBeLessThanOrEqual(11);
  expect(listener.heard.at(-1)).toBe(100);
  expect(listener.heard).toHaveLength(100);
  expect(await scene.keys()).toHaveLength(counters.put.requests);
  for (const key of await scene.keys()) expect(key).toMatch(/^_brainy\/events\/\w{26}\.json$/);
  await scene.time.pass(32_000);
  expect(await scene.keys()).toEqual([]);
});

test("[E9] an idle instance asks for nothing, and hears again when it is used", async () => {
  const scene = new Scene();
  const { store, counters } = metered(scene.memory);
  let idleMs = 0;
  const b = scene.open({ store, idleMs: () => idleMs });
  const a = scene.open();
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  await scene.time.pass(10_000);
  expect(counters.list.requests).toBe(11);
  idleMs = 10 * MINUTE;
  await scene.time.pass(1_000);
  const before = structuredClone(counters);
  await scene.time.pass(60 * MINUTE);
  expect(counters).toEqual(before);
  idleMs = 0;
  await scene.time.pass(2_000);
  a.publish(hintOf("own", 1));
  await scene.time.pass(2_000);
  expect(listener.heard).toEqual([1]);
});

test("[E9] what the dead left behind is removed by anybody, and nothing else is", async () => {
  const scene = new Scene();
  const strange = ["_brainy/events/notes.txt", "_brainy/config.json", "_brainy/events/a.json"];
  for (const key of strange) await scene.memory.put(key, new Uint8Array([1]));
  const machine: VirtualMachine = scene.time.machine();
  const dead = scene.open({ clock: machine });
  await scene.time.pass(0);
  dead.publish(hintOf("own", 1));
  await scene.time.pass(0);
  machine.isStopped = true;
  expect(await scene.keys()).toHaveLength(4);
  const other = scene.open();
  await scene.time.pass(4 * MINUTE);
  expect(await scene.keys()).toHaveLength(4);
  await scene.time.pass(2 * MINUTE);
  expect((await scene.keys()).toSorted()).toEqual(strange.toSorted());
  await other.close();
  // Left behind for longer than anybody looks back: found by the next one that opens.
  await scene.memory.put("_brainy/events/01HF7YAT000000000000000000.json", new Uint8Array([1]));
  await scene.time.pass(60 * MINUTE);
  scene.open();
  await scene.time.pass(2_000);
  expect((await scene.keys()).toSorted()).toEqual(strange.toSorted());
});

test("[E5] garbage and objects of newer versions are nothing", async () => {
  const scene = new Scene();
  const b = scene.open();
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  await scene.time.pass(0);
  const texts = ["", "{", '{"hints":[{}]}', '{"formatVersion":99,"hints":[]}'];
  for (const [i, text] of texts.entries()) {
    const key = `_brainy/events/01HF7YAT0${i}0000000000000000.json`;
    await scene.memory.put(key, new TextEncoder().encode(text));
  }
  const a = scene.open();
  await scene.time.pass(0);
  a.publish(hintOf("own", 1));
  await scene.time.pass(2_000);
  expect(listener.heard).toEqual([1]);
  expect(b.droppedCount).toBe(4);
});

test("more than can be read at once are skipped, the newest are read", async () => {
  const scene = new Scene();
  const b = scene.open();
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  await scene.time.pass(0);
  for (let i = 1; i <= 20; i++) {
    const bus = scene.open();
    bus.publish(hintOf("own", i));
    await scene.time.pass(1);
  }
  await scene.time.pass(1_500);
  expect(listener.heard).toEqual(Array.from({ length: 16 }, (_, i) => i + 5));
  expect(b.droppedCount).toBe(4);
});

test("who may not write hears all the same, says so once, and asks no more", async () => {
  const scene = new Scene();
  const { store: inner, counters } = metered(scene.memory);
  const refuse = async (): Promise<never> => {
    throw new BrainyError("BRAINY_DENIED", "no");
  };
  const store: ObjectStore = { ...inner, put: refuse, deleteMany: refuse };
  const reader = scene.open({ store });
  const writer = scene.open();
  const listener = new Listener();
  reader.subscribe("own", listener.handler);
  await scene.time.pass(0);
  for (let i = 0; i < 3; i++) {
    reader.publish(hintOf("own", i));
    await scene.time.pass(2_000);
  }
  writer.publish(hintOf("own", 7));
  await scene.time.pass(2_000);
  expect(listener.heard).toEqual([7]);
  expect(scene.warnings).toEqual([expect.stringContaining("it hears and says nothing")]);
  expect(reader.droppedCount).toBe(3);
  expect(counters.put.requests).toBe(0);
});

test("a store that does not answer is trouble until it answers again", async () => {
  const scene = new Scene();
  let isDown = true;
  const store: ObjectStore = {
    ...metered(scene.memory).store,
    list: (options) => {
      if (isDown) throw new BrainyError("BRAINY_UNAVAILABLE", "the store is down");
      return scene.memory.list(options);
    },
  };
  const bus = scene.open({ store });
  await scene.time.pass(2_000);
  expect([bus.isConnected, bus.trouble]).toEqual([false, "the store is down"]);
  isDown = false;
  await scene.time.pass(2_000);
  expect([bus.isConnected, bus.trouble]).toEqual([true, undefined]);
});
