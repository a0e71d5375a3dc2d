/*
 * A proxy between one process and the store that loses, delays and refuses what passes, one request
 * at a time. It forwards requests as they came: signatures cover the address as well.
 */
import { Agent, createServer, request as send } from "node:http";

/** Chance of each fate while a kind of weather holds; the rest passes. */
const FATES = {
  clear: {},
  refuse: { refuse: 0.7 },
  swallow: { swallow: 0.5 },
  cut: { cut: 0.5 },
  error: { error: 0.5 },
  busy: { busy: 0.6 },
  late: { late: 0.4 },
  slow: { slow: 0.8 },
  mixed: { refuse: 0.1, swallow: 0.15, cut: 0.1, error: 0.15, busy: 0.1, late: 0.1, slow: 0.1 },
};

/** Longest wait of a request that nobody waits for any more, and of one that is slow. */
const LATE_MS_MAX = 8_000;
const SLOW_MS_MAX = 2_500;

/** How long the store may take; longer than any process waits. */
const ANSWER_MS_MAX = 30_000;

/** @typedef {(request: import("node:http").IncomingMessage) => boolean} Matches */

export class ChaosProxy {
  /** Faults so far, by kind. */
  counts = {};
  #target;
  #random;
  #weather = "clear";
  #agent = new Agent({ keepAlive: true });
  #sockets = new Set();
  #timers = new Set();
  /** @type {{ fate: string, matches: Matches, resolve: () => void }[]} */
  #orders = [];
  /** @type {{ matches: Matches, hold: () => Promise<void> }[]} */
  #holds = [];
  #server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    outgoing.on("error", () => undefined);
    this.#handle(incoming, outgoing).catch(() => outgoing.destroy());
  });

  /**
   * @param {object} options
   * @param {() => string} options.target Address of the store; it may change.
   * @param {{ next(): number }} options.random
   */
  static async open({ target, random }) {
    const proxy = new ChaosProxy();
    proxy.#target = target;
    proxy.#random = random;
    proxy.#server.on("connection", (socket) => {
      proxy.#sockets.add(socket);
      socket.on("close", () => proxy.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    await new Promise((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get endpoint() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** What happens to requests from now on; where it is bad, open connections break. */
  setWeather(name) {
    if (!(name in FATES)) throw new Error(`there is no weather ${name}`);
    this.#weather = name;
    if (name === "refuse" || name === "mixed") this.#cutAll();
  }

  /** Gives the next request that matches this fate. Resolves when it has come. */
  doNext(fate, matches) {
    return new Promise((resolve) => this.#orders.push({ fate, matches, resolve }));
  }

  /**
   * Stops the next request that matches before it is sent on. Resolves when it has come, with what
   * lets it go.
   */
  holdNext(matches) {
    return new Promise((resolve) => {
      const hold = () => new Promise((release) => resolve(release));
      this.#holds.push({ matches, hold });
    });
  }

  async close() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#agent.destroy();
    this.#cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #cutAll() {
    for (const socket of this.#sockets) socket.destroy();
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }

  async #handle(incoming, outgoing) {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const held = this.#holds.findIndex(({ matches }) => matches(incoming));
    if (held >= 0) await this.#holds.splice(held, 1)[0].hold();
    const fate = this.#orderedFate(incoming) ?? this.#fateOfWeather();
    if (fate !== "pass") this.counts[fate] = (this.counts[fate] ?? 0) + 1;
    await this.#suffer(fate, { incoming, outgoing, bytes });
  }

  #orderedFate(incoming) {
    const index = this.#orders.findIndex(({ matches }) => matches(incoming));
    if (index < 0) return undefined;
    const [{ fate, resolve }] = this.#orders.splice(index, 1);
    resolve();
    return fate;
  }

  #fateOfWeather() {
    let left = this.#random.next();
    for (const [fate, chance] of Object.entries(FATES[this.#weather])) {
      left -= chance;
      if (left < 0) return fate;
    }
    return "pass";
  }

  async #suffer(fate, { incoming, outgoing, bytes }) {
    const forward = () => this.#forward(incoming, bytes);
    switch (fate) {
      case "refuse":
        outgoing.destroy();
        return;
      case "busy":
        fail(outgoing, 503, "SlowDown");
        return;
      case "late":
        // The sender knows nothing; the request arrives when nobody waits for it any more.
        outgoing.destroy();
        await this.#wait(LATE_MS_MAX * this.#random.next());
        await forward();
        return;
      case "swallow":
        await forward();
        outgoing.destroy();
        return;
      case "error":
        await forward();
        fail(outgoing, 500, "InternalError");
        return;
      case "cut":
        cutInHalf(outgoing, await forward());
        return;
      case "slow":
        await this.#wait(SLOW_MS_MAX * this.#random.next());
    }
    respond(outgoing, await forward());
  }

  /** The whole answer of the store, or `undefined` when it did not give one. */
  #forward({ method, url, rawHeaders }, bytes) {
    const { hostname, port } = new URL(this.#target());
    const agent = this.#agent;
    const where = { hostname, port, method, path: url, headers: rawHeaders, agent };
    return new Promise((resolve) => {
      const request = send({ ...where, timeout: ANSWER_MS_MAX }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("error", () => resolve(undefined));
        answer.on("end", () => resolve({ answer, bytes: Buffer.concat(chunks) }));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(undefined));
      request.end(bytes);
    });
  }
}

function respond(outgoing, result) {
  if (result === undefined) return outgoing.destroy();
  writeHead(outgoing, result.answer);
  return outgoing.end(result.bytes);
}

function cutInHalf(outgoing, result) {
  if (result === undefined) return outgoing.destroy();
  writeHead(outgoing, result.answer);
  outgoing.write(result.bytes.subarray(0, Math.floor(result.bytes.length / 2)));
  return setImmediate(() => outgoing.destroy());
}

/** As it came, without what concerns one connection only. */
function writeHead(outgoing, { statusCode, statusMessage, rawHeaders }) {
  const headers = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i].toLowerCase();
    if (name === "connection" || name === "keep-alive" || name === "transfer-encoding") continue;
    headers.push(rawHeaders[i], rawHeaders[i + 1]);
  }
  outgoing.writeHead(statusCode, statusMessage, headers);
}

/** Without a date: this process is of another time than the store, and senders go by it. */
function fail(outgoing, status, code) {
  outgoing.sendDate = false;
  outgoing.writeHead(status, { "content-type": "application/xml" });
  outgoing.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`);
}
