import { expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { keepFixedSettings } from "../engine/fixed-settings.ts";
import { changeConfig, createSettings, readStored } from "../engine/settings.ts";
import { encodeConfig } from "../format/config.ts";
import { CONFIG_KEY } from "../format/keys.ts";
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
