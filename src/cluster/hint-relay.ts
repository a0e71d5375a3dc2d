import type { RawData, WebSocket, WebSocketServer } from "ws";
import { systemClock, type Clock } from "../base/clock.ts";
import { BrainyError, invalid } from "../base/errors.ts";
import { Allowance } from "./allowance.ts";
import { FrameSender } from "./frame-sender.ts";
import { loadWebSocket, type WebSocketModule } from "./load-web-socket.ts";
import { FRAME_BYTES_MAX, decodeFrame, encodeHintFrame } from "./relay-frame.ts";
import { isLoopback, isToken, sameToken } from "./relay-token.ts";

/** Hints that wait for a client to take them. */
const QUEUE_MAX = 256;
/** Databases that one client may listen to. */
const TOPICS_MAX = 64;
/** Frames that are none, before a client is sent away. */
const GARBAGE_MAX = 16;
/** A client that has answered no ping for so long is gone. */
const PING_MS = 30_000;

/** Where a relay listens, and what it allows. */
export interface HintRelayOptions {
  /** 0 takes any that is free; `url` says which. */
  readonly port: number;
  /** Default `127.0.0.1`. Anything but this machine itself needs a token. */
  readonly host?: string | undefined;
  /** What clients have to know: 1 to 512 letters, digits and `-._~+/=`. Default: nothing. */
  readonly token?: string | undefined;
  /** Default 1,000; more are refused. */
  readonly clientsMax?: number | undefined;
  /** Messages of one client; who sends more is read from more slowly. Default 500. */
  readonly messagesPerSecond?: number | undefined;
  /** For tests: another source of time. */
  readonly clock?: Clock | undefined;
}

interface Client {
  readonly socket: WebSocket;
  readonly topics: Set<string>;
  readonly allowance: Allowance;
  readonly sender: FrameSender;
  garbageCount: number;
  hasAnswered: boolean;
}

/**
 * Passes hints on between instances that reach it by WebSocket. It keeps nothing: when it dies
 * instances see what is new a little later, until it is there again. Several databases share one.
 *
 * Needs the package `ws`. Speaks no TLS; put it behind something that does, or into a network of
 * its own. Spec: docs/specs/hints.md.
 *
 * @example
 * ```ts
 * import { HintRelay } from "brainy/distributed";
 *
 * await using relay = new HintRelay({ port: 7070, host: "0.0.0.0", token: "a shared secret" });
 * console.log(await relay.start());
 * ```
 */
export class HintRelay implements AsyncDisposable {
  readonly #options: HintRelayOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #clients = new Set<Client>();
  #server: WebSocketServer | undefined;
  #starting: Promise<string> | undefined;
  #closing: Promise<void> | undefined;
  /** Hints on their way to a client, counted for each. */
  forwardedCount = 0;
  #droppedBefore = 0;
  /** Clients without the token, those beyond the most that may be, and browsers. */
  refusedCount = 0;

  /** Checks the options; listens from `start` on. */
  constructor(options: HintRelayOptions) {
    checkOptions(options);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Hints that a client was too slow for. */
  get droppedCount(): number {
    let count = this.#droppedBefore;
    for (const { sender } of this.#clients) count += sender.droppedCount;
    return count;
  }

  /** Listens. Resolves with the address for clients: `ws://host:port`. */
  start(): Promise<string> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Sends all clients away and stops. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<string> {
    const { WebSocketServer: Server } = await loadWebSocket();
    if (this.#closing !== undefined) throw new BrainyError("BRAINY_CLOSED", "the relay was closed");
    const server = await this.#listen(Server);
    this.#server = server;
    server.on("error", () => {});
    server.on("connection", (socket) => this.#admit(socket));
    void this.#ping();
    const { port } = server.address() as { readonly port: number };
    const { host = "127.0.0.1" } = this.#options;
    return `ws://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  #listen(Server: WebSocketModule["WebSocketServer"]): Promise<WebSocketServer> {
    const { port, host = "127.0.0.1", clientsMax = 1_000 } = this.#options;
    return new Promise((resolve, reject) => {
      const server = new Server({
        port,
        host,
        maxPayload: FRAME_BYTES_MAX,
        perMessageDeflate: false,
        verifyClient: ({ req }, answer) => {
          const { authorization, origin } = req.headers;
          const isKnown = this.#isKnown(authorization);
          const isFull = server.clients.size >= clientsMax;
          if (!isKnown || isFull || origin !== undefined) this.refusedCount++;
          // Any page that somebody looks at on this machine could reach it.
          if (origin !== undefined) answer(false, 403, "browsers are not served");
          else if (!isKnown) answer(false, 401, "the token is missing or wrong");
          else if (isFull) answer(false, 503, "the relay has as many clients as it may have");
          else answer(true);
        },
      });
      server.once("listening", () => resolve(server));
      server.once("error", (error) => reject(listenError(error, `${host}:${port}`)));
    });
  }

  #isKnown(authorization: string | undefined): boolean {
    const { token } = this.#options;
    return token === undefined || sameToken(authorization ?? "", `Bearer ${token}`);
  }

  #admit(socket: WebSocket): void {
    const { messagesPerSecond = 500 } = this.#options;
    const client: Client = {
      socket,
      topics: new Set(),
      allowance: new Allowance(messagesPerSecond, this.#clock.monotonicMs()),
      sender: new FrameSender(QUEUE_MAX),
      garbageCount: 0,
      hasAnswered: true,
    };
    this.#clients.add(client);
    client.sender.use(socket);
    socket.on("close", () => {
      this.#clients.delete(client);
      this.#droppedBefore += client.sender.droppedCount;
    });
    // The close that follows says the same.
    socket.on("error", () => {});
    socket.on("pong", () => {
      client.hasAnswered = true;
    });
    socket.on("message", (data, isBinary) => this.#receive(client, data, isBinary));
  }

  #receive(client: Client, data: RawData, isBinary: boolean): void {
    client.allowance.take(this.#clock.monotonicMs());
    if (!client.socket.isPaused) void this.#slowDown(client);
    const frame = decodeFrame(data, isBinary);
    switch (frame?.kind) {
      case "join":
        if (client.topics.size >= TOPICS_MAX) client.socket.close(1008, "too many databases");
        else client.topics.add(frame.topic);
        return;
      case "leave":
        client.topics.delete(frame.topic);
        return;
      case "hint":
        this.#forward(client, frame.hint.databaseId, encodeHintFrame(frame.hint));
        return;
      case undefined:
        client.garbageCount++;
        if (client.garbageCount > GARBAGE_MAX) client.socket.close(1008, "this is no hint");
    }
  }

  #forward(from: Client, topic: string, text: string | undefined): void {
    if (text === undefined) return;
    for (const client of this.#clients) {
      if (client === from || !client.topics.has(topic)) continue;
      client.sender.send(text);
      this.forwardedCount++;
    }
  }

  /** Not read from while it is in debt: its own queue fills, and drops its oldest. */
  async #slowDown({ socket, allowance }: Client): Promise<void> {
    for (;;) {
      const waitMs = allowance.waitMs(this.#clock.monotonicMs());
      if (waitMs <= 0 || this.#stopping.signal.aborted) break;
      socket.pause();
      await this.#clock.sleep(waitMs, this.#stopping.signal).catch(() => undefined);
    }
    if (socket.isPaused) socket.resume();
  }

  async #ping(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#clock.sleep(PING_MS, signal).catch(() => undefined);
      for (const client of this.#clients) {
        if (!client.hasAnswered || signal.aborted) client.socket.terminate();
        client.hasAnswered = false;
        if (client.socket.readyState === client.socket.OPEN) client.socket.ping();
      }
    }
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    const server = this.#server;
    if (server === undefined) return;
    for (const { socket } of this.#clients) socket.terminate();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function checkOptions({ port, host = "127.0.0.1", token, ...limits }: HintRelayOptions): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalid(`HintRelay: port ${String(port)} is not a whole number from 0 to 65535`);
  }
  if (typeof host !== "string" || host === "") throw invalid("HintRelay: host must be a name");
  if (token !== undefined && !isToken(token)) {
    throw invalid("HintRelay: token must be 1 to 512 letters, digits or any of -._~+/=");
  }
  if (token === undefined && !isLoopback(host)) {
    throw invalid(
      `HintRelay: others reach ${host}, so it needs a token that they share; ` +
        'without one it may listen on "127.0.0.1" only',
    );
  }
  for (const name of ["clientsMax", "messagesPerSecond"] as const) {
    const value = limits[name] ?? 1;
    if (!Number.isInteger(value) || value < 1 || value > 1_000_000) {
      throw invalid(`HintRelay: ${name} ${value} is not a whole number from 1 to 1000000`);
    }
  }
}

function listenError(error: Error, where: string): BrainyError {
  const { code } = error as { readonly code?: string };
  const what = `the relay cannot listen on ${where}: ${error.message}`;
  if (code === "EADDRINUSE") return new BrainyError("BRAINY_CONFLICT", what, { cause: error });
  if (code === "EACCES") return new BrainyError("BRAINY_DENIED", what, { cause: error });
  return new BrainyError("BRAINY_UNAVAILABLE", what, { cause: error });
}
