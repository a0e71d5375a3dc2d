import fc from "fast-check";
import { expect, test } from "vitest";
import { hintOf } from "../../test/support/event-bus-conformance.ts";
import { VirtualTime, settle } from "../../test/support/virtual-time.ts";
import type { EventBus, HintHandler } from "./event-bus.ts";
import { decodeHint, type Hint } from "./hint.ts";
import { Hints } from "./hints.ts";

const ME = "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1A";

/** Keeps what is published, and says what it is told to say. */
class RecordingBus implements EventBus {
  readonly name = "recording";
  readonly isConnected = true;
  readonly droppedCount = 0;
  readonly published: Hint[] = [];
  handler: HintHandler = () => {};

  publish(hint: Hint): void {
    this.published.push(hint);
  }

  subscribe(_topic: string, handler: HintHandler): () => void {
    this.handler = handler;
    return () => {
      this.handler = () => {};
    };
  }

  async close(): Promise<void> {}
}

function open(): { hints: Hints; bus: RecordingBus; time: VirtualTime } {
  const time = new VirtualTime();
  const hints = new Hints(time.machine());
  const bus = new RecordingBus();
  hints.use(bus);
  hints.start({ databaseId: "own", instanceId: "me", incarnation: ME });
  return { hints, bus, time };
}

test("[E4] a busy writer sends twenty hints a second, and the last one always", async () => {
  const { hints, bus, time } = open();
  for (let slot = 0; slot < 2_000; slot++) {
    hints.publish("log", { lane: "a", slot }, "a");
    if (slot % 2 === 0) hints.publish("log", { lane: "b", slot }, "b");
    await time.pass(1);
  }
  await time.pass(50);
  const ofA = bus.published.filter(({ payload }) => payload["lane"] === "a");
  expect(ofA.length).toBeLessThanOrEqual(42);
  expect(ofA.length).toBeGreaterThan(35);
  expect(ofA.at(-1)!.payload).toEqual({ lane: "a", slot: 1_999 });
  expect(bus.published.at(-1)!.payload).toMatchObject({ slot: expect.any(Number) });
});

test("[E4] the first hint goes out at once, and closing sends what waits", async () => {
  const { hints, bus } = open();
  hints.publish("log", { lane: "a", slot: 1 }, "a");
  await settle();
  expect(bus.published).toHaveLength(1);
  hints.publish("log", { lane: "a", slot: 2 }, "a");
  await settle();
  expect(bus.published).toHaveLength(1);
  hints.close();
  expect(bus.published.map(({ payload }) => payload["slot"])).toEqual([1, 2]);
  hints.publish("log", { lane: "a", slot: 3 }, "a");
  hints.close();
  await settle();
  expect(bus.published).toHaveLength(2);
  expect(hints.counters.sent).toBe(2);
});

test("[E4] what waits to be sent is bounded, and the oldest make room", () => {
  const hints = new Hints(new VirtualTime().machine());
  for (let i = 0; i < 300; i++) hints.publish("log", { lane: String(i), slot: 0 }, String(i));
  const bus = new RecordingBus();
  hints.use(bus);
  hints.start({ databaseId: "own", instanceId: "me", incarnation: ME });
  hints.close();
  expect(bus.published).toHaveLength(256);
  expect(bus.published[0]!.payload["lane"]).toBe("44");
  expect(hints.counters).toEqual({ sent: 256, received: 0, dropped: 44 });
});

test("hints of others are handed out by type, own ones and those of other databases are not", () => {
  const { hints, bus } = open();
  const heard: unknown[] = [];
  const stop = hints.subscribe("index_updated", ({ payload }) => heard.push(payload["manifest"]));
  hints.subscribe("config_changed", () => heard.push("config"));
  bus.handler(hintOf("own", 1));
  bus.handler(hintOf("other", 2));
  bus.handler({ ...hintOf("own", 3), incarnation: ME });
  expect(heard).toEqual([1]);
  expect(hints.counters).toEqual({ sent: 0, received: 1, dropped: 1 });
  stop();
  bus.handler(hintOf("own", 4));
  expect(heard).toEqual([1]);
});

test("without a bus hints go nowhere, and nobody minds", async () => {
  const hints = new Hints(new VirtualTime().machine());
  hints.publish("config_changed", { version: 2 });
  expect(hints.isConnected).toBe(false);
  expect(hints.counters).toEqual({ sent: 0, received: 0, dropped: 0 });
  hints.close();
});

test("[E5] whatever comes in, it is a hint or it is nothing", () => {
  const field = fc.oneof(fc.anything(), fc.constantFrom("log", "own", "w-1", "{}"));
  const almost = fc.record({
    type: fc.oneof(field, fc.constantFrom("log", "compact")),
    databaseId: fc.oneof(field, fc.constant("own")),
    instanceId: fc.oneof(field, fc.constant("w-1")),
    incarnation: fc.oneof(field, fc.constant("01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P")),
    payload: fc.oneof(field, fc.dictionary(fc.string(), fc.anything())),
  });
  const texts = fc.oneof(fc.string(), fc.json(), fc.constant(`{"a":"${"x".repeat(9_000)}"}`));
  const { hints, bus } = open();
  hints.subscribe("log", (hint) => expect(decodeHint(hint)).toEqual(hint));
  fc.assert(
    fc.property(fc.oneof(almost, texts, fc.anything()), (given) => {
      const before = hints.counters;
      bus.handler(given);
      const { received, dropped } = hints.counters;
      expect(received + dropped).toBe(before.received + before.dropped + 1);
      expect(received > before.received).toBe(decodeHint(given)?.databaseId === "own");
    }),
    { numRuns: 2_000 },
  );
});
