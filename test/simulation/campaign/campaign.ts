import type { Defect } from "../virtual-store.ts";
import { minimise, type Minimised } from "./minimise.ts";
import { ProcessPool, type PoolOptions } from "./process-pool.ts";
import { kindOfFailure, MODES, type Answer, type Mode, type Task } from "./run-task.ts";

/** What a campaign is asked for. */
export interface CampaignOptions extends PoolOptions {
  readonly firstSeed: number;
  /** No run begins later than this after the start. */
  readonly durationMs: number;
  /** No run begins after so many simulated operations. Default: no end. */
  readonly operationsMax?: number | undefined;
  /** Default: all. */
  readonly modes?: readonly Mode[] | undefined;
  /** Planted in every run, to see what a campaign makes of it. */
  readonly defect?: Defect | undefined;
  readonly nowMs: () => number;
  /** Lines for people. */
  readonly log: (line: string) => void;
  /** Begins no run any more once it is aborted; what was done until then is reported. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each failure as soon as it is as small as it gets. */
  readonly onFailure: (failure: CampaignFailure) => void;
}

/** A seed that failed. */
export interface CampaignFailure {
  readonly task: Task;
  readonly kind: string;
  readonly message: string;
  /** Absent where enough failures of this kind have been made small already. */
  readonly minimised: Minimised | undefined;
}

/** What a campaign did. */
export interface CampaignReport {
  readonly firstSeed: number;
  readonly seconds: number;
  readonly jobs: number;
  /** Seeds run, by mode. */
  readonly runs: Readonly<Record<string, number>>;
  /** Whatever the results of runs count, summed; what they count by name is `name.of what`. */
  readonly totals: Readonly<Record<string, number>>;
  readonly failures: readonly CampaignFailure[];
  /** Processes replaced because they held too much, died or hung. */
  readonly restarts: number;
  readonly rssBytesMax: number;
}

/** Failures of one kind that are made small; of more one learns no more. */
const MINIMISED_OF_A_KIND = 3;

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 5_000;

/** Runs seeds of all modes in turn until the time or the operations are used up. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const campaign = new Campaign(options);
  try {
    return await campaign.run();
  } finally {
    campaign.close();
  }
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #pool: ProcessPool;
  readonly #modes: readonly Mode[];
  readonly #startMs: number;
  readonly #runs: Record<string, number> = {};
  readonly #totals: Record<string, number> = {};
  readonly #failures: CampaignFailure[] = [];
  readonly #kinds = new Map<string, number>();
  #given = 0;
  #saidMs: number;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#pool = new ProcessPool(options);
    this.#modes = options.modes ?? MODES;
    this.#startMs = options.nowMs();
    this.#saidMs = this.#startMs;
  }

  async run(): Promise<CampaignReport> {
    // One loop for each process: what is made small takes the place of a seed, and others go on.
    await Promise.all(Array.from({ length: this.#options.jobs }, () => this.#loop()));
    const { firstSeed, jobs } = this.#options;
    return {
      firstSeed,
      seconds: this.#elapsedMs / 1000,
      jobs,
      runs: this.#runs,
      totals: this.#totals,
      failures: this.#failures,
      restarts: this.#pool.restarts,
      rssBytesMax: this.#pool.rssBytesMax,
    };
  }

  close(): void {
    this.#pool.close();
  }

  get #elapsedMs(): number {
    return this.#options.nowMs() - this.#startMs;
  }

  async #loop(): Promise<void> {
    const { durationMs, operationsMax = Infinity, firstSeed, defect, signal } = this.#options;
    const isOver = (): boolean =>
      signal?.aborted === true ||
      this.#elapsedMs >= durationMs ||
      (this.#totals["operations"] ?? 0) >= operationsMax;
    while (!isOver()) {
      const given = this.#given++;
      const mode = this.#modes[given % this.#modes.length]!;
      const task = { mode, seed: firstSeed + Math.floor(given / this.#modes.length), defect };
      const answer = await this.#pool.run(task);
      this.#runs[mode] = (this.#runs[mode] ?? 0) + 1;
      if (answer.kind === "passed") addUp(this.#totals, answer.result);
      else await this.#failed(task, answer);
      this.#sayWhere();
    }
  }

  async #failed(task: Task, answer: Answer & { readonly kind: "failed" }): Promise<void> {
    const kind = kindOfFailure(answer.message);
    const known = this.#kinds.get(kind) ?? 0;
    this.#kinds.set(kind, known + 1);
    this.#options.log(`FAILED ${task.mode} seed ${task.seed}: ${kind}`);
    const minimised =
      known < MINIMISED_OF_A_KIND && this.#options.signal?.aborted !== true
        ? await minimise(task, answer, (smaller) => this.#pool.run(smaller))
        : undefined;
    const failure = { task, kind, message: answer.message, minimised };
    this.#failures.push(failure);
    this.#options.onFailure(failure);
  }

  #sayWhere(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#saidMs < PROGRESS_MS) return;
    this.#saidMs = nowMs;
    const runs = Object.values(this.#runs).reduce((sum, count) => sum + count, 0);
    const { operations = 0, checks = 0, days = 0 } = this.#totals;
    const seconds = this.#elapsedMs / 1000;
    this.#options.log(
      `${Math.round(seconds)} s: ${runs} runs, ${operations} operations ` +
        `(${Math.round(operations / seconds)}/s), ${checks} checks, ` +
        `${Math.round(days)} virtual days, ${this.#failures.length} failures`,
    );
  }
}

/** Numbers are summed; of maps and objects each entry, under `name.key`. */
export function addUp(totals: Record<string, number>, result: object): void {
  for (const [name, value] of Object.entries(result) as [string, unknown][]) {
    if (name === "seed") continue;
    if (typeof value === "number") totals[name] = (totals[name] ?? 0) + value;
    else if (typeof value === "object" && value !== null) {
      const entries: Iterable<[unknown, unknown]> =
        value instanceof Map ? value : Object.entries(value);
      const named = [...entries].map(([key, count]) => [`${name}.${String(key)}`, count]);
      addUp(totals, Object.fromEntries(named));
    }
  }
}
