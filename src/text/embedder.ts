import { invalid } from "../base/errors.ts";

/** Options of one call of an embedder. */
export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Turns texts into vectors. Stored vectors are compared with those of later queries, so an
 * embedder must give the same text the same vector in every process, for as long as its `name`
 * stays the same.
 */
export interface Embedder {
  /** Names the model, its version included. Kept with the data and compared when it is opened. */
  readonly name: string;
  /** Length of every vector; `undefined` until an answer has shown it. */
  readonly dimensions: number | undefined;
  /** One vector for each text, in order. The vectors belong to the caller. */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<readonly Float32Array[]>;
}

type EmbedAnswer = readonly (Float32Array | readonly number[])[];

/** What a user brings: one vector for each text, in order. */
export type EmbedFunction = (
  texts: readonly string[],
  options?: EmbedOptions,
) => EmbedAnswer | Promise<EmbedAnswer>;

/** What `functionEmbedder` needs to know about the function. */
export interface FunctionEmbedderOptions {
  /** Names the model and its version, such as `"all-MiniLM-L6-v2"`. */
  readonly name: string;
  /** Length of every vector. Default: that of the first one that comes back. */
  readonly dimensions?: number | undefined;
}

/**
 * Makes an embedder of a function, and holds the function to its promise: as many vectors as
 * texts, all of one length.
 *
 * @example
 * ```ts
 * const embedder = functionEmbedder((texts) => model.encode(texts), { name: "my-model-2" });
 * ```
 */
export function functionEmbedder(fn: EmbedFunction, options: FunctionEmbedderOptions): Embedder {
  if (typeof fn !== "function") throw invalid("embedder: must be a function of texts");
  if (typeof options?.name !== "string" || options.name === "") {
    throw invalid("embedder: needs a name, which is kept with the data: { name: 'my-model-1' }");
  }
  return new FunctionEmbedder(fn, options);
}

class FunctionEmbedder implements Embedder {
  readonly name: string;
  readonly #fn: EmbedFunction;
  #dimensions: number | undefined;

  constructor(fn: EmbedFunction, { name, dimensions }: FunctionEmbedderOptions) {
    this.name = name;
    this.#fn = fn;
    this.#dimensions = dimensions;
  }

  get dimensions(): number | undefined {
    return this.#dimensions;
  }

  async embed(texts: readonly string[], options?: EmbedOptions): Promise<readonly Float32Array[]> {
    options?.signal?.throwIfAborted();
    if (texts.length === 0) return [];
    const answer: unknown = await this.#fn(texts, options);
    options?.signal?.throwIfAborted();
    if (!Array.isArray(answer)) {
      throw invalid(`embedder ${this.name}: must return an array of vectors`);
    }
    if (answer.length !== texts.length) {
      throw invalid(
        `embedder ${this.name}: returned ${answer.length} vectors for ${texts.length} texts`,
      );
    }
    return Array.from(answer as readonly unknown[], (vector, i) => this.#checked(vector, i));
  }

  #checked(vector: unknown, at: number): Float32Array {
    const where = `embedder ${this.name}: vector ${at}`;
    if (!(vector instanceof Float32Array) && !Array.isArray(vector)) {
      throw invalid(`${where} is neither a Float32Array nor an array of numbers`);
    }
    if (vector.length === 0) throw invalid(`${where} is empty`);
    const checked = vector instanceof Float32Array ? vector : Float32Array.from(vector, toNumber);
    const culprit = checked.findIndex((value) => !Number.isFinite(value));
    if (culprit >= 0) throw invalid(`${where} is not a finite number at position ${culprit}`);
    this.#dimensions ??= vector.length;
    if (vector.length !== this.#dimensions) {
      throw invalid(`${where} has ${vector.length} dimensions, the model has ${this.#dimensions}`);
    }
    return checked;
  }
}

/** Without this, the text "1" would pass for a number. */
function toNumber(value: unknown): number {
  return typeof value === "number" ? value : NaN;
}
