import type { SingleBar } from "cli-progress";
import { systemClock } from "../../base/clock.ts";

/** How often a line is printed where there is no terminal to draw a bar on. */
const LINE_EVERY_MS = 3_000;

/** Where an import is. */
export interface ProgressState {
  bytes: number;
  records: number;
}

/**
 * Shows how far an import is: a bar on a terminal, a line every few seconds elsewhere, nothing
 * when `isSilent`. Drawn on stderr, so that stdout stays for results.
 */
export class Progress {
  readonly state: ProgressState = { bytes: 0, records: 0 };
  readonly #bytesTotal: number;
  readonly #isSilent: boolean;
  readonly #startMs = systemClock.monotonicMs();
  #lineMs = this.#startMs;
  #bar: SingleBar | undefined;

  /** `bytesTotal` 0: unknown, as for standard input. */
  constructor(bytesTotal: number, options: { readonly isSilent: boolean }) {
    this.#bytesTotal = bytesTotal;
    this.#isSilent = options.isSilent;
  }

  /** Begins to draw. The library that draws is loaded only for a terminal. */
  async start(): Promise<void> {
    if (this.#isSilent || !process.stderr.isTTY) return;
    const { SingleBar } = (await import("cli-progress")).default;
    const format =
      this.#bytesTotal > 0
        ? "{bar} {percentage} %  {read} of {size}  {records} records  {rate}/s"
        : "{read}  {records} records  {rate}/s";
    this.#bar = new SingleBar({
      format,
      stream: process.stderr,
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      clearOnComplete: true,
      gracefulExit: false,
      linewrap: true,
    });
    this.#bar.start(Math.max(1, this.#bytesTotal), 0, this.#payload());
  }

  /** After `state` has changed. */
  update(): void {
    if (this.#isSilent) return;
    if (this.#bar !== undefined) {
      this.#bar.update(Math.min(this.state.bytes, this.#bytesTotal), this.#payload());
    } else if (!process.stderr.isTTY) {
      const nowMs = systemClock.monotonicMs();
      if (nowMs - this.#lineMs < LINE_EVERY_MS) return;
      this.#lineMs = nowMs;
      const { read, size, records, rate } = this.#payload();
      const share = this.#bytesTotal > 0 ? ` of ${size}` : "";
      process.stderr.write(`${records} records, ${read}${share}, ${rate}/s\n`);
    }
  }

  /** Removes the bar. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  get seconds(): number {
    return (systemClock.monotonicMs() - this.#startMs) / 1000;
  }

  #payload(): { read: string; size: string; records: string; rate: string } {
    const { bytes, records } = this.state;
    return {
      read: formatBytes(bytes),
      size: formatBytes(this.#bytesTotal),
      records: records.toLocaleString("en"),
      rate: Math.round(records / Math.max(this.seconds, 0.001)).toLocaleString("en"),
    };
  }
}

/** A size as people read it. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}
