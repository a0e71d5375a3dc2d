import type { Clock } from "../../src/base/clock.ts";
import { isBrainyError } from "../../src/base/errors.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { DEFAULT_COMPACTION } from "../../src/engine/compaction-plan.ts";
import { DEFAULT_LIMITS } from "../../src/engine/database-limits.ts";
import { Database } from "../../src/engine/database.ts";
import { inlineExecutor } from "../../src/engine/executor-inline.ts";
import { findRecord } from "../../src/engine/records.ts";
import { verifyStore } from "../../src/engine/verify.ts";
import type { Draft } from "../../src/format/operation.ts";
import { FileSystemStore } from "../../src/storage/adapters/file-system.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { History, type Seen } from "../simulation/history.ts";
import { BLIND_IDS, CONDITIONAL_IDS, everything, textOf } from "../simulation/observe.ts";
import type { VirtualProcess } from "../simulation/virtual-process.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { CrashModel, type CrashState } from "./crash-states.ts";
import { Disk } from "./disk.ts";
import { Machine, ROOT, type Judge, type MachineOptions } from "./machine.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What is done to records, and by how many processes at once. */
export interface RecordsOptions extends MachineOptions {
  readonly processes: number;
  /** Of each process run. */
  readonly steps: number;
  /** Process runs after each other. */
  readonly runs: number;
  readonly deathRate: number;
  /** How often hours pass, so that lanes are sealed and what is old is collected. */
  readonly idleRate: number;
}

/** A checkpoint, and what it has to show. */
interface Pinned {
  readonly name: string;
  readonly begin: number;
  end: number | undefined;
  /** Changes when its deletion was asked for. */
  deleted: number | undefined;
  readonly required: ReadonlySet<string>;
}

/**
 * The engine on the file system: writes, decisions, merges, collection and checkpoints of processes
 * that close, die and come back, and the state that another run finds after a power loss.
 */
export class Records implements Judge {
  readonly machine: Machine;
  readonly #options: RecordsOptions;
  readonly #history = new History();
  readonly #acknowledged: { readonly version: string; readonly position: number }[] = [];
  /** How many operations had been asked for, by the number of changes. */
  readonly #asked: { readonly count: number; readonly position: number }[] = [];
  readonly #checkpoints: Pinned[] = [];
  /** Versions that a process has read, and not yet relied on by an acknowledged write. */
  readonly #seen = new Map<string, string[]>();
  /** How often each kind of step succeeded. */
  readonly counts = new Map<string, number>();
  #tokens = 0;
  /** Acknowledgements by a process that was told of a failed fsync before. */
  readonly late: string[] = [];

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.machine = new Machine(options);
  }

  get acknowledgements(): number {
    return this.#acknowledged.length;
  }

  async work(): Promise<void> {
    const names = ["p", "q", "r"].slice(0, this.#options.processes);
    await this.machine.run(...names.map((name) => this.#live(name)));
  }

  async #live(name: string): Promise<void> {
    const { scheduler } = this.machine;
    for (let run = 0; run < this.#options.runs; run++) {
      const process = this.machine.newProcess(name);
      const died = scheduler.chance(this.#options.deathRate)
        ? this.machine.death(process, { withinMs: scheduler.pick([60, 600, 3_000]) })
        : new Promise<"died">(() => {});
      await Promise.race([this.#run(process), died]);
      // A run that ended by itself dies no more.
      process.kill();
    }
  }

  async #run(process: VirtualProcess): Promise<void> {
    const { scheduler } = this.machine;
    const store = await this.machine.openStore(process, (key, bytes) => this.#store(key, bytes));
    const database = await this.#open(store, process);
    let hasFailed = false;
    for (let step = 0; step < this.#options.steps; step++) {
      const before = this.#acknowledged.length;
      try {
        await this.#step(database, process);
        if (hasFailed && this.#acknowledged.length > before) this.late.push(process.name);
      } catch (error) {
        if (!isExpected(error)) throw error;
        hasFailed ||= isBrainyError(error, "BRAINY_FENCED");
      }
      if (scheduler.chance(this.#options.idleRate)) {
        await process.wait(scheduler.pick([20 * MINUTE, 25 * HOUR]));
      }
    }
    await database.close().catch((error: unknown) => {
      if (!isExpected(error)) throw error;
    });
  }

  #open(
    store: ObjectStore,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    more: { readonly checkpoint?: string; readonly readOnly?: boolean } = {},
  ): Promise<Database> {
    return Database.open({
      store,
      clock,
      random,
      executor: () => Promise.resolve(inlineExecutor({ store, clock, random })),
      readOnly: more.readOnly ?? false,
      checkpoint: more.checkpoint,
      wanted: { metric: "euclidean" },
      compaction: { ...DEFAULT_COMPACTION, flushSlots: 3, flushOperations: 12, mergeFanIn: 2 },
      indexing: { async: true, batchIndexUpdates: true },
      limits: { ...DEFAULT_LIMITS, slotOperationsMax: 3 },
    });
  }

  #store(key: string, bytes: Uint8Array): void {
    this.#history.stored(key, bytes);
    const position = this.machine.disk.changes.length;
    this.#asked.push({ count: this.#history.storedCount, position });
  }

  #done(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** What its process had read before is from now on as sure as these. */
  #acknowledge(process: VirtualProcess, versions: readonly string[]): void {
    const position = this.machine.disk.changes.length;
    const seen = this.#seen.get(process.name) ?? [];
    this.#seen.delete(process.name);
    for (const version of [...seen, ...versions]) this.#acknowledged.push({ version, position });
  }

  #saw(process: VirtualProcess, versions: readonly string[]): void {
    this.#seen.set(process.name, [...(this.#seen.get(process.name) ?? []), ...versions]);
  }

  async #step(database: Database, process: VirtualProcess): Promise<void> {
    const { scheduler } = this.machine;
    const dice = scheduler.below(20);
    if (dice < 8) {
      const count = scheduler.chance(0.7) ? 1 : 2;
      const drafts = Array.from({ length: count }, () => this.#draft());
      this.#acknowledge(process, await database.write({ drafts, bytes: 100 * count }));
      this.#done("write");
    } else if (dice < 10) {
      const batches = [1, 2, 3].map(() => ({ drafts: [this.#draft()], bytes: 100 }));
      const writes = batches.map(async (batch) => {
        this.#acknowledge(process, await database.write(batch));
        this.#done("write");
      });
      const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
    } else if (dice < 13) await this.#decide(database, process);
    else if (dice < 14) {
      await database.flush();
      this.#done("flush");
    } else if (dice < 17) {
      await database.compact({ force: scheduler.chance(0.5) ? "flush" : "compact" });
      this.#done("compact");
    } else if (dice < 19) await this.#checkpoint(database);
    else {
      const seen = await database.read({ level: "strong" }, (view) => everything(view, process));
      const versions = [...seen.values()].map(({ version }) => version);
      this.#saw(process, versions);
      this.#done("read");
    }
  }

  #draft(): Draft {
    const { scheduler } = this.machine;
    const id = scheduler.pick(BLIND_IDS);
    const token = `token-${++this.#tokens}`;
    const metadata = JSON.stringify({ [`k${scheduler.below(3)}`]: token });
    const dice = scheduler.below(10);
    if (dice < 2) return { kind: "delete", id };
    if (dice < 4) return { kind: "patch", id, metadata };
    const vector = Float32Array.from({ length: 4 }, () => scheduler.below(8));
    // A body of more than a sector now and then.
    const text = scheduler.chance(0.3) ? token.padEnd(700, ".") : token;
    return { kind: "put", id, content: JSON.stringify({ text }), vector, metadata };
  }

  async #decide(database: Database, process: VirtualProcess): Promise<void> {
    const { scheduler } = this.machine;
    const id = scheduler.pick(CONDITIONAL_IDS);
    const present = await database.readIds({ level: "strong" }, [id], (view) =>
      Promise.resolve(findRecord(view, id, process.clock.nowMs())?.record.version),
    );
    const token = `token-${++this.#tokens}`;
    const metadata = JSON.stringify({ k: token });
    const put = { kind: "put", id, content: JSON.stringify({ text: token }), metadata } as const;
    const patch = { kind: "patch", id, metadata } as const;
    const draft = present === undefined || scheduler.chance(0.3) ? put : patch;
    const condition =
      present === undefined
        ? ({ kind: "absent" } as const)
        : ({ kind: "version", version: present } as const);
    const batch = { drafts: [draft], bytes: 100 };
    const version = await database.writeConditional({ id, condition, batch });
    if (present !== undefined) this.#saw(process, [present]);
    this.#acknowledge(process, [version]);
    this.#done("decide");
  }

  async #checkpoint(database: Database): Promise<void> {
    const { scheduler, disk } = this.machine;
    const known = this.#checkpoints.find(
      ({ end, deleted }) => end !== undefined && deleted === undefined,
    );
    if (known !== undefined && scheduler.chance(0.4)) {
      known.deleted = disk.changes.length;
      await database.deleteCheckpoint(known.name);
      this.#done("delete checkpoint");
      return;
    }
    const name = `c${this.#checkpoints.length}`;
    const begin = disk.changes.length;
    const required = new Set(this.#acknowledged.map(({ version }) => version));
    const pinned: Pinned = { name, begin, end: undefined, deleted: undefined, required };
    this.#checkpoints.push(pinned);
    await database.checkpoint(name);
    pinned.end = disk.changes.length;
    this.#done("checkpoint");
  }

  #countBy(position: number): number {
    const next = this.#acknowledged.findIndex((one) => one.position > position);
    return next === -1 ? this.#acknowledged.length : next;
  }

  async check({ root }: CrashState, position: number, isThorough: boolean): Promise<void> {
    const clock = new ManualClock(this.machine.scheduler.nowMs + 1_000);
    const random = seededRandom(position);
    const disk = new Disk(() => clock.nowMs(), { root });
    const model = new CrashModel(root);
    const store = await storeOf(disk, { clock, random });
    const database = await this.#open(store, { clock, random });
    const seen = await this.#look("found", database, clock, position);
    await this.#checkCheckpoints(store, { clock, random }, position);
    await assertSound(store, { clock, random });
    if (!isThorough) return;
    const wanted = await goOn(database, seen, clock);
    for (const change of disk.changes) model.take(change);
    const { states } = model.states(isThorough ? 2 : 1, random);
    for (const again of states) {
      const after = await storeOf(new Disk(() => clock.nowMs(), { root: again.root }), {
        clock,
        random,
      });
      const reopened = await this.#open(after, { clock, random });
      const found = await reopened.read({ level: "strong" }, (view) => everything(view, { clock }));
      const text = textOf(found);
      if (text !== wanted) throw new Error(`a second power loss left\n${text}\nof\n${wanted}`);
      await assertSound(after, { clock, random });
    }
  }

  async #look(
    what: string,
    database: Database,
    clock: Clock,
    position: number,
  ): Promise<Map<string, Seen>> {
    const count = this.#countBy(position);
    const required = new Set(this.#acknowledged.slice(0, count).map(({ version }) => version));
    const storedCount = this.#asked.findLast((one) => one.position <= position)?.count ?? 0;
    const seen = await database.read({ level: "strong" }, (view) => everything(view, { clock }));
    this.#history.check(what, seen, { required, storedCount });
    return seen;
  }

  async #checkCheckpoints(
    store: ObjectStore,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    position: number,
  ): Promise<void> {
    for (const { name, end, deleted, required } of this.#checkpoints) {
      if (end === undefined || end > position) continue;
      if (deleted !== undefined && deleted <= position) continue;
      const more = { checkpoint: name, readOnly: true };
      const database = await this.#open(store, { clock, random }, more);
      const seen = await database.read({ level: "eventual" }, (view) =>
        everything(view, { clock }),
      );
      const storedCount = this.#asked.findLast((one) => one.position <= end)?.count ?? 0;
      this.#history.check(`checkpoint ${name}`, seen, { required, storedCount });
    }
  }
}

function isExpected(error: unknown): boolean {
  const codes = [
    "BRAINY_UNAVAILABLE",
    "BRAINY_CONFLICT",
    "BRAINY_FENCED",
    "BRAINY_LIMIT",
    "BRAINY_DENIED",
    "BRAINY_NOT_FOUND",
  ] as const;
  return codes.some((code) => isBrainyError(error, code));
}

function storeOf(
  disk: Disk,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<ObjectStore> {
  return FileSystemStore.open({ root: ROOT, calls: disk.calls(), clock, random });
}

async function assertSound(
  store: ObjectStore,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const { problems } = await verifyStore({ store, clock, random });
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(`verify finds ${JSON.stringify(errors)}`);
}

/** Changes a record, deletes one, makes one, and merges all; what has to be there afterwards. */
async function goOn(
  database: Database,
  seen: ReadonlyMap<string, Seen>,
  clock: Clock,
): Promise<string> {
  const metadata = JSON.stringify({ k0: "token-0" });
  const put = { kind: "put", content: "{}", metadata } as const;
  const [first, second] = [...seen.keys()];
  const drafts: Draft[] = [{ ...put, id: "r0", vector: Float32Array.of(1, 2, 3, 4) }];
  if (first !== undefined) drafts.push({ kind: "delete", id: first });
  if (second !== undefined) drafts.push({ kind: "patch", id: second, metadata });
  await database.write({ drafts, bytes: 100 });
  await database.compact();
  await database.write({ drafts: [{ ...put, id: "r1", vector: undefined }], bytes: 100 });
  return textOf(await database.read({ level: "strong" }, (view) => everything(view, { clock })));
}
