import { seededRandom } from "../../src/base/random.ts";
import { FileSystemStore } from "../../src/storage/adapters/file-system.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { VirtualProcess } from "../simulation/virtual-process.ts";
import { CrashModel, type CrashState } from "./crash-states.ts";
import { Disk, type DiskDefect, type DiskFaults, type Turn } from "./disk.ts";

/** Where the store is; the folders above it are made by the store as well. */
export const ROOT = "/srv/brainy/data";

/** What a workload is run with. */
export interface MachineOptions {
  readonly seed: number;
  readonly defect?: DiskDefect | undefined;
  readonly faults?: DiskFaults | undefined;
}

/** Any number of processes on one disk, under one scheduler. */
export class Machine {
  readonly scheduler: Scheduler;
  readonly disk: Disk;
  /** Of what the disk began with. */
  readonly model: CrashModel;
  #processes = 0;
  /** Names that a process gives or takes until it dies. */
  readonly #entriesLeft = new Map<string, { left: number; readonly die: () => void }>();
  #failure: { readonly error: unknown } | undefined;

  constructor({ seed, defect, faults = {} }: MachineOptions) {
    this.scheduler = new Scheduler(seed);
    const nowMs = (): number => this.scheduler.nowMs;
    this.disk = new Disk(nowMs, { defect });
    this.disk.faults = faults;
    this.model = new CrashModel(this.disk.root);
    this.disk.onEntry = (by) => {
      const fate = this.#entriesLeft.get(by);
      if (fate !== undefined && fate.left-- === 0) fate.die();
    };
  }

  newProcess(name: string): VirtualProcess {
    const machine = { skewMs: 0, suspends: false };
    return new VirtualProcess(`${name}.${++this.#processes}`, this.scheduler, machine);
  }

  /**
   * Resolves some time after the process has died: at any moment, or right after it gave or took a
   * name, when no fsync has followed yet. A call of the dead may still be under way until then.
   */
  death(process: VirtualProcess, { withinMs }: { readonly withinMs: number }): Promise<"died"> {
    const { scheduler } = this;
    return new Promise((resolve) => {
      const die = (): void => {
        process.kill();
        scheduler.after(10, () => resolve("died"));
      };
      if (scheduler.chance(0.3)) scheduler.after(scheduler.below(withinMs), die);
      else this.#entriesLeft.set(process.name, { left: scheduler.below(withinMs / 5), die });
    });
  }

  /** Calls of a process take effect one by one, in an order that the seed decides. */
  turnOf(process: VirtualProcess): Turn {
    return (effect) =>
      new Promise((resolve, reject) => {
        this.scheduler.after(this.scheduler.below(3), () => {
          try {
            const value = effect();
            this.scheduler.after(0, () => process.deliver(() => resolve(value)));
          } catch (error) {
            process.deliver(() => reject(error));
          }
        });
      });
  }

  async openStore(process: VirtualProcess, seen?: PutSeen): Promise<ObjectStore> {
    const { clock, random } = process;
    const calls = this.disk.calls(this.turnOf(process), process.name);
    const store = await FileSystemStore.open({ root: ROOT, clock, random, calls });
    return seen === undefined ? store : observed(store, seen);
  }

  /** Lets things happen until all of these have; throws what one of them has. */
  async run(...works: readonly Promise<void>[]): Promise<void> {
    let open = works.length;
    for (const work of works) {
      work.then(
        () => open--,
        (error: unknown) => (this.#failure ??= { error }),
      );
    }
    const isOver = await this.scheduler.until(() => this.#failure !== undefined || open === 0);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!isOver) throw new Error("nothing happens any more");
    // What is still under way takes effect as well: nobody waits for the end of a machine.
    await this.scheduler.until(() => false);
  }
}

type PutSeen = (key: string, bytes: Uint8Array) => void;

/** Tells what is about to be stored, before anything of it is. */
function observed(store: ObjectStore, seen: PutSeen): ObjectStore {
  return {
    name: store.name,
    capabilities: store.capabilities,
    descriptor: store.descriptor,
    get: (key, options) => store.get(key, options),
    getIfChanged: (key, etag, options) => store.getIfChanged(key, etag, options),
    head: (key, options) => store.head(key, options),
    put: (key, bytes, options) => {
      seen(key, bytes);
      return store.put(key, bytes, options);
    },
    putStream: (key, chunks, options) => store.putStream(key, chunks, options),
    deleteMany: (keys, options) => store.deleteMany(keys, options),
    list: (options) => store.list(options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** What judges a state that a power loss left. */
export interface Judge {
  /** Throws when the state is none that may be found then. `isThorough`: go on from it as well. */
  check(state: CrashState, position: number, isThorough: boolean): Promise<void>;
}

/** How much of what is possible is tried. */
export interface Effort {
  readonly seed: number;
  /** States built after one prefix: all of them, where there are no more. */
  readonly builtMax: number;
  /** Different states judged in all, drawn by the seed where there are more. */
  readonly judgedMax: number;
  /** One of so many judged ones is also gone on from, to a second power loss. */
  readonly thoroughEvery: number;
}

/** What was tried. */
export interface Explored {
  readonly changes: number;
  /** All that the model allows, over all prefixes. */
  readonly possible: number;
  readonly built: number;
  /** Of those, no two of which are alike in folders, names and bytes. */
  readonly different: number;
  readonly judged: number;
  /** Of those, gone on from to a second power loss. */
  readonly thorough: number;
}

/** Raised with the prefix and the last changes before it. */
export class PowerLossError extends Error {
  override readonly name = "PowerLossError";
}

/** Takes the power away after every change of the machine's disk, and judges what is left. */
export async function explore(machine: Machine, judge: Judge, effort: Effort): Promise<Explored> {
  const { changes } = machine.disk;
  const random = seededRandom(effort.seed ^ 0x5eed);
  // What is found at two moments has to satisfy the later one, when more was acknowledged.
  const different = new Map<string, { readonly state: CrashState; readonly position: number }>();
  let [possible, built] = [0, 0];
  for (let position = 0; position <= changes.length; position++) {
    if (position > 0) machine.model.take(changes[position - 1]!);
    const found = machine.model.states(effort.builtMax, random);
    possible += found.possible;
    for (const state of found.states) {
      built++;
      different.set(state.signature, { state, position });
    }
  }
  let [left, judged, thorough] = [different.size, 0, 0];
  for (const { state, position } of different.values()) {
    if (random.next() * left-- >= effort.judgedMax - judged) continue;
    const isThorough = judged++ % effort.thoroughEvery === 0;
    if (isThorough) thorough++;
    try {
      await judge.check(state, position, isThorough);
    } catch (error) {
      throw new PowerLossError(
        `after ${position} of ${changes.length} changes: ${textOf(error)}\n` +
          describeChanges(machine, position),
        { cause: error },
      );
    }
  }
  return { changes: changes.length, possible, built, different: different.size, judged, thorough };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function describeChanges({ disk }: Machine, position: number): string {
  const paths = new Map<number, string>([[disk.root.id, ""]]);
  const lines = disk.changes.slice(0, position).map((change, i) => {
    if (change.kind === "entry") {
      const path = `${paths.get(change.folder.id)}/${change.name}`;
      if (change.inode !== undefined) paths.set(change.inode.id, path);
      return `${i} ${change.inode === undefined ? "remove" : "name"} ${path}`;
    }
    return `${i} ${change.kind} ${paths.get(change.inode.id)}`;
  });
  return lines.slice(-30).join("\n");
}
