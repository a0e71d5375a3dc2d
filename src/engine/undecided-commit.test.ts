import { expect, test } from "vitest";
import { Fleet, put } from "../../test/support/fleet.ts";
import { scripted } from "../../test/support/scripted-store.ts";
import { BrainyError } from "../base/errors.ts";
import { manifestKey } from "../format/keys.ts";
import type { PutResult } from "../storage/object-store.ts";

test("[M2] what a manifest names that may still be on its way is not collected", async () => {
  const fleet = new Fleet();
  const lane = await fleet.openLane();
  const store = scripted(fleet.store);
  const stuck = { key: "" };
  let arrive: (() => Promise<PutResult>) | undefined;
  const { maintenance } = fleet.maintenance({
    store: {
      ...store,
      put: (key, bytes, options) => {
        if (key !== stuck.key) return store.put(key, bytes, options);
        arrive = () => fleet.store.put(key, bytes, options);
        return Promise.reject(new BrainyError("BRAINY_UNAVAILABLE", "no answer"));
      },
    },
  });
  for (const id of ["a", "b"]) {
    await lane.append([put(id, 1)]);
    await maintenance.run({ force: "flush" });
  }
  // Something to collect later, so that a run without work collects.
  for (let i = 0; i < 12; i++) {
    await lane.append([put(`r${i}`, i)]);
    await maintenance.run({ force: "flush" });
  }
  await lane.append([put("c", 1)]);
  stuck.key = manifestKey((await fleet.newest()).number + 1);
  await expect(maintenance.run({ force: "compact" })).rejects.toThrow("did not say");
  fleet.clock.advance(10 * 60_000);
  await maintenance.run();
  await arrive?.();
  expect((await fleet.newest()).number).toBe(Number(/\d{16}/.exec(stuck.key)?.[0]));
  await fleet.expectNothingLost();
});
