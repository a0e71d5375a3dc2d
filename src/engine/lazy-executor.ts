import type { CompactionJob, CompactionResult, Executor } from "./compaction.ts";

/** An executor that is made on its first job, so that a process that only reads starts none. */
export class LazyExecutor implements Executor {
  readonly name = "lazy";
  readonly #make: () => Promise<Executor>;
  #made: Promise<Executor> | undefined;

  constructor(make: () => Promise<Executor>) {
    this.#make = make;
  }

  async run(job: CompactionJob, signal?: AbortSignal): Promise<CompactionResult> {
    this.#made ??= this.#make();
    return (await this.#made).run(job, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#made)?.[Symbol.asyncDispose]();
  }
}
