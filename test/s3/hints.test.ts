import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { HintRelay } from "../../src/distributed.ts";
import { Brainy } from "../../src/index.ts";
import type { BrainyEvent, DistributedOptions } from "../../src/types.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * Hints on a real server: nobody polls, so what is seen was told.
 */

const server = await s3Server();

function next(brain: Brainy, type: string): Promise<BrainyEvent> {
  return new Promise((resolve) => {
    const stop = brain.on(type, (event) => {
      stop();
      resolve(event);
    });
  });
}

for (const method of ["s3-polling", "websocket"] as const) {
  // The reason was printed by `s3Server`.
  test.skipIf(server === undefined)(
    `[E9] in a bucket, ${method} tells a reader what is new, and the holder what is wanted`,
    { timeout: 60_000 },
    async () => {
      const storage = { type: "customS3", ...(await newBucket(server!)), prefix: "db" } as const;
      await using relay = new HintRelay({ port: 0 });
      const coordinator = method === "websocket" ? await relay.start() : { interval: 100 };
      const open = async (distributed: DistributedOptions): Promise<Brainy> => {
        const shared = { coordinationMethod: method, coordinator };
        const brain = new Brainy({
          storage,
          pollInterval: 0,
          distributed: { ...distributed, ...shared },
        });
        await brain.init();
        return brain;
      };
      await using writer = await open({ role: "writer", instanceId: "w-1" });
      await writer.add([1, 0], {}, { id: "a" });
      await writer.compact();
      await using reader = await open({ role: "reader", instanceId: "r-1" });
      await using other = await open({ role: "writer", instanceId: "w-2" });
      for (const brain of [writer, reader, other]) {
        while (brain.getMetrics().hints?.connected !== true) await systemClock.sleep(10);
      }
      const heard = next(reader, "log");
      await writer.add([0, 1], {}, { id: "b" });
      expect((await heard).payload).toMatchObject({ from: "w-1" });
      while (!(await reader.has("b"))) await systemClock.sleep(10);

      const events: string[] = [];
      other.on("took-over", ({ type }) => events.push(type));
      const committed = next(writer, "committed");
      await other.compact();
      await committed;
      expect(events).toEqual([]);
      expect(other.getMetrics().index.tailOperations).toBe(0);
    },
  );
}
