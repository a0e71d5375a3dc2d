/** Text of one write: large enough that a line costs little, small enough to hold. */
const CHUNK_CHARACTERS = 64 * 1024;

/**
 * Standard output with backpressure: a write resolves when the text was taken, so that an export
 * into a slow pipe holds one chunk and not the database.
 *
 * When the reader has gone away, `onClosed` is called and every further write is dropped: `head`
 * closing its pipe is the normal end of a command, not an error.
 */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  readonly #onClosed: () => void;
  #waiting = "";
  #isClosed = false;

  constructor(stream: NodeJS.WritableStream, onClosed: () => void) {
    this.#stream = stream;
    this.#onClosed = onClosed;
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
    await new Promise<void>((resolve) => {
      this.#stream.write(text, () => resolve());
    });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
  }
}
