import { BrainyError } from "../../src/base/errors.ts";
import { s3Error } from "../../src/storage/adapters/s3-errors.ts";
import { checksumHex } from "../../src/base/checksum.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import type {
  Etag,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutCondition,
  PutResult,
  StoredObject,
} from "../../src/storage/object-store.ts";
import { Damage } from "./damage.ts";
import type { Faults } from "./faults.ts";
import { quantileMs, S3_READ, S3_WRITE } from "./latency.ts";
import { HOUR, MINUTE } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";
import { Trouble } from "./trouble.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import { FATES, type Fate, type Weather } from "./weather.ts";

/** An object as it is stored. */
export interface Held {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: Etag;
  readonly modifiedMs: number;
}

/** A way for a store to break its contract; for showing that somebody would notice. */
export type Defect =
  | "answers-before-it-stores"
  | "ignores-if-absent"
  | "deletes-one-slot-more"
  | "lists-without-a-page"
  | "lists-what-was"
  | "forgets-seals"
  | "swallows-seals";

/** The objects themselves. Requests take effect here, one at a time. */
export class Bucket {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly weather: Weather;
  readonly defect: Defect | undefined;
  readonly objects = new Map<string, Held>();
  /** Called after every object that a request has stored. */
  onStored: (key: string, bytes: Uint8Array<ArrayBuffer>) => void = () => {};
  /** Called with the key of every object that a request has deleted. */
  onDeleted: (key: string) => void = () => {};
  /** Requests on their way whose sender heard no answer. */
  zombies = 0;
  /** Requests that were sent to another one have no effect any more. */
  generation = 0;
  readonly #storm: Trouble;
  readonly #full: Trouble;
  readonly #damage: Damage<Held>;
  #version = 0;
  #past: ReadonlyMap<string, Held> = new Map();

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly faults: Faults;
    readonly weather: Weather;
    readonly defect: Defect | undefined;
  }) {
    this.scheduler = options.scheduler;
    this.faults = options.faults;
    this.weather = options.weather;
    this.defect = options.defect;
    const minutes = [10_000, 2 * MINUTE, 30 * MINUTE];
    this.#storm = new Trouble({ ...options, kind: "slow-down", lengthsMs: minutes });
    this.#damage = new Damage({ ...options, objects: this.objects });
    this.#full = new Trouble({ ...options, kind: "disk-full", lengthsMs: [...minutes, 6 * HOUR] });
  }

  /** Ends all trouble, but for what is on its way already. */
  calm(): void {
    const { weather } = this;
    weather.faultRate = 0;
    weather.stormRate = 0;
    weather.fullRate = 0;
    weather.oddConflictRate = 0;
    weather.damageRate = 0;
    weather.rotRate = 0;
    weather.slowRate = 0;
    weather.duplicateRate = 0;
    this.#storm.end();
    this.#full.end();
    this.#damage.repairAll();
  }

  /** All objects as they are, but for damage. */
  copy(): ReadonlyMap<string, Held> {
    return this.#damage.copy();
  }

  /** Replaces all objects. Some ways to do so keep their times and etags, others do not. */
  putBack(copy: ReadonlyMap<string, Held>): void {
    const { nowMs: modifiedMs } = this.scheduler;
    const isNew = this.scheduler.chance(0.5);
    this.generation++;
    this.objects.clear();
    for (const [key, held] of copy) {
      const etag = this.#etagOf(held.bytes);
      this.objects.set(key, isNew ? { ...held, etag, modifiedMs } : held);
    }
  }

  #etagOf(bytes: Uint8Array<ArrayBuffer>): Etag {
    const { hasContentEtags, hasQuotedEtags } = this.weather;
    const bare = hasContentEtags ? checksumHex(bytes) : `v${++this.#version}`;
    return (hasQuotedEtags ? `"${bare}"` : bare) as Etag;
  }

  /** Throws where the store takes a request of this kind and does nothing. */
  refuse(what: string, method: Method): void {
    const { stormRate, fullRate } = this.weather;
    const isSpared = this.scheduler.chance(0.15);
    if (this.#storm.goesOn(stormRate) && !isSpared) throw refusal(what, 503, "SlowDown");
    // Some stores call it a failure of their own.
    const isOwnFailure = this.scheduler.chance(0.2);
    if (method !== "write" || !this.#full.goesOn(fullRate)) return;
    if (isOwnFailure) throw refusal(what, 507, "XMinioStorageFull");
    throw refusal(what, 403, "QuotaExceeded");
  }

  put(key: string, bytes: Uint8Array<ArrayBuffer>, condition: PutCondition | undefined): PutResult {
    const current = this.objects.get(key)?.etag;
    const expected =
      condition !== undefined && "ifMatch" in condition ? condition.ifMatch : undefined;
    const isIgnored = this.defect === "ignores-if-absent" && expected === undefined;
    const { conflictStatus, oddConflictRate } = this.weather;
    if (condition !== undefined && current !== expected && !isIgnored) {
      const status = conflictStatus === 404 && current !== undefined ? 412 : conflictStatus;
      throw refusal(`put ${key}`, status, current ?? "nothing");
    }
    if (condition !== undefined && this.faults.occurs("odd-conflict", oddConflictRate)) {
      throw refusal(`put ${key}`, 409, "ConditionalRequestConflict");
    }
    const { nowMs: modifiedMs } = this.scheduler;
    const etag = this.#etagOf(bytes);
    if (this.scheduler.chance(0.05)) this.#past = new Map(this.objects);
    this.objects.set(key, { bytes, etag, modifiedMs });
    this.onStored(key, bytes);
    this.#damage.mayStrike(this.weather.rotRate);
    return { etag, storeMs: modifiedMs };
  }

  get(
    key: string,
    range: readonly [number, number] | undefined,
    suffix: number | undefined,
  ): StoredObject | undefined {
    const held = this.objects.get(key);
    if (held === undefined) return undefined;
    const size = held.bytes.byteLength;
    const [start, end] = range ?? [suffix === undefined ? 0 : Math.max(0, size - suffix), size];
    const bytes = held.bytes.slice(start, end);
    return { bytes, etag: held.etag, bytesTotal: size, storeMs: this.scheduler.nowMs };
  }

  deleteMany(keys: readonly string[]): void {
    for (const key of keys) this.#delete(key);
    if (this.defect !== "deletes-one-slot-more" || !keys.some((key) => key.includes("/wal/")))
      return;
    const slots = [...this.objects.keys()].filter((key) => key.includes("/wal/")).toSorted();
    const newest = slots.at(-1);
    if (newest !== undefined) this.#delete(newest);
  }

  #delete(key: string): void {
    if (this.objects.delete(key)) this.onDeleted(key);
  }

  info(key: string): ObjectInfo | undefined {
    const held = this.objects.get(key);
    if (held === undefined) return undefined;
    return { key, bytesTotal: held.bytes.byteLength, etag: held.etag, modifiedMs: held.modifiedMs };
  }

  /** One page: keys whose place in the order is after `after`. */
  page(
    prefix: string,
    after: string,
  ): { readonly page: ListPage; readonly next: string | undefined } {
    const from =
      this.defect === "lists-what-was" && this.scheduler.chance(0.2) ? this.#past : this.objects;
    const found: { place: string; key: string }[] = [];
    for (const key of from.keys()) {
      if (!key.startsWith(prefix)) continue;
      const place = this.weather.isListShuffled ? hashText(key) + key : key;
      if (place > after) found.push({ place, key });
    }
    found.sort((a, b) => (a.place < b.place ? -1 : 1));
    const listed = found.slice(0, this.#pageSize(found.length));
    const isWhole = listed.length === found.length;
    const isLost = this.defect === "lists-without-a-page" && this.scheduler.chance(0.1);
    const objects = isLost ? [] : listed.flatMap(({ key }) => this.info(key) ?? []);
    const page = { objects, prefixes: [], storeMs: this.scheduler.nowMs };
    return { page, next: isWhole ? undefined : listed.at(-1)!.place };
  }

  #pageSize(found: number): number {
    const { pageSize, splitRate } = this.weather;
    if (found < 2) return pageSize;
    // Between any two keys: slots of one lane, manifests, what an operation has just made.
    const isSingle = this.scheduler.chance(0.3);
    const early = 1 + this.scheduler.below(isSingle ? 1 : Math.min(found, pageSize) - 1);
    return this.faults.occurs("split-list", splitRate) ? early : pageSize;
  }
}

function hashText(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** What the adapter of S3 makes of such an answer, to a request with a condition. */
function refusal(what: string, httpStatusCode: number, name: string): BrainyError {
  return s3Error({ name, $metadata: { httpStatusCode } }, { what, isConditional: true });
}

/** How long a sender waits for an answer before it gives up. */
const TIME_OUT_MS = 3_000;

/** The bucket as one process sees it: everything takes time, and anything may fail. */
export class VirtualStore implements ObjectStore {
  readonly name = "virtual";
  readonly capabilities = { conditionalPut: true, durable: true, putBytesMax: 2 ** 31 } as const;
  readonly #bucket: Bucket;
  readonly #process: VirtualProcess;
  requests = 0;

  constructor(bucket: Bucket, process: VirtualProcess) {
    this.#bucket = bucket;
    this.#process = process;
  }

  get(key: string, options: { range?: readonly [number, number]; suffix?: number } = {}) {
    const { range, suffix } = options;
    return this.#read(`get ${key}`, () => this.#damaged(this.#bucket.get(key, range, suffix)));
  }

  getIfChanged(key: string, etag: Etag) {
    return this.#read(`get ${key}`, () => {
      const found = this.#bucket.get(key, undefined, undefined);
      return found?.etag === etag ? ("unchanged" as const) : this.#damaged(found);
    });
  }

  head(key: string) {
    return this.#read(`head ${key}`, () => {
      const info = this.#bucket.info(key);
      return info && { ...info, storeMs: this.#bucket.scheduler.nowMs };
    });
  }

  put(key: string, bytes: Uint8Array, options: { condition?: PutCondition } = {}) {
    const own = new Uint8Array(bytes);
    const { defect, scheduler } = this.#bucket;
    const isSlot = key.includes("/wal/");
    if (isSlot && defect === "answers-before-it-stores" && !this.#bucket.objects.has(key)) {
      if (!scheduler.chance(0.1)) scheduler.after(500, () => this.#bucket.put(key, own, undefined));
      return this.#process
        .wait(1)
        .then(() => ({ etag: "early" as Etag, storeMs: scheduler.nowMs }));
    }
    if (isSlot && defect === "swallows-seals" && isForeignSeal(own)) {
      return this.#process.wait(1).then(() => ({ etag: "none" as Etag, storeMs: scheduler.nowMs }));
    }
    const { duplicateRate, zombieMs } = this.#bucket.weather;
    const againMs = scheduler.random.next() ** 3 * zombieMs;
    if (options.condition !== undefined && this.#bucket.faults.occurs("duplicate", duplicateRate)) {
      const { generation } = this.#bucket;
      const again = (): void => {
        if (generation !== this.#bucket.generation) return;
        const { kind } = attempt(() => this.#bucket.put(key, own, options.condition));
        if (kind === "value") scheduler.note(`${this.#process.name} put ${key}: again`);
      };
      scheduler.after(againMs, again);
    }
    return this.#write(`put ${key}`, () => {
      const result = this.#bucket.put(key, own, options.condition);
      if (isSlot && defect === "forgets-seals" && isForeignSeal(own)) {
        scheduler.after(5_000, () => this.#bucket.objects.delete(key));
      }
      return result;
    });
  }

  async putStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<PutResult> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk.slice());
    const whole = concatBytes(parts);
    return this.#write(`put ${key}`, () => this.#bucket.put(key, new Uint8Array(whole), undefined));
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return Promise.resolve();
    const effect = (): void => this.#bucket.deleteMany(keys);
    return this.#request({ what: `delete ${keys.join(" ")}`, effect, method: "delete" });
  }

  async *list(options: { prefix?: string } = {}): AsyncGenerator<ListPage> {
    const { prefix = "" } = options;
    for (let after: string | undefined = ""; after !== undefined;) {
      const from: string = after;
      const answer = await this.#read(`list ${prefix}`, () => this.#bucket.page(prefix, from));
      yield answer.page;
      after = answer.next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #read<T>(what: string, effect: () => T): Promise<T> {
    return this.#request({ what, effect, method: "read" });
  }

  #write<T>(what: string, effect: () => T): Promise<T> {
    return this.#request({ what, effect, method: "write" });
  }

  #request<T>(request: {
    readonly what: string;
    readonly effect: () => T;
    readonly method: Method;
  }): Promise<T> {
    const { what, effect, method } = request;
    const { scheduler } = this.#bucket;
    this.requests++;
    const { generation } = this.#bucket;
    const { fate, lateMs } = this.#fate(method);
    const { thereMs, backMs } = this.#ways(method);
    return new Promise((resolve, reject) => {
      const fail = (afterMs: number): void => {
        scheduler.after(afterMs, () => {
          const error = new BrainyError("BRAINY_UNAVAILABLE", `${what}: ${fate}`);
          this.#process.deliver(() => reject(error));
        });
      };
      const arrive = (): void => {
        if (fate === "late-effect") this.#bucket.zombies--;
        if (generation !== this.#bucket.generation) return;
        const outcome = attempt(() => {
          this.#bucket.refuse(what, method);
          return effect();
        });
        const said = outcome.kind === "value" ? fate : String(outcome.error);
        scheduler.note(`${this.#process.name} ${what}${said === "answered" ? "" : `: ${said}`}`);
        if (fate === "late-effect") return;
        if (fate === "answer-lost") fail(TIME_OUT_MS);
        else if (fate === "error-after-effect") fail(backMs);
        else {
          scheduler.after(backMs, () => {
            this.#process.deliver(() => {
              if (outcome.kind === "value") resolve(outcome.value);
              else reject(outcome.error);
            });
          });
        }
      };
      if (fate === "request-lost" || fate === "late-effect") fail(TIME_OUT_MS);
      if (fate === "late-effect") {
        this.#bucket.zombies++;
        scheduler.after(TIME_OUT_MS + lateMs, arrive);
      } else if (fate !== "request-lost") scheduler.after(thereMs, arrive);
    });
  }

  /** Bytes as they arrive: cut, or with another bit, for this one time. */
  #damaged(found: StoredObject | undefined): StoredObject | undefined {
    const { scheduler, faults, weather } = this.#bucket;
    if (found === undefined || found.bytes.byteLength === 0) return found;
    const { bytes } = found;
    const at = scheduler.below(bytes.byteLength);
    const bit = scheduler.below(8);
    if (faults.occurs("torn-read", weather.damageRate)) {
      return { ...found, bytes: bytes.slice(0, at) };
    }
    if (faults.occurs("flipped-read", weather.damageRate)) bytes[at]! ^= 1 << bit;
    return found;
  }

  #fate(method: Method): { readonly fate: Fate | "answered"; readonly lateMs: number } {
    const { scheduler, weather, faults } = this.#bucket;
    const picked = scheduler.pick(weather.fates.length === 0 ? FATES : weather.fates);
    const lateMs = scheduler.random.next() ** 3 * weather.zombieMs;
    const isLate = scheduler.chance(weather.zombieRate) && method !== "read";
    const kind = picked === "late-effect" && !isLate ? "request-lost" : picked;
    return { fate: faults.occurs(kind, weather.faultRate) ? kind : "answered", lateMs };
  }

  #ways(method: Method): { readonly thereMs: number; readonly backMs: number } {
    const [there, back] = [this.#wayMs(), this.#wayMs()];
    const { random } = this.#bucket.scheduler;
    const wholeMs = quantileMs(method === "write" ? S3_WRITE : S3_READ, random.next());
    const split = random.next();
    if (!this.#bucket.weather.isLikeS3) return { thereMs: there.usualMs, backMs: back.usualMs };
    return {
      thereMs: there.isSlow ? there.usualMs : wholeMs * split,
      backMs: back.isSlow ? back.usualMs : wholeMs * (1 - split),
    };
  }

  #wayMs(): { readonly usualMs: number; readonly isSlow: boolean } {
    const { scheduler, weather, faults } = this.#bucket;
    const share = scheduler.random.next();
    const isSlow = faults.occurs("latency-spike", weather.slowRate);
    return { usualMs: 1 + share * (isSlow ? weather.slowMs : weather.latencyMs), isSlow };
  }
}

/** What a request does to the bucket. */
type Method = "read" | "write" | "delete";

type Attempt<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "error"; readonly error: unknown };

function attempt<T>(effect: () => T): Attempt<T> {
  try {
    return { kind: "value", value: effect() };
  } catch (error) {
    return { kind: "error", error };
  }
}

function isForeignSeal(bytes: Uint8Array): boolean {
  // A seal's nonce has 32 digits when maintenance made it, 16 when the lane's writer did.
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 2_000));
  return text.includes('"kind":"seal"') && /"nonce":"[0-9a-f]{32}"/.test(text);
}
