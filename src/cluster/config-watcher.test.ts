import { expect, test } from "vitest";
import { scripted } from "../../test/support/scripted-store.ts";
import { systemClock } from "../base/clock.ts";
import { BrainyError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { keepFixedSettings } from "../engine/fixed-settings.ts";
import { changeConfig, createSettings, readStored } from "../engine/settings.ts";
import { encodeConfig } from "../format/config.ts";
import { CONFIG_KEY, FIXED_SETTINGS_KEY } from "../format/keys.ts";
import { MemoryStore } from "../storage/adapters/memory.ts";
import { ConfigWatcher, type ConfigEvent } from "./config-watcher.ts";

test("[Y2] [Y7] what was fixed since the last look is held against an edit of what was before", async () => {
  const store = new MemoryStore();
  const [clock, random] = [systemClock, seededRandom(1)];
  const open = await createSettings({ store, clock, random, wanted: {} });
  const events: ConfigEvent[] = [];
  const watcher = await ConfigWatcher.open({
    store,
    clock,
    random,
    instanceId: undefined,
    idleMs: () => 0,
    onEvent: (event) => events.push(event),
    onChange: () => {},
    warn: () => {},
  });
  watcher.start({ mayWrite: true });
  await watcher.check();

  // Others fix the dimensions, and a person uploads what was downloaded before.
  const stored = (await readStored(store))!;
  const settings = { ...open.settings, dimensions: 4 };
  await changeConfig({ store, clock, random, stored, settings });
  await keepFixedSettings(store, settings);
  const edit = encodeConfig({ ...open, settings: { ...open.settings, flushInterval: 1_000 } });
  await store.put(CONFIG_KEY, edit);

  await watcher.check();
  expect(events).toMatchObject([
    { type: "config_refused", field: "settings.dimensions", was: 4, source: CONFIG_KEY },
  ]);
  expect((await store.get(CONFIG_KEY))!.bytes).toEqual(edit);
  expect(watcher.config?.settings.flushInterval).toBe(undefined);
  await watcher.close();
});

/** Somebody who watches a new database, and a person who edits its document. */
async function watched(dimensions?: number) {
  const store = scripted(new MemoryStore());
  const [clock, random] = [systemClock, seededRandom(1)];
  const made = await createSettings({ store, clock, random, wanted: { dimensions } });
  const events: ConfigEvent[] = [];
  const watcher = await ConfigWatcher.open({
    store,
    clock,
    random,
    instanceId: undefined,
    idleMs: () => 0,
    onEvent: (event) => events.push(event),
    onChange: () => {},
    warn: () => {},
  });
  const edit = (settings: Readonly<Record<string, unknown>>) =>
    store.put(CONFIG_KEY, encodeConfig({ ...made, settings: { ...made.settings, ...settings } }));
  const copy = (await store.get(FIXED_SETTINGS_KEY))!.bytes;
  return { store, watcher, events, edit, copy };
}

test("[Y2] an edit is looked at again until the store has answered for the copy to hold it against", async () => {
  const { store, watcher, edit } = await watched(2);
  await edit({ flushInterval: 1_000 });
  store.script = {
    before: (request) => {
      if (request !== `get ${FIXED_SETTINGS_KEY}`) return;
      throw new BrainyError("BRAINY_UNAVAILABLE", "no answer");
    },
  };
  for (let look = 0; look < 2; look++) {
    await expect(watcher.check()).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    expect(watcher.config?.settings.flushInterval).toBe(undefined);
  }
  store.script = {};
  await watcher.check();
  expect(watcher.config?.settings.flushInterval).toBe(1_000);
});

test("[Y2] with a damaged copy an edit is taken up by those that know the dimensions", async () => {
  for (const dimensions of [undefined, 2]) {
    const { store, watcher, events, edit, copy } = await watched(dimensions);
    await store.put(FIXED_SETTINGS_KEY, copy.slice(0, 50));
    await edit({ flushInterval: 1_000 });
    const look = watcher.check();
    if (dimensions === undefined) {
      await expect(look).rejects.toMatchObject({ code: "BRAINY_CORRUPT" });
      expect(watcher.config?.settings.flushInterval).toBe(undefined);
      await store.put(FIXED_SETTINGS_KEY, copy);
    }
    await look.catch(() => undefined);
    await watcher.check();
    expect(watcher.config?.settings.flushInterval).toBe(1_000);
    await edit({ partitionCount: 7 });
    await watcher.check();
    expect(events.at(-1)).toMatchObject({ type: "config_refused", is: 7 });
  }
});
