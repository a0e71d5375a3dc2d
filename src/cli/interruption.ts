import { EXIT_CODES } from "./exit-codes.ts";

/** Why a command was asked to stop, and with which code the process then ends. */
interface Stop {
  readonly exitCode: number;
}

/**
 * Turns the ways in which somebody stops a command into one `AbortSignal`.
 *
 * The first SIGINT or SIGTERM asks: the command stops taking input, writes what it has and closes.
 * The second one ends the process at once, which loses only what was not acknowledged yet. A
 * reader that closes the pipe (`brainy export | head`) asks too, and that is no failure.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #stop: Stop | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** `undefined` until somebody asked to stop. */
  get exitCode(): number | undefined {
    return this.#stop?.exitCode;
  }

  /** Starts to listen. The listeners do not keep the process alive. */
  listen(): void {
    process.on("SIGINT", () => this.#onSignal(EXIT_CODES.interrupted.code));
    process.on("SIGTERM", () => this.#onSignal(EXIT_CODES.terminated.code));
  }

  /** The reader of stdout is gone: nobody wants the rest. */
  outputClosed(): void {
    this.#begin({ exitCode: EXIT_CODES.ok.code });
  }

  #onSignal(exitCode: number): void {
    if (this.#stop !== undefined) process.exit(exitCode);
    this.#begin({ exitCode });
  }

  #begin(stop: Stop): void {
    if (this.#stop !== undefined) return;
    this.#stop = stop;
    this.#controller.abort(new Error("interrupted"));
  }
}
