/** Longer than any record may be, so that a file without line breaks cannot fill the memory. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

const LINE_FEED = 0x0a;

/** A line of a file, or the reason why it is none. */
export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** `undefined` when `problem` says why. */
  readonly text: string | undefined;
  readonly problem: string | undefined;
  /** False for a last line without a line break: it may be the beginning of a longer one. */
  readonly isTerminated: boolean;
}

/** Cuts bytes into lines of UTF-8 while holding one line and one chunk of them. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const take = (part: Uint8Array): void => {
    bytes += part.length;
    // What is too long is counted and no longer kept.
    if (bytes > LINE_BYTES_MAX) parts = [];
    else parts.push(part.slice());
  };
  const line = (isTerminated: boolean): Line => {
    const made = { ...decode(parts, bytes), number: number++, isTerminated };
    parts = [];
    bytes = 0;
    return made;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      take(chunk.subarray(start, end));
      start = end + 1;
      yield line(true);
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (bytes > 0) yield line(false);
}

function decode(parts: readonly Uint8Array[], bytes: number): Pick<Line, "text" | "problem"> {
  if (bytes > LINE_BYTES_MAX) {
    return { text: undefined, problem: `is ${bytes} bytes long; ${LINE_BYTES_MAX} are allowed` };
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
    return { text: text.endsWith("\r") ? text.slice(0, -1) : text, problem: undefined };
  } catch {
    return { text: undefined, problem: "is not UTF-8 text" };
  }
}
