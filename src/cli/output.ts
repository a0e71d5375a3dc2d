/** Text of one write: large enough that a line costs little, small enough to hold. */
const CHUNK_CHARACTERS = 64 * 1024;

/** What output needs beside its stream. */
export interface OutputOptions {
  /** Nobody waits for a write that was on its way when this was aborted: its pipe may be full. */
  readonly signal: AbortSignal;
  /** Called once when the reader has gone away. */
  readonly onClosed: () => void;
}

/**
 * Standard output with backpressure: a write resolves when the text was taken, so that an export
 * into a slow pipe holds one chunk and not the database.
 *
 * When the reader has gone away every further write is dropped: `head` closing its pipe is the
 * normal end of a command, not an error.
 */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  readonly #options: OutputOptions;
  #waiting = "";
  #isClosed = false;

  constructor(stream: NodeJS.WritableStream, options: OutputOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on("error", () => this.#close());
  }

  /** Takes one line; it may wait for others before it is written. */
  async line(text: string): Promise<void> {
    this.#waiting += `${text}\n`;
    if (this.#waiting.length >= CHUNK_CHARACTERS) await this.flush();
  }

  /** Takes one line of JSON. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value));
  }

  /** Writes what waits. Called once more when the command has ended. */
  async flush(): Promise<void> {
    const text = this.#waiting;
    this.#waiting = "";
    if (text === "" || this.#isClosed) return;
    const { signal } = this.#options;
    // What is said after the wish to stop is a summary, and is waited for.
    const isStopping = signal.aborted;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      if (!isStopping) signal.addEventListener("abort", done);
      this.#stream.write(text, done);
    });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.onClosed();
  }
}
