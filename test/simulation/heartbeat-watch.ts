import { HEARTBEAT_PREFIX, parseHeartbeatKey } from "../../src/format/keys.ts";
import type { Etag, ListPage, ObjectStore, PutCondition } from "../../src/storage/object-store.ts";
import { HOUR } from "./plan.ts";

/** What is known of the run that a store belongs to. */
export interface WatchedRun {
  readonly name: string;
  /** `undefined` until it has one. */
  readonly incarnation: string | undefined;
  readonly isHolder: boolean;
}

/** From this age on others may remove a heartbeat. */
const REMOVABLE_MS = 24 * HOUR;

/**
 * The store of one process run, which tells `onBroken` when the run touches heartbeats as it must
 * not: it writes none but its own, and takes away only its own, or what had stood still for a day
 * when it was listed; that once when it opens, and later only as the holder of maintenance.
 */
export class HeartbeatWatch implements ObjectStore {
  readonly name: string;
  readonly capabilities: ObjectStore["capabilities"];
  readonly #inner: ObjectStore;
  readonly #run: () => WatchedRun;
  readonly #onBroken: (error: Error) => void;
  readonly #ages = new Map<string, number>();
  readonly #granted = new Set<string>();
  #hasSwept = false;

  constructor(inner: ObjectStore, run: () => WatchedRun, onBroken: (error: Error) => void) {
    this.name = inner.name;
    this.capabilities = inner.capabilities;
    this.#inner = inner;
    this.#run = run;
    this.#onBroken = onBroken;
  }

  get(key: string, options?: Parameters<ObjectStore["get"]>[1]) {
    return this.#inner.get(key, options);
  }

  getIfChanged(key: string, etag: Etag) {
    return this.#inner.getIfChanged(key, etag);
  }

  head(key: string) {
    return this.#inner.head(key);
  }

  put(key: string, bytes: Uint8Array, options?: { readonly condition?: PutCondition }) {
    const { name, incarnation } = this.#run();
    const heartbeat = parseHeartbeatKey(key);
    if (heartbeat !== undefined && heartbeat.incarnation !== incarnation) {
      this.#onBroken(new Error(`${name} writes ${key}, and is ${incarnation ?? "nobody yet"}`));
    }
    return this.#inner.put(key, bytes, options);
  }

  putStream(key: string, chunks: AsyncIterable<Uint8Array>) {
    return this.#inner.putStream(key, chunks);
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    const heartbeats = keys.filter((key) => key.startsWith(HEARTBEAT_PREFIX));
    if (heartbeats.length > 0) this.#judge(heartbeats);
    return this.#inner.deleteMany(keys);
  }

  async *list(options: Parameters<ObjectStore["list"]>[0] = {}): AsyncGenerator<ListPage> {
    for await (const page of this.#inner.list(options)) {
      for (const { key, modifiedMs } of page.objects) {
        if (key.startsWith(HEARTBEAT_PREFIX)) this.#ages.set(key, page.storeMs - modifiedMs);
      }
      yield page;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  #judge(keys: readonly string[]): void {
    const { name, incarnation, isHolder } = this.#run();
    const others = keys.filter((key) => parseHeartbeatKey(key)?.incarnation !== incarnation);
    // A delete that was not answered is sent again.
    const what = others.join(" ");
    if (others.length === 0 || this.#granted.has(what)) return;
    this.#granted.add(what);
    const young = others.filter((key) => (this.#ages.get(key) ?? 0) < REMOVABLE_MS);
    if (young.length > 0) {
      const age = this.#ages.get(young[0]!) ?? 0;
      this.#onBroken(new Error(`${name} takes ${young.join(" ")} away, ${age / HOUR} hours old`));
    }
    if (!isHolder && this.#hasSwept) {
      this.#onBroken(new Error(`${name} takes ${what} away, and is not the holder`));
    }
    this.#hasSwept = true;
  }
}
