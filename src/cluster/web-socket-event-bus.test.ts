import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { Listener, eventBusConformance, hintOf } from "../../test/support/event-bus-conformance.ts";
import { fixedPort } from "../../test/support/fixed-port.ts";
import { HintRelay, type HintRelayOptions } from "./hint-relay.ts";
import { loadWebSocket } from "./load-web-socket.ts";
import { WebSocketEventBus, type WebSocketEventBusOptions } from "./web-socket-event-bus.ts";

async function startRelay(options: Partial<HintRelayOptions> = {}): Promise<[string, HintRelay]> {
  const relay = new HintRelay({ port: 0, messagesPerSecond: 100_000, ...options });
  onTestFinished(() => relay.close());
  return [await relay.start(), relay];
}

/** A bus, and a promise for each change of its connection. */
async function openBus(
  url: string,
  options: Partial<WebSocketEventBusOptions> = {},
): Promise<{
  bus: WebSocketEventBus;
  next: (isConnected: boolean) => Promise<string | undefined>;
}> {
  const changes: (string | undefined)[] = [];
  let wake = (): void => {};
  const bus = await WebSocketEventBus.open({
    url,
    clock: systemClock,
    random: systemRandom,
    onChange: (trouble) => {
      changes.push(trouble);
      wake();
    },
    ...options,
  });
  onTestFinished(() => bus.close());
  const next = async (isConnected: boolean): Promise<string | undefined> => {
    for (;;) {
      const at = changes.findIndex((trouble) => (trouble === undefined) === isConnected);
      if (at >= 0) return changes.splice(0, at + 1).at(-1);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { bus, next };
}

/** Two that hear each other: what one of them says of itself has arrived at the other. */
async function openPair(url: string): Promise<{ a: WebSocketEventBus; b: WebSocketEventBus }> {
  const [one, two] = [await openBus(url), await openBus(url)];
  await Promise.all([one.next(true), two.next(true)]);
  return { a: one.bus, b: two.bus };
}

eventBusConformance("WebSocket", async () => {
  const [url] = await startRelay();
  const { a, b } = await openPair(url);
  // A client has joined when it hears: what it says first arrives before what is said to it.
  for (const bus of [a, b]) for (const topic of ["own", "other"]) bus.subscribe(topic, () => {});
  const ready = [new Listener(), new Listener()];
  a.subscribe("own", ready[0]!.handler);
  b.subscribe("own", ready[1]!.handler);
  b.publish(hintOf("own", -1));
  await ready[0]!.until(-1);
  a.publish(hintOf("own", -2));
  await ready[1]!.until(-2);
  return { a, b };
});

test("[E6] a relay kills nothing when it dies, and clients come back to the next one", async () => {
  const port = fixedPort();
  const [url, relay] = await startRelay({ port });
  const [a, b] = [await openBus(url), await openBus(url)];
  await Promise.all([a.next(true), b.next(true)]);
  const listener = new Listener();
  b.bus.subscribe("own", listener.handler);
  await relay.close();
  await Promise.all([a.next(false), b.next(false)]);
  expect([a.bus.isConnected, b.bus.isConnected]).toEqual([false, false]);
  expect(a.bus.trouble).toMatch(/lost|ECONNREFUSED/);
  // Waits, and arrives when there is a relay again.
  a.bus.publish(hintOf("own", 7));
  const [, again] = await startRelay({ port });
  await Promise.all([a.next(true), b.next(true)]);
  expect(a.bus.trouble).toBeUndefined();
  // Whoever comes back later misses what was said before it listened.
  for (; !listener.heard.includes(8); await systemClock.sleep(10)) {
    a.bus.publish(hintOf("own", 8));
  }
  expect(again.clientCount).toBe(2);
});

test("[E7] nobody without the token is served, and the error says why", async () => {
  const [url, relay] = await startRelay({ token: "secret" });
  for (const token of [undefined, "secre", "secrets", "Secret"]) {
    const { next } = await openBus(url, { token });
    expect(await next(false)).toBe("the relay does not know the token");
  }
  expect(relay.clientCount).toBe(0);
  expect(relay.refusedCount).toBeGreaterThanOrEqual(4);
  const { next } = await openBus(url, { token: "secret" });
  expect(await next(true)).toBeUndefined();
});

test("[E7] a page in a browser of the same machine is not served", async () => {
  const [url, relay] = await startRelay();
  const socket = new WebSocket(url, { origin: "https://example.org" });
  const error = await new Promise<Error>((resolve) => socket.once("error", resolve));
  expect(error.message).toMatch(/403/);
  expect([relay.clientCount, relay.refusedCount]).toEqual([0, 1]);
});

test("[E7] a relay has so many clients and no more", async () => {
  const [url, relay] = await startRelay({ clientsMax: 2 });
  await openPair(url);
  const { next } = await openBus(url);
  expect(await next(false)).toMatch(/503/);
  expect(relay.clientCount).toBe(2);
});

/** A client that keeps to no rules. */
async function openRaw(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  onTestFinished(() => socket.terminate());
  await new Promise((resolve) => socket.once("open", resolve));
  return socket;
}

function closeOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once("close", resolve));
}

test("[E7] who sends too much at once, garbage or too many topics is sent away", async () => {
  const [url, relay] = await startRelay();
  const { a, b } = await openPair(url);
  const listener = new Listener();
  b.subscribe("own", listener.handler);

  const large = await openRaw(url);
  large.on("error", () => {});
  large.send("x".repeat(100_000));
  expect(await closeOf(large)).toBe(1009);

  const garbage = await openRaw(url);
  for (let i = 0; i < 17; i++) garbage.send(i % 2 === 0 ? "{" : Buffer.from([1, 2, 3]));
  expect(await closeOf(garbage)).toBe(1008);

  const curious = await openRaw(url);
  for (let i = 0; i < 65; i++) curious.send(`{"join":"topic-${i}"}`);
  expect(await closeOf(curious)).toBe(1008);

  a.publish(hintOf("own", 1));
  await listener.until(1);
  expect(relay.clientCount).toBe(2);
});

test("[E7] who sends too fast is read from as fast as is allowed, and its last hint arrives", async () => {
  const [url] = await startRelay({ messagesPerSecond: 200 });
  const { a, b } = await openPair(url);
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  const startedMs = systemClock.monotonicMs();
  for (let i = 1; i <= 400; i++) a.publish(hintOf("own", i));
  await listener.until(400);
  a.publish(hintOf("own", 401));
  await listener.until(401);
  // One burst was read at once; what came after it had to wait until it was paid for.
  expect(systemClock.monotonicMs() - startedMs).toBeGreaterThan(900);
});

test("[E7] who does not read costs a bounded queue, and others hear on", async () => {
  const [url, relay] = await startRelay();
  const { a, b } = await openPair(url);
  const listener = new Listener();
  b.subscribe("own", listener.handler);
  const deaf = await openRaw(url);
  deaf.send('{"join":"own"}');
  deaf.send('{"hint":1}');
  deaf.pause();
  const padding = "x".repeat(8_000);
  for (let i = 1; relay.droppedCount === 0 && i < 20_000; i++) {
    a.publish(hintOf("own", i, { padding }));
    if (i % 50 === 0) await listener.until(i);
  }
  expect(relay.droppedCount).toBeGreaterThan(0);
  a.publish(hintOf("own", 30_000));
  await listener.until(30_000);
});

test("[E6] a process with nothing else to do is not kept alive by its connection", async () => {
  const [url] = await startRelay();
  const { bus, next } = await openBus(url);
  await next(true);
  const kept = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  await bus.close();
  // The relay's end of the connection is the only one that counts.
  expect(kept).toBeLessThanOrEqual(1);
});

test("a relay refuses options that cannot be meant, before it listens", () => {
  const refused = (options: object): unknown => {
    try {
      return new HintRelay(options as HintRelayOptions);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused({ port: -1 })).toMatch(/port -1/);
  expect(refused({ port: 1, token: "a b" })).toMatch(/token/);
  expect(refused({ port: 1, host: "0.0.0.0" })).toMatch(/0\.0\.0\.0.*needs a token/);
  expect(refused({ port: 1, clientsMax: 0 })).toMatch(/clientsMax 0/);
  expect(refused({ port: 1, host: "" })).toMatch(/host/);
});

test("a port that is taken is BRAINY_CONFLICT", async () => {
  const [url] = await startRelay();
  const second = new HintRelay({ port: Number(new URL(url).port) });
  await expect(second.start()).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
  await second.close();
});

test("without the package the error says how to install it", async () => {
  const missing = (): Promise<never> => Promise.reject(new Error("no such module"));
  await expect(loadWebSocket(missing)).rejects.toMatchObject({
    code: "BRAINY_UNSUPPORTED",
    message: expect.stringContaining("npm install ws"),
  });
});
