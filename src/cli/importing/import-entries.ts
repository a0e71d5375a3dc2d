import type { Brainy } from "../../brainy.ts";
import type { Entry, ProblemEntry, RecordEntry } from "./entry.ts";
import { StalePassages } from "./stale-passages.ts";

/** Text of one batch, so that few large records are a batch too. */
const BATCH_CHARACTERS_MAX = 4 * 1024 * 1024;

/** What an import did so far. */
export interface ImportCounts {
  /** Acknowledged: durable and searchable. */
  imported: number;
  /** Not valid, and passed over. */
  skipped: number;
  /** Passages of older versions of the files, deleted. */
  removed: number;
}

/** What an import needs beside what it reads. */
export interface ImportEntriesOptions {
  readonly brain: Brainy;
  /** Stops taking entries; what was taken is still written. */
  readonly signal: AbortSignal;
  readonly batchSize: number;
  readonly skipInvalid: boolean;
  readonly onSkipped: (problem: ProblemEntry) => void;
  /** Called after each acknowledged batch. */
  readonly onProgress: (counts: Readonly<ImportCounts>) => void;
}

/** How an import ended. `problem` is what ended it early. */
export interface ImportEnd {
  readonly counts: Readonly<ImportCounts>;
  readonly problem: ProblemEntry | undefined;
}

/**
 * Writes entries in batches: one is on its way while the next one gathers, so at most two are in
 * memory and a slow database slows the reading down.
 *
 * The first invalid entry ends it, unless they are to be skipped. Everything before that entry is
 * kept, and of its own batch also what follows, because a batch is judged as a whole.
 */
export async function importEntries(
  entries: AsyncIterable<Entry>,
  options: ImportEntriesOptions,
): Promise<ImportEnd> {
  return new Importer(options).run(entries);
}

class Importer {
  readonly #options: ImportEntriesOptions;
  readonly #stale: StalePassages;
  readonly #counts: ImportCounts = { imported: 0, skipped: 0, removed: 0 };
  #batch: RecordEntry[] = [];
  #characters = 0;
  #inFlight: Promise<void> = Promise.resolve();
  #problem: ProblemEntry | undefined;

  constructor(options: ImportEntriesOptions) {
    this.#options = options;
    this.#stale = new StalePassages(options.brain);
  }

  async run(entries: AsyncIterable<Entry>): Promise<ImportEnd> {
    const { signal } = this.#options;
    await this.#stale.begin();
    for await (const entry of entries) {
      // What comes after the wish to stop may be the half of a line.
      if (signal.aborted) break;
      await this.#take(entry);
      if (this.#problem !== undefined) break;
    }
    await this.#handOver();
    await this.#inFlight;
    await this.#removeStale();
    return { counts: this.#counts, problem: this.#problem };
  }

  async #take(entry: Entry): Promise<void> {
    switch (entry.kind) {
      case "problem":
        return this.#refuse(entry);
      case "file-end":
        this.#stale.add(entry);
        if (this.#stale.isFull) {
          await this.#handOver();
          await this.#inFlight;
          await this.#removeStale();
        }
        return;
      case "record":
        this.#batch.push(entry);
        this.#characters += entry.characters;
        if (
          this.#batch.length >= this.#options.batchSize ||
          this.#characters >= BATCH_CHARACTERS_MAX
        ) {
          await this.#handOver();
        }
    }
  }

  /** Waits for the batch before, and sends this one on its way. */
  async #handOver(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#characters = 0;
    await this.#inFlight;
    if (batch.length === 0) return;
    this.#inFlight = this.#write(batch);
    // Whoever waits for it next sees the failure; until then it is not an unhandled one.
    this.#inFlight.catch(() => undefined);
  }

  async #write(batch: readonly RecordEntry[]): Promise<void> {
    const { brain, onProgress } = this.#options;
    const { added, failed } = await brain.addMany(batch.map(({ record }) => record));
    this.#counts.imported += added;
    for (const { index, error } of failed) {
      this.#refuse({ kind: "problem", where: batch[index]!.where, problem: error.message });
    }
    onProgress(this.#counts);
  }

  #refuse(problem: ProblemEntry): void {
    if (this.#options.skipInvalid) {
      this.#counts.skipped++;
      this.#options.onSkipped(problem);
    } else {
      this.#problem ??= problem;
    }
  }

  async #removeStale(): Promise<void> {
    this.#counts.removed += await this.#stale.remove();
    this.#options.onProgress(this.#counts);
  }
}
