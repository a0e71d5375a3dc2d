import { expect, test } from "vitest";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import { Brainy } from "../../src/index.ts";
import type { BrainyEvent } from "../../src/types.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * Roles and the registry on a real server, whose etags are what liveness rests on.
 */

const server = await s3Server();

/** The machine's clock, until it is stopped: then nothing that sleeps wakes but by a signal. */
class StoppableClock implements Clock {
  readonly nowMs = systemClock.nowMs;
  readonly monotonicMs = systemClock.monotonicMs;
  readonly breathe = systemClock.breathe;
  isStopped = false;

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await systemClock.sleep(ms, signal);
    if (!this.isStopped) return;
    await new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error));
    });
  }
}

function next(brain: Brainy, type: string): Promise<BrainyEvent> {
  return new Promise((resolve) => {
    const stop = brain.on(type, (event) => {
      stop();
      resolve(event);
    });
  });
}

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "[H4] in a bucket, instances join, go stale when they stand still, and leave",
  async () => {
    const storage = { type: "customS3", ...(await newBucket(server!)), prefix: "db" } as const;
    const often = { heartbeatInterval: 1_000, instanceTimeout: 1_000 };
    await using reader = new Brainy({
      storage,
      distributed: { role: "reader", instanceId: "reader", ...often },
    });
    await reader.init();
    const clock = new StoppableClock();
    const options = { storage, distributed: { role: "auto", instanceId: "w", ...often } } as const;
    let joined = next(reader, "instance_joined");
    const writer = new Brainy({ ...options, clock });
    await writer.add([1, 2], {}, { id: "a" });
    expect((await joined).payload).toMatchObject({ instanceId: "w", role: "writer" });
    expect(await reader.has("a", { consistency: "strong" })).toBe(true);
    await expect(reader.add([1, 2])).rejects.toMatchObject({ code: "BRAINY_UNSUPPORTED" });

    let left = next(reader, "instance_left");
    clock.isStopped = true;
    expect((await left).payload).toMatchObject({ instanceId: "w", reason: "stale" });
    const config = await reader.getDistributedConfig();
    expect(config.settings).toMatchObject({ dimensions: 2, partitionCount: 100 });
    expect(config.instances).toMatchObject({
      w: { role: "writer", status: "stale" },
      reader: { role: "reader", status: "active" },
    });
    await writer.close();

    joined = next(reader, "instance_joined");
    const again = new Brainy(options);
    await again.init();
    expect((await joined).payload).toMatchObject({ instanceId: "w", role: "writer" });
    left = next(reader, "instance_left");
    await again.close();
    expect((await left).payload).toMatchObject({ instanceId: "w", reason: "closed" });
    expect(Object.keys((await reader.getDistributedConfig()).instances)).toEqual(["reader"]);
  },
);
