import type { Clock } from "../base/clock.ts";
import { equalBytes } from "../base/bytes.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import { randomHex, randomInteger, type Random } from "../base/random.ts";
import type { Etag, ObjectStore, PutCondition } from "./object-store.ts";

/** Options of `probeStore`. */
export interface ProbeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
}

/** Where scratch keys are. Collection may delete whatever it finds there. */
export const PROBE_PREFIX = "_brainy/probe/";

/** Creators of one key at once. */
const CREATORS = 8;

/** Times it is tried, on another key each, when the store did not answer or something was odd. */
const ATTEMPTS_MAX = 4;

/** What may be a mishap refuses a store when it happened in so many of the attempts. */
const DOUBTS_MIN = 3;

const BASE_MS = 100;

/** What one put came to. */
type Outcome = "won" | "lost" | "unknown";

/**
 * Finds out whether a store keeps what every protocol here rests on: of several creators of a key
 * one wins, `ifMatch` replaces the version it names and no other, a listing shows what was
 * written. Some stores accept conditions and ignore them; data would be lost without a word.
 *
 * Rejects with `BRAINY_UNSUPPORTED` and the reason, and then the store must not be written to;
 * with `BRAINY_UNAVAILABLE` when too few requests were answered to know. 11 puts, 3 gets, a
 * listing and a delete: 0.00006 USD on S3. Remember the answer for as long as the store is open,
 * no longer: buckets get other policies, proxies come in between.
 */
export async function probeStore(store: ObjectStore, options: ProbeOptions): Promise<void> {
  const { clock, random, signal } = options;
  if (!store.capabilities.conditionalPut) throw refusal(store, "it has no conditional puts");
  let doubts = 0;
  for (let attempt = 1; ; attempt++) {
    const key = PROBE_PREFIX + randomHex(random, 16);
    const scratch = new Scratch(store, key, options);
    try {
      await probeKey(scratch);
      return;
    } catch (error) {
      if (scratch.isDoubtful) doubts++;
      const isOpen = isBrainyError(error, "BRAINY_UNAVAILABLE") || scratch.isDoubtful;
      if (!isOpen) throw error;
      if (attempt >= ATTEMPTS_MAX) throw doubts < DOUBTS_MIN ? mishaps(store, error) : error;
    } finally {
      // What stays is junk under a random name, and no reason to refuse the store.
      await store.deleteMany([key]).catch(() => undefined);
    }
    await clock.sleep(random.next() * BASE_MS * 2 ** attempt, signal);
  }
}

async function probeKey(scratch: Scratch): Promise<void> {
  await oneCreatorWins(scratch);
  await onlyTheNamedVersionIsReplaced(scratch);
  await isListed(scratch);
}

async function oneCreatorWins(scratch: Scratch): Promise<void> {
  const bodies = Array.from({ length: CREATORS }, (_, index) => scratch.body(index));
  const outcomes = await Promise.all(bodies.map((body) => scratch.put(body, { ifAbsent: true })));
  const wins = outcomes.filter((outcome) => outcome === "won").length;
  if (wins > 1) {
    scratch.refuse(`${wins} of ${CREATORS} creators of one key won: it ignores "if absent"`);
  }
  const found = await scratch.read();
  if (found === undefined) {
    if (wins === 1) scratch.refuse("a key that was created cannot be read");
    if (outcomes.every((outcome) => outcome === "lost")) {
      scratch.refuse(`none of ${CREATORS} creators of a new key won`);
    }
    scratch.unknown("no creator was answered");
  }
  // Repeated on its way, a put may win before it arrives, and is then told that it lost.
  const cameTwice = (outcome: Outcome, index: number): boolean =>
    wins === 0 && outcome === "lost" && same(found.bytes, bodies[index]);
  if (outcomes.some(cameTwice)) scratch.unknown("a put came twice");
  const winner = outcomes.findIndex((outcome, index) =>
    wins === 1 ? outcome === "won" : outcome === "unknown" && same(found.bytes, bodies[index]),
  );
  if (!same(found.bytes, bodies[winner])) scratch.doubt("the bytes read are not the winner's");
  const late = await scratch.put(scratch.body(CREATORS), { ifAbsent: true });
  if (late === "won") scratch.refuse('a key was created twice: it ignores "if absent"');
}

async function onlyTheNamedVersionIsReplaced(scratch: Scratch): Promise<void> {
  const before = await scratch.read();
  if (before === undefined) return scratch.refuse("a key that was created is gone");
  const body = scratch.body(CREATORS + 1);
  let right = await scratch.put(body, { ifMatch: before.etag });
  let after = await scratch.read();
  for (let tries = 1; tries < ATTEMPTS_MAX && right === "lost"; tries++) {
    if (after?.etag !== before.etag) break;
    right = await scratch.put(body, { ifMatch: before.etag });
    after = await scratch.read();
  }
  if (right === "unknown" && !same(after?.bytes, body)) scratch.unknown("a put was not answered");
  if (right === "lost" && same(after?.bytes, body)) scratch.unknown("a put came twice");
  if (right === "lost") scratch.doubt('"if match" refuses the version that is there');
  if (after === undefined || !same(after.bytes, body)) {
    return scratch.doubt('"if match" was accepted and changed nothing');
  }
  if (after.etag === before.etag) scratch.refuse("two versions of a key have one etag");
  const wrong = await scratch.put(scratch.body(CREATORS + 2), { ifMatch: before.etag });
  if (wrong === "won") scratch.refuse('it ignores "if match": an old version was accepted');
  // Unanswered, it may have been accepted all the same.
  if (wrong === "unknown") scratch.unknown("a put was not answered");
}

async function isListed(scratch: Scratch): Promise<void> {
  const { store, key, signal } = scratch;
  for await (const { objects } of store.list({ prefix: key, signal })) {
    if (objects.some((object) => object.key === key)) return;
  }
  scratch.refuse("a listing does not show what was written before it");
}

/** One key that nobody else knows. */
class Scratch {
  readonly store: ObjectStore;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** What it was refused for may be a mishap: see `DOUBTS_MIN`. */
  isDoubtful = false;
  readonly #nonce: number;

  constructor(store: ObjectStore, key: string, { random, signal }: ProbeOptions) {
    this.store = store;
    this.key = key;
    this.signal = signal;
    this.#nonce = randomInteger(random, 256);
  }

  /** Different for each index: etags may be hashes of the content. */
  body(index: number): Uint8Array {
    return Uint8Array.of(this.#nonce, index);
  }

  async read(): Promise<{ readonly bytes: Uint8Array; readonly etag: Etag } | undefined> {
    return this.store.get(this.key, { signal: this.signal });
  }

  async put(bytes: Uint8Array, condition: PutCondition): Promise<Outcome> {
    const { signal } = this;
    try {
      await this.store.put(this.key, bytes, { condition, signal });
      return "won";
    } catch (error) {
      if (isBrainyError(error, "BRAINY_CONFLICT")) return "lost";
      if (isBrainyError(error, "BRAINY_UNAVAILABLE")) return "unknown";
      if (isBrainyError(error, "BRAINY_UNSUPPORTED"))
        throw refusal(this.store, error.message, error);
      throw error;
    }
  }

  refuse(why: string): never {
    throw refusal(this.store, why);
  }

  /** As a store does that says "another one is at it" by mistake, or a line that turns a bit. */
  doubt(why: string): never {
    this.isDoubtful = true;
    this.refuse(why);
  }

  unknown(why: string): never {
    throw new BrainyError("BRAINY_UNAVAILABLE", `probe of ${this.store.name}: ${why}`);
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a, b);
}

function mishaps(store: ObjectStore, cause: unknown): BrainyError {
  const what = `probe of ${store.name}: answers were lost, or odd`;
  return new BrainyError("BRAINY_UNAVAILABLE", what, { cause });
}

function refusal(store: ObjectStore, why: string, cause?: unknown): BrainyError {
  const what = `${store.name} cannot be written to safely: ${why}`;
  return new BrainyError("BRAINY_UNSUPPORTED", what, { cause });
}
