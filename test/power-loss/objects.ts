import { equalBytes } from "../../src/base/bytes.ts";
import { isBrainyError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { FileSystemStore } from "../../src/storage/adapters/file-system.ts";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { VirtualProcess } from "../simulation/virtual-process.ts";
import { CrashModel, type CrashState } from "./crash-states.ts";
import { Disk } from "./disk.ts";
import { Machine, ROOT, type Judge, type MachineOptions } from "./machine.ts";

/*
 * Objects of every kind under one store, from two processes that die and come back: created,
 * overwritten, replaced, deleted, streamed, each key by one actor at a time.
 */

const KEYS = ["a/b/first", "a/b/second", "a/config", "top", "c/d/e"] as const;

/** More than two sectors, so that it can be torn. */
const OBJECT_BYTES = 1_300;

/** One thing that was asked of one key. `undefined` as value: it is to be gone. */
interface Asked {
  readonly value: number | undefined;
  readonly begin: number;
  /** Changes of the disk when it was acknowledged. */
  end: number | undefined;
  /** It was answered that nothing happened. */
  isVoid: boolean;
}

/** How many processes, what they do, and whether they die. */
export interface ObjectsOptions extends MachineOptions {
  readonly steps: number;
  readonly deathRate: number;
  /** One object alone, so that its versions become too many to be kept. */
  readonly isAlone?: boolean | undefined;
}

interface Run {
  readonly process: VirtualProcess;
  readonly store: ObjectStore;
  readonly died: Promise<"died">;
  /** Read, and not yet relied on by a write that was acknowledged. */
  readonly seen: Asked[];
  /** It was told of a failed fsync. */
  hasFailed: boolean;
}

/** The work, and what may be found of it after a power loss. */
export class Objects implements Judge {
  readonly machine: Machine;
  readonly #options: ObjectsOptions;
  readonly #asked = new Map<string, Asked[]>(KEYS.map((key) => [key, []]));
  readonly #runs: Promise<Run>[] = [];
  #values = 0;
  acknowledgements = 0;
  /** Processes that acknowledged something after they had been told of a failed fsync. */
  readonly late: string[] = [];

  constructor(options: ObjectsOptions) {
    this.#options = options;
    this.machine = new Machine(options);
  }

  async work(): Promise<void> {
    for (const name of ["p", "q"]) this.#runs.push(this.#start(name));
    const keys = this.#options.isAlone === true ? KEYS.slice(0, 1) : KEYS;
    await this.machine.run(...keys.map((key) => this.#act(key)));
  }

  async #start(name: string): Promise<Run> {
    const { scheduler } = this.machine;
    const process = this.machine.newProcess(name);
    const store = await this.machine.openStore(process);
    const willDie = scheduler.chance(this.#options.deathRate);
    const died = willDie
      ? this.machine.death(process, { withinMs: scheduler.pick([40, 200]) }).then((word) => {
          this.#runs["pq".indexOf(name)] = this.#start(name);
          return word;
        })
      : new Promise<"died">(() => {});
    return { process, store, died, seen: [], hasFailed: false };
  }

  async #act(key: string): Promise<void> {
    const { scheduler } = this.machine;
    for (let step = 0; step < this.#options.steps; step++) {
      const run = await scheduler.pick(this.#runs);
      await Promise.race([this.#step(key, run), run.died]);
    }
  }

  async #step(key: string, run: Run): Promise<void> {
    const { store } = run;
    const { scheduler, disk } = this.machine;
    const asked: Asked[] = this.#asked.get(key)!;
    const dice = this.#options.isAlone === true ? 9 - scheduler.below(4) : scheduler.below(10);
    const value =
      dice < 3 || (this.#options.isAlone === true && scheduler.chance(0.1))
        ? undefined
        : ++this.#values;
    const found = dice >= 7 ? await this.#look(key, run) : undefined;
    const one: Asked = { value, begin: disk.changes.length, end: undefined, isVoid: false };
    asked.push(one);
    const seen = run.seen.splice(0);
    try {
      if (value === undefined) await store.deleteMany([key]);
      else if (dice === 3) await store.putStream(key, inChunks(bytesOf(value)));
      else if (dice === 4) await store.put(key, bytesOf(value));
      else if (found === undefined) {
        await store.put(key, bytesOf(value), { condition: { ifAbsent: true } });
      } else await store.put(key, bytesOf(value), { condition: { ifMatch: found.etag } });
      one.end = disk.changes.length;
      // What this process had read before is as durable as what it was told now.
      for (const sighting of seen) sighting.end = one.end;
      this.acknowledgements++;
      if (run.hasFailed) this.late.push(run.process.name);
    } catch (error) {
      run.seen.push(...seen);
      this.#failed(run, one, error);
      if (one.isVoid) await this.#look(key, run);
    }
  }

  async #look(key: string, { store, seen }: Run): Promise<StoredObject | undefined> {
    const begin = this.machine.disk.changes.length;
    const found = await store.get(key);
    if (found === undefined) return undefined;
    const sighting: Asked = { value: valueOf(found.bytes), begin, end: undefined, isVoid: false };
    this.#asked.get(key)!.push(sighting);
    seen.push(sighting);
    return found;
  }

  #failed(run: Run, one: Asked, error: unknown): void {
    if (isBrainyError(error, "BRAINY_FENCED")) run.hasFailed = true;
    else if (isBrainyError(error, "BRAINY_CONFLICT") || isBrainyError(error, "BRAINY_LIMIT")) {
      one.isVoid = true;
    } else if (
      !isBrainyError(error, "BRAINY_UNAVAILABLE") &&
      !isBrainyError(error, "BRAINY_DENIED")
    ) {
      throw error;
    }
  }

  async check({ root }: CrashState, position: number, isThorough: boolean): Promise<void> {
    const clock = new ManualClock(this.machine.scheduler.nowMs + 1_000);
    const disk = new Disk(() => clock.nowMs(), { root });
    const model = new CrashModel(root);
    const random = seededRandom(position);
    const open = (of: Disk): Promise<ObjectStore> =>
      FileSystemStore.open({ root: ROOT, calls: of.calls(), clock, random });
    const store = await open(disk);
    const found = await readAll(store);
    for (const key of KEYS) {
      const allowed = this.#allowed(key, position);
      if (allowed.includes(found.get(key))) continue;
      throw new Error(`${key} is ${found.get(key)}, and may be ${allowed.join(" or ")}`);
    }
    if (!isThorough) return;
    for (const [i, key] of KEYS.entries()) {
      const there = await store.get(key);
      const value = 1_000 + i;
      if (i % 2 === 0 && there !== undefined) {
        await store.deleteMany([key]);
        found.delete(key);
        continue;
      }
      const condition = there === undefined ? { ifAbsent: true as const } : { ifMatch: there.etag };
      await store.put(key, bytesOf(value), { condition });
      found.set(key, value);
    }
    for (const change of disk.changes) model.take(change);
    for (const again of model.states(4, random).states) {
      const after = await readAll(await open(new Disk(() => clock.nowMs(), { root: again.root })));
      const [is, was] = [textOf(after), textOf(found)];
      if (is !== was) throw new Error(`after a second power loss ${is}, before it ${was}`);
    }
  }

  #allowed(key: string, position: number): (number | undefined)[] {
    const asked = this.#asked.get(key)!;
    const last = asked.findLastIndex(({ end }) => end !== undefined && end <= position);
    const open = asked.slice(last + 1).filter((one) => one.begin <= position && !one.isVoid);
    return [asked[last]?.value, ...open.map(({ value }) => value)];
  }
}

/** By `get`, by `head` and by a listing, which have to agree. */
async function readAll(store: ObjectStore): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const listed = new Map<string, string>();
  for await (const { objects } of store.list()) {
    for (const { key, bytesTotal, etag } of objects) listed.set(key, `${bytesTotal} ${etag}`);
  }
  for (const key of KEYS) {
    const [object, head] = [await store.get(key), await store.head(key)];
    if (object === undefined && head === undefined && !listed.has(key)) continue;
    const text = `${object?.bytesTotal} ${object?.etag}`;
    if (text !== listed.get(key) || text !== `${head?.bytesTotal} ${head?.etag}`) {
      throw new Error(`${key}: get ${text}, head ${head?.etag}, listed ${listed.get(key)}`);
    }
    found.set(key, valueOf(object!.bytes));
    listed.delete(key);
  }
  if (listed.size > 0) throw new Error(`also there: ${[...listed.keys()].join(" ")}`);
  return found;
}

function textOf(found: ReadonlyMap<string, number>): string {
  return KEYS.map((key) => `${key} ${found.get(key)}`).join(", ");
}

function bytesOf(value: number): Uint8Array {
  return new Uint8Array(OBJECT_BYTES)
    .map((_, i) => (value * 31 + i * 7) % 251)
    .with(0, value % 256);
}

/** Throws when the bytes are not those of any value. */
function valueOf(bytes: Uint8Array): number {
  for (let value = bytes[0] ?? 0; value < 2_000; value += 256) {
    if (equalBytes(bytes, bytesOf(value))) return value;
  }
  throw new Error(`damaged bytes: ${bytes.byteLength}, beginning ${bytes.slice(0, 8).join(" ")}`);
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 600);
  yield bytes.subarray(600);
}
