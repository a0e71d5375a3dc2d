import { BrainyError, invalid } from "./base/errors.ts";
import type { Clock } from "./base/clock.ts";
import type { Database } from "./engine/database.ts";
import { checkVector, checkVectorInto } from "./engine/record-input.ts";
import { DraftColumns } from "./format/draft-columns.ts";
import { prepareRecord, recordBytes, recordOfItem } from "./record-encoder.ts";
import type { PreparedRecord } from "./record-encoder.ts";
import type { AddItem, AddManyOptions, AddManyResult, FailedItem, VectorInput } from "./types.ts";

/** Slots of one `addMany` that wait or are on their way: enough to keep the log busy. */
const SLOTS_IN_FLIGHT_MAX = 4;
/** Items checked between two breaths: well under 1 ms. */
const ITEMS_PER_BREATH = 64;
/** Vectors checked and copied between two breaths: well under 1 ms. */
const VECTORS_PER_BREATH = 128;

/** Where records go, and the bounds of their slots. */
export interface IngestOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly embed: (
    texts: readonly string[],
    signal: AbortSignal | undefined,
  ) => Promise<readonly VectorInput[]>;
  readonly slotRecordsMax: number;
  readonly slotBytesMax: number;
  readonly flushIntervalMs: number;
}

interface Pending {
  readonly index: number;
  readonly prepared: PreparedRecord;
}

/** Records of one slot, and the memory that their vectors are in. */
interface Batch {
  readonly drafts: DraftColumns;
  readonly slab: Float32Array;
}

/**
 * Puts the items of an iterable into the log, slot by slot, with bounded memory: the source is
 * asked for more only while few slots are on their way. A bad item is reported and the others go
 * on; a store that fails ends it with an error that says how much was acknowledged.
 */
export class Ingest {
  readonly #options: IngestOptions;
  readonly #many: AddManyOptions;
  readonly #failed: FailedItem[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #slabs: Float32Array[] = [];
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #pendingSinceMs = 0;
  #added = 0;
  #dimensions: number | undefined;
  #error: unknown;

  constructor(options: IngestOptions, many: AddManyOptions) {
    this.#options = options;
    this.#many = many;
  }

  async run(items: Iterable<AddItem> | AsyncIterable<AddItem>): Promise<AddManyResult> {
    const { signal } = this.#many;
    try {
      if (isIterable(items)) await this.#takeAll(items);
      else await this.#takeAsTheyCome(items);
      if (signal?.aborted !== true) await this.#cut();
    } finally {
      await Promise.allSettled(this.#inFlight);
    }
    if (this.#error !== undefined) throw this.#explain(this.#error);
    signal?.throwIfAborted();
    return { added: this.#added, failed: this.#failed.toSorted((a, b) => a.index - b.index) };
  }

  get #isStopped(): boolean {
    return this.#many.signal?.aborted === true || this.#error !== undefined;
  }

  /** Nobody waits for items that are there: no promise for each of them, and no deadline. */
  async #takeAll(items: Iterable<AddItem>): Promise<void> {
    const { clock } = this.#options;
    let index = 0;
    for (const item of items) {
      if (this.#isStopped) break;
      this.#take(item, index++);
      if (this.#isFull()) await this.#cut();
      if (index % ITEMS_PER_BREATH === 0) await clock.breathe();
    }
  }

  async #takeAsTheyCome(items: AsyncIterable<AddItem>): Promise<void> {
    const { clock } = this.#options;
    let index = 0;
    for await (const item of this.#deadlined(items)) {
      if (this.#isStopped) break;
      if (item !== DEADLINE) this.#take(item, index++);
      if (item === DEADLINE || this.#isFull()) await this.#cut();
      if (index % ITEMS_PER_BREATH === 0) await clock.breathe();
    }
  }

  /** The items, and a mark whenever what is pending has waited for as long as it may. */
  async *#deadlined(items: AsyncIterable<AddItem>): AsyncGenerator<AddItem | typeof DEADLINE> {
    const { clock, flushIntervalMs } = this.#options;
    const iterator = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = iterator.next();
        while (this.#pending.length > 0) {
          const waitMs = this.#pendingSinceMs + flushIntervalMs - clock.monotonicMs();
          const timer = new AbortController();
          const deadline = clock.sleep(Math.max(0, waitMs), timer.signal).then(
            () => DEADLINE,
            () => undefined,
          );
          const first = await Promise.race([next.then(() => undefined), deadline]);
          timer.abort();
          if (first !== DEADLINE) break;
          yield DEADLINE;
        }
        const result = await next;
        if (result.done === true) return;
        yield result.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  #take(item: AddItem, index: number): void {
    try {
      const prepared = prepareRecord(recordOfItem(item), this.#options.database.newUlid);
      if (this.#pending.length === 0) this.#pendingSinceMs = this.#options.clock.monotonicMs();
      this.#pending.push({ index, prepared });
      const vectorBytes = 4 * (prepared.vector?.length ?? this.#dimensions ?? 384);
      this.#pendingBytes += vectorBytes + prepared.content.length + prepared.metadata.length;
    } catch (error) {
      this.#fail(index, idOf(item), error);
    }
  }

  #isFull(): boolean {
    const { slotRecordsMax, slotBytesMax } = this.#options;
    return this.#pending.length >= slotRecordsMax || this.#pendingBytes >= slotBytesMax * 0.9;
  }

  /** Sends what is pending on its way, and waits while too much already is. */
  async #cut(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (pending.length === 0) return;
    const sending = this.#fill(pending)
      .then((batches) => this.#write(batches))
      .catch((error: unknown) => {
        this.#error ??= error;
      });
    this.#inFlight.add(sending);
    void sending.finally(() => this.#inFlight.delete(sending));
    while (this.#inFlight.size >= SLOTS_IN_FLIGHT_MAX) await Promise.race(this.#inFlight);
  }

  /** Vectors checked and copied into columns: a slot's worth, or more if the estimate was low. */
  async #fill(pending: readonly Pending[]): Promise<readonly Batch[]> {
    const { clock, slotBytesMax } = this.#options;
    const vectors = await this.#vectors(pending);
    const batches: Batch[] = [];
    let last: Batch | undefined;
    for (let i = 0; i < pending.length; i++) {
      if (i % VECTORS_PER_BREATH === VECTORS_PER_BREATH - 1) await clock.breathe();
      const { index, prepared } = pending[i]!;
      try {
        const dimension = this.#dimensionOf(vectors[i]!);
        const bytes = recordBytes(prepared, dimension);
        if (last === undefined || last.drafts.bytes + bytes > slotBytesMax) {
          last = this.#newBatch((pending.length - i) * dimension);
          batches.push(last);
        }
        this.#put(last, prepared, vectors[i]!);
        last.drafts.bytes += bytes;
      } catch (error) {
        this.#fail(index, prepared.id, error);
      }
    }
    for (const { drafts, slab } of batches) {
      if (drafts.count === 0) continue;
      const dimension = this.#dimensions!;
      drafts.pushVectors(slab.subarray(0, drafts.count * dimension), dimension);
    }
    return batches.filter(({ drafts }) => drafts.count > 0);
  }

  #put({ drafts, slab }: Batch, prepared: PreparedRecord, vector: VectorInput): void {
    const { metric } = this.#options.database;
    const dimensions = this.#dimensions!;
    checkVectorInto(vector, { dimensions, metric }, slab, drafts.count * dimensions);
    drafts.pushPut(prepared);
  }

  /** What all vectors have; the first one says so when nothing else does. */
  #dimensionOf(vector: VectorInput): number {
    const { metric, dimensions } = this.#options.database;
    this.#dimensions ??= dimensions ?? checkVector(vector, { metric }).length;
    return this.#dimensions;
  }

  /** Memory that an earlier slot is through with: fresh memory costs more than filling it. */
  #newBatch(floats: number): Batch {
    const spare = this.#slabs.pop();
    const isLarge = spare !== undefined && spare.length >= floats;
    return { drafts: new DraftColumns(), slab: isLarge ? spare : new Float32Array(floats) };
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    for (const { drafts, slab } of batches) {
      await this.#options.database.writeColumns(drafts);
      // Decided, and visible from the slot's own bytes: nobody reads the drafts any more.
      if (this.#slabs.length < SLOTS_IN_FLIGHT_MAX) this.#slabs.push(slab);
      this.#added += drafts.count;
      this.#many.onProgress?.({ added: this.#added, failed: this.#failed.length });
    }
  }

  async #vectors(pending: readonly Pending[]): Promise<readonly VectorInput[]> {
    const texts = pending.flatMap(({ prepared }) => prepared.embed ?? []);
    const embedded = texts.length === 0 ? [] : await this.#options.embed(texts, this.#many.signal);
    let next = 0;
    return pending.map(({ prepared }) => prepared.vector ?? embedded[next++]!);
  }

  #fail(index: number, id: string | undefined, error: unknown): void {
    const known = error instanceof Error ? error : new Error(String(error));
    this.#failed.push({ index, ...(id !== undefined && { id }), error: known });
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof BrainyError)) return error;
    const message = `${error.message} (after ${this.#added} records were acknowledged)`;
    return new BrainyError(error.code, message, { cause: error });
  }
}

const DEADLINE = Symbol("deadline");

function isIterable(items: Iterable<AddItem> | AsyncIterable<AddItem>): items is Iterable<AddItem> {
  if (typeof items === "object" && items !== null) return Symbol.iterator in items;
  throw invalid("addMany takes an array or another iterable");
}

function idOf(item: AddItem): string | undefined {
  const { id } = (typeof item === "object" && item !== null ? item : {}) as { id?: unknown };
  return typeof id === "string" ? id : undefined;
}
