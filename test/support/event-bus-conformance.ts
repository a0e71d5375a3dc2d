import { expect, onTestFinished, test } from "vitest";
import type { EventBus } from "../../src/cluster/event-bus.ts";
import { decodeHint, type Hint } from "../../src/cluster/hint.ts";

/** Two ends of one bus, connected. What they need besides is closed by `onTestFinished`. */
export interface BusPair {
  readonly a: EventBus;
  readonly b: EventBus;
}

const TWO = "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P";

export function hintOf(databaseId: string, number: number, more: object = {}): Hint {
  return {
    type: "index_updated",
    databaseId,
    instanceId: "w-1",
    incarnation: TWO,
    payload: { manifest: number, ...more },
  };
}

/** Everything that a bus delivers, and a promise for what is still to come. */
export class Listener {
  readonly heard: unknown[] = [];
  readonly #waiting: { readonly is: (numbers: unknown[]) => boolean; readonly done: () => void }[] =
    [];

  readonly handler = (given: unknown): void => {
    const hint = decodeHint(given);
    this.heard.push(hint === undefined ? given : hint.payload["manifest"]);
    for (const { is, done } of this.#waiting) if (is(this.heard)) done();
  };

  until(number: number): Promise<void> {
    const is = (numbers: unknown[]): boolean => numbers.includes(number);
    if (is(this.heard)) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ is, done }));
  }
}

function listen(bus: EventBus, databaseId: string): Listener {
  const listener = new Listener();
  onTestFinished(bus.subscribe(databaseId, listener.handler));
  return listener;
}

/** What every bus keeps. `open` makes two that hear each other; each test opens its own. */
export function eventBusConformance(name: string, open: () => Promise<BusPair>): void {
  const check = (claim: string, run: (pair: BusPair) => Promise<void>): void => {
    test(`[E1] ${name}: ${claim}`, async () => {
      const pair = await open();
      onTestFinished(() => pair.a.close());
      onTestFinished(() => pair.b.close());
      await run(pair);
    });
  };

  check("a hint reaches who listens to its database, and nobody else", async ({ a, b }) => {
    const own = listen(b, "own");
    const other = listen(b, "other");
    const back = listen(a, "own");
    a.publish(hintOf("own", 1));
    a.publish(hintOf("other", 2));
    a.publish(hintOf("own", 3));
    b.publish(hintOf("own", 4));
    await Promise.all([own.until(3), other.until(2), back.until(4)]);
    expect(own.heard.filter((number) => number !== 4)).toEqual([1, 3]);
    expect(other.heard).toEqual([2]);
    expect(a.isConnected && b.isConnected).toBe(true);
  });

  check("nobody is called inside a publish", async ({ a, b }) => {
    const heardByB = listen(b, "own");
    const heardByA = listen(a, "own");
    a.publish(hintOf("own", 1));
    expect([...heardByA.heard, ...heardByB.heard]).toEqual([]);
    await heardByB.until(1);
  });

  check("a listener that throws disturbs neither the bus nor the others", async ({ a, b }) => {
    b.subscribe("own", () => {
      throw new Error("a mistake of the listener's");
    });
    const listener = listen(b, "own");
    a.publish(hintOf("own", 1));
    a.publish(hintOf("own", 2));
    await listener.until(2);
    expect(listener.heard).toEqual([1, 2]);
  });

  check("who has stopped to listen hears nothing, and others go on", async ({ a, b }) => {
    const stopped = new Listener();
    const stop = b.subscribe("own", stopped.handler);
    const listener = listen(b, "own");
    a.publish(hintOf("own", 1));
    await listener.until(1);
    stop();
    stop();
    a.publish(hintOf("own", 2));
    await listener.until(2);
    expect(stopped.heard).toEqual([1]);
  });

  check("one function may listen twice, and stop once", async ({ a, b }) => {
    const listener = new Listener();
    const stop = b.subscribe("own", listener.handler);
    onTestFinished(b.subscribe("own", listener.handler));
    a.publish(hintOf("own", 1));
    const other = listen(b, "own");
    a.publish(hintOf("own", 2));
    await other.until(2);
    stop();
    a.publish(hintOf("own", 3));
    await other.until(3);
    expect(listener.heard.filter((number) => number !== 1)).toEqual([2, 2, 3]);
  });

  check("what cannot be sent is dropped and counted, and never thrown", async ({ a, b }) => {
    const listener = listen(b, "own");
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    a.publish(hintOf("own", 1, { text: "x".repeat(20_000) }));
    a.publish(hintOf("own", 2, { cyclic }));
    a.publish(hintOf("own", 3));
    await listener.until(3);
    expect(listener.heard).toEqual([3]);
    expect(a.droppedCount).toBe(2);
  });

  check("a flood takes bounded memory, and its end arrives", async ({ a, b }) => {
    const listener = listen(b, "own");
    const before = a.droppedCount;
    const padding = "x".repeat(4_000);
    for (let i = 1; i <= 5_000; i++) a.publish(hintOf("own", i, { padding }));
    await listener.until(5_000);
    expect(a.droppedCount).toBeGreaterThan(before);
    expect(listener.heard.length).toBeLessThanOrEqual(5_000 - (a.droppedCount - before));
  });

  check("after closing nothing is sent or heard, and closing twice is closing", async (pair) => {
    const { a, b } = pair;
    const listener = listen(b, "own");
    a.publish(hintOf("own", 1));
    await listener.until(1);
    await Promise.all([a.close(), a.close()]);
    expect(a.isConnected).toBe(false);
    a.publish(hintOf("own", 2));
    await b.close();
    await b.close();
    expect(listener.heard).toEqual([1]);
  });
}
