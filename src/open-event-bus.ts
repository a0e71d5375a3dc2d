import { unreachable } from "./base/assert.ts";
import type { Clock } from "./base/clock.ts";
import { isBrainyError } from "./base/errors.ts";
import type { Random } from "./base/random.ts";
import type { EventBus } from "./cluster/event-bus.ts";
import type { HintRelay } from "./cluster/hint-relay.ts";
import type { ResolvedCoordination, ResolvedRelay } from "./coordination-options.ts";
import type { ObjectStore } from "./storage/object-store.ts";

/** A bus, and how to let go of it. */
export interface OpenedBus {
  readonly bus: EventBus;
  /** Never rejects. Of a bus of the user's own it does nothing. */
  close(): Promise<void>;
}

/** What a bus is opened with. */
export interface BusContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ObjectStore;
  /** Since the last operation of a user. */
  readonly idleMs: () => number;
  /** Connected, or not any more. */
  readonly onChange: (isConnected: boolean) => void;
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/** The bus that the options ask for; `undefined` where they ask for none. Waits for no connection. */
export async function openEventBus(
  coordination: ResolvedCoordination,
  context: BusContext,
): Promise<OpenedBus | undefined> {
  switch (coordination.method) {
    case "none":
      return undefined;
    case "pubsub":
      return { bus: coordination.bus, close: async () => {} };
    case "websocket":
      return openWebSocket(coordination, context);
    case "s3-polling":
      return openStoreBus(coordination.intervalMs, context);
    default:
      return unreachable(coordination);
  }
}

async function openStoreBus(intervalMs: number, context: BusContext): Promise<OpenedBus> {
  const { StoreEventBus } = await import("./cluster/store-event-bus.ts");
  const { store, clock, random, idleMs, warn } = context;
  const bus = new StoreEventBus({ store, clock, random, intervalMs, idleMs, warn });
  return { bus, close: () => bus.close() };
}

async function openWebSocket(
  { url, token, listen }: ResolvedRelay,
  { clock, random, onChange, info, warn }: BusContext,
): Promise<OpenedBus> {
  const { WebSocketEventBus } = await import("./cluster/web-socket-event-bus.ts");
  let relay: HintRelay | undefined;
  let isClosing = false;
  const host = async (): Promise<void> => {
    if (listen === undefined || relay !== undefined || isClosing) return;
    const { HintRelay } = await import("./cluster/hint-relay.ts");
    const own = new HintRelay({ ...listen, token, clock });
    try {
      await own.start();
      relay = own;
      info(`hosts the relay of hints at ${url}`);
    } catch (error) {
      // Taken: another process of this machine hosts it, and this one is a client like others.
      if (!isBrainyError(error, "BRAINY_CONFLICT")) throw error;
    }
  };
  // Without its path: users put secrets into addresses.
  const where = url.split("/", 3).join("/");
  let isTroubled = false;
  const bus = await WebSocketEventBus.open({
    url,
    token,
    clock,
    random,
    prepare: host,
    onChange: (trouble) => {
      if (trouble === undefined) info(`connected to the relay of hints at ${where}`);
      else if (!isTroubled) warn(`no hints: the relay at ${where} is not reached: ${trouble}`);
      isTroubled = trouble !== undefined;
      onChange(!isTroubled);
    },
  });
  return {
    bus,
    close: async () => {
      isClosing = true;
      await bus.close();
      await relay?.close();
    },
  };
}
