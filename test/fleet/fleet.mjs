/*
 * The processes of a campaign: each has a name, a proxy, a clock, and one run after the other.
 */
import { fork, spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ChaosProxy } from "./chaos-proxy.mjs";
import { monotonicMs } from "./journal.mjs";

const INSTANCE = fileURLToPath(new URL("instance.mjs", import.meta.url));

/** From the start of a process to its first operation, on a machine that is busy. */
const READY_MS_MAX = 90_000;

export class Fleet {
  /** Of every process run, for the checker. */
  runs = [];
  #options;
  #members = new Map();

  /**
   * @param {object} options
   * @param options.world The store and the time.
   * @param {string} options.folder For journals.
   * @param {string} options.dist The built package that the processes run.
   * @param options.random
   * @param {string[]} [options.nodeOptions] Of the processes.
   */
  constructor(options) {
    this.#options = options;
  }

  get names() {
    return [...this.#members.keys()];
  }

  member(name) {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no ${name}`);
    return member;
  }

  /** A new member, running. */
  async add(actor, { errorMs = 0 } = {}) {
    const { world, random } = this.#options;
    world.setError(actor.name, errorMs);
    const proxy = await ChaosProxy.open({ target: () => world.endpoint, random });
    const member = new Member({ ...this.#options, actor, proxy, runs: this.runs });
    this.#members.set(actor.name, member);
    await member.start();
    return member;
  }

  /** Does it for all members at once. */
  all(action) {
    return Promise.all([...this.#members.values()].map(action));
  }

  /** Ends everything at once, for better or worse. */
  async destroy() {
    for (const member of this.#members.values()) member.kill();
    await this.all((member) => member.proxy.close());
  }
}

class Member {
  #options;
  #child;
  #answers = new Map();
  #orders = 0;
  #names = 0;
  #instanceId;
  #exited = Promise.resolve();

  constructor(options) {
    this.#options = options;
    this.#instanceId = options.actor.name;
  }

  get name() {
    return this.#options.actor.name;
  }

  get proxy() {
    return this.#options.proxy;
  }

  get pid() {
    return this.#child?.pid;
  }

  get isRunning() {
    return this.#child !== undefined;
  }

  /** Resolves when the process works; rejects when it ends before that. */
  async start({ isRenamed = false } = {}) {
    if (this.#child !== undefined) return;
    const { world, folder, dist, random, runs, actor, proxy, nodeOptions } = this.#options;
    if (isRenamed) this.#instanceId = `${actor.name}-${++this.#names}`;
    const number = runs.length + 1;
    const journal = join(folder, `journal-${String(number).padStart(3, "0")}-${actor.name}`);
    const run = { journal, run: number, actor: actor.name, isOff: actor.isOff === true };
    // Until it has ended, everything that it began may still happen.
    run.endedMs = Number.POSITIVE_INFINITY;
    runs.push(run);
    const settings = {
      ...actor,
      journal,
      run: number,
      dist,
      instanceId: this.#instanceId,
      seed: Math.floor(random.next() * 2 ** 32),
      storage: world.storage(proxy.endpoint),
      relayPort: world.relayPort,
      cacheFolder: join(folder, `cache-${actor.name}`),
    };
    const errors = openSync(`${journal}.stderr`, "a");
    const child = fork(INSTANCE, [JSON.stringify(settings)], {
      env: world.environment(actor.name),
      execArgv: nodeOptions ?? [],
      stdio: ["ignore", "ignore", errors, "ipc"],
    });
    closeSync(errors);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        run.endedMs = monotonicMs();
        run.ended = signal ?? code;
        if (this.#child === child) this.#child = undefined;
        for (const { reject } of this.#answers.values()) reject(new Error(`${this.name} ended`));
        this.#answers.clear();
        resolve();
      });
    });
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.name} did not begin`)), READY_MS_MAX);
      child.once("exit", () => {
        clearTimeout(late);
        // Killed while it began: that is no failure.
        if (run.ended === "SIGKILL" || run.ended === 0) resolve();
        else reject(new Error(`${this.name} ended with ${run.ended}, see ${journal}.stderr`));
      });
      child.on("message", (message) => {
        if (message.ready === true) {
          clearTimeout(late);
          resolve();
        } else this.#take(message);
      });
    });
  }

  #take({ answer, result, error }) {
    const waiting = this.#answers.get(answer);
    this.#answers.delete(answer);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${this.name}: ${error}`));
  }

  /** Tells the process to do something, and resolves with its answer. */
  async order(order, { withinMs = 60_000, ...options } = {}) {
    if (this.#child === undefined) throw new Error(`${this.name} does not run`);
    const number = ++this.#orders;
    let late;
    try {
      return await new Promise((resolve, reject) => {
        this.#answers.set(number, { resolve, reject });
        late = setTimeout(() => {
          reject(new Error(`${this.name}: no answer to ${order} in ${withinMs / 1_000} s`));
        }, withinMs);
        // It may end while it is told.
        this.#child.send({ order, number, ...options }, (error) => {
          if (error !== null) reject(new Error(`${this.name}: ${error.message}`));
        });
      });
    } finally {
      clearTimeout(late);
    }
  }

  /** SIGKILL, whatever it does just now. Resolves when the process is gone. */
  kill() {
    this.#child?.kill("SIGKILL");
    return this.#exited;
  }

  /** Ends it as its user would: everything is flushed, its lane sealed. */
  async close({ withinMs = 30_000 } = {}) {
    if (this.#child === undefined) return false;
    const isClosed = await this.order("close", { withinMs }).catch(() => false);
    if (isClosed === false) this.#child?.kill("SIGKILL");
    await this.#exited;
    return isClosed !== false;
  }

  /**
   * SIGSTOP now, SIGCONT after a while. A process of its own does it, so that nothing stays stopped
   * for ever if this one ends.
   */
  stop(forMs) {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    process.kill(pid, "SIGSTOP");
    const later = `sleep ${forMs / 1_000}; kill -CONT ${pid} 2>/dev/null`;
    spawn("sh", ["-c", later], { detached: true, stdio: "ignore" }).unref();
  }

  /** SIGCONT. */
  wake() {
    this.#child?.kill("SIGCONT");
  }
}
