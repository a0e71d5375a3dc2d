import type { WebSocket } from "ws";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { EventBus, HintHandler } from "./event-bus.ts";
import { FrameSender } from "./frame-sender.ts";
import type { Hint } from "./hint.ts";
import { HintHandlers } from "./hint-handlers.ts";
import { loadWebSocket, type WebSocketModule } from "./load-web-socket.ts";
import { FRAME_BYTES_MAX, decodeFrame, encodeHintFrame, encodeTopic } from "./relay-frame.ts";

/** Hints that wait for a connection. */
const QUEUE_MAX = 1_000;
/** The wait before attempt n is between half of and all of this * 2^(n-1). */
const RETRY_MS = 250;
/** The longest wait between two attempts. */
const RETRY_MS_MAX = 30_000;
/** A connection that lived so long was a good one: the next attempt comes soon. */
const STABLE_MS = 10_000;
/** How long an attempt may take. */
const HANDSHAKE_MS = 10_000;
/** How long a relay may take to say goodbye. */
const CLOSE_MS = 1_000;
/** Relays speak every 30 s; one that has not for so long is gone. */
const SILENCE_MS = 75_000;

/** How a relay is reached. */
export interface WebSocketEventBusOptions {
  /** `ws://…` or `wss://…` */
  readonly url: string;
  /** What the relay wants to hear. */
  readonly token?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Done before each attempt: whoever may host the relay tries to. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Connected, or not any more, and why. Called when that changes. */
  readonly onChange?: ((trouble: string | undefined) => void) | undefined;
}

/**
 * Hints over a relay. Connects by itself and again when the connection is lost, later and later
 * while that fails; what is published meanwhile waits in a bounded queue.
 */
export class WebSocketEventBus implements EventBus {
  readonly name: string;
  readonly #options: WebSocketEventBusOptions;
  readonly #module: WebSocketModule;
  readonly #handlers = new HintHandlers();
  readonly #sender = new FrameSender(QUEUE_MAX);
  readonly #stopping = new AbortController();
  #socket: WebSocket | undefined;
  #heardMs = 0;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hasChanged = false;
  #trouble: string | undefined;

  private constructor(options: WebSocketEventBusOptions, module: WebSocketModule) {
    this.name = options.url;
    this.#options = options;
    this.#module = module;
  }

  /** Loads what it needs and begins to connect; does not wait until it has. */
  static async open(options: WebSocketEventBusOptions): Promise<WebSocketEventBus> {
    const bus = new WebSocketEventBus(options, await loadWebSocket());
    bus.#running = bus.#run();
    return bus;
  }

  get isConnected(): boolean {
    return this.#sender.isOpen && !this.#isStopped;
  }

  get droppedCount(): number {
    return this.#sender.droppedCount;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  publish(hint: Hint): void {
    if (!this.#isStopped) this.#sender.send(encodeHintFrame(hint));
  }

  subscribe(databaseId: string, handler: HintHandler): () => void {
    if (!this.#handlers.topics.includes(databaseId)) this.#say(encodeTopic("join", databaseId));
    const undo = this.#handlers.add(databaseId, handler);
    return () => {
      if (undo()) this.#say(encodeTopic("leave", databaseId));
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sender.flush();
    this.#stopping.abort();
    this.#handlers.clear();
    // After all that was sent. A relay that does not answer is not waited for.
    this.#socket?.close();
    const ended = new AbortController();
    await Promise.race([
      this.#running?.finally(() => ended.abort()),
      this.#options.clock.sleep(CLOSE_MS, ended.signal).catch(() => undefined),
    ]);
    this.#socket?.terminate();
    this.#sender.clear();
  }

  async #run(): Promise<void> {
    const { clock, random, prepare } = this.#options;
    const { signal } = this.#stopping;
    let attempts = 0;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      let trouble = "the connection was lost";
      try {
        await prepare?.();
        if (!signal.aborted) await this.#connect();
      } catch (error) {
        trouble = describe(error);
      }
      if (signal.aborted) return;
      this.#change(trouble);
      attempts = clock.monotonicMs() - startedMs >= STABLE_MS ? 1 : attempts + 1;
      const longestMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (attempts - 1));
      await clock.sleep(longestMs * (0.5 + random.next() / 2), signal).catch(() => undefined);
    }
  }

  /** Resolves when a connection that was there is over; rejects when there was none. */
  #connect(): Promise<void> {
    const { url, token, clock } = this.#options;
    const socket = new this.#module.WebSocket(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: FRAME_BYTES_MAX,
      perMessageDeflate: false,
      followRedirects: false,
    });
    this.#socket = socket;
    const over = new AbortController();
    const hear = (): void => {
      this.#heardMs = clock.monotonicMs();
    };
    return new Promise((resolve, reject) => {
      // A process that has nothing else to do may end.
      socket.on("upgrade", ({ socket: connection }) => connection.unref());
      socket.on("open", () => {
        hear();
        for (const topic of this.#handlers.topics) socket.send(encodeTopic("join", topic));
        this.#sender.use(socket);
        this.#change(undefined);
        void this.#watch(socket, over.signal);
        if (this.#isStopped) socket.close();
      });
      socket.on("ping", hear);
      socket.on("message", (data, isBinary) => {
        hear();
        const frame = decodeFrame(data, isBinary);
        if (frame?.kind === "hint") this.#handlers.deliver(frame.hint.databaseId, frame.hint);
      });
      socket.on("error", reject);
      socket.on("close", () => {
        over.abort();
        this.#socket = undefined;
        this.#sender.use(undefined);
        resolve();
      });
    });
  }

  /** Ends a connection that only seems to be there. */
  async #watch(socket: WebSocket, over: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!over.aborted) {
      await clock.sleep(SILENCE_MS / 2, over).catch(() => undefined);
      if (clock.monotonicMs() - this.#heardMs > SILENCE_MS) socket.terminate();
    }
  }

  /** Who is not connected says it all when it is. */
  #say(text: string): void {
    if (this.isConnected) this.#socket?.send(text);
  }

  #change(trouble: string | undefined): void {
    const isNew = (trouble === undefined) !== (this.#trouble === undefined) || !this.#hasChanged;
    this.#hasChanged = true;
    this.#trouble = trouble;
    if (isNew) this.#options.onChange?.(trouble);
  }
}

function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // The error of the first of several addresses, where a name has more than one.
  const { errors } = error as { readonly errors?: readonly Error[] };
  if (message === "" && errors !== undefined) return errors[0]?.message ?? "no address answers";
  return message.includes("401") ? "the relay does not know the token" : message;
}
