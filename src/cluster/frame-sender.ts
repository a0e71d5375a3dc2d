import type { WebSocket } from "ws";
import { BoundedQueue } from "./bounded-queue.ts";

/** What a connection has not taken yet waits in the queue beyond this. */
const BUFFERED_BYTES_MAX = 2 ** 16;

/**
 * Frames on their way out, over one connection or several after each other. A peer that reads too
 * slowly fills a bounded queue, from which the oldest go.
 */
export class FrameSender {
  readonly #queue: BoundedQueue<string>;
  #socket: WebSocket | undefined;

  constructor(lengthMax: number) {
    this.#queue = new BoundedQueue(lengthMax);
  }

  get droppedCount(): number {
    return this.#queue.droppedCount;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined && this.#socket.readyState === this.#socket.OPEN;
  }

  /** What waits goes over this connection from now on; `undefined`: over none. */
  use(socket: WebSocket | undefined): void {
    this.#socket = socket;
    this.flush();
  }

  /** `undefined` is a frame that could not be made. */
  send(text: string | undefined): void {
    if (text === undefined) this.#queue.droppedCount++;
    else this.#queue.push(text);
    this.flush();
  }

  /** As much as the connection takes; when it has taken that it is given more. */
  flush(): void {
    while (this.isOpen && this.#socket!.bufferedAmount <= BUFFERED_BYTES_MAX) {
      const text = this.#queue.shift();
      if (text === undefined) return;
      this.#socket!.send(text, () => this.flush());
    }
  }

  clear(): void {
    this.#queue.takeAll();
  }
}
