import { join } from "node:path";
import { randomHex, type Random } from "../../base/random.ts";
import { OPEN_CREATE, type FileCalls, type FileStats } from "./file-calls.ts";
import { systemCode, unsyncedError } from "./file-errors.ts";

/** What a dead process left behind is removed once it is this old by the file system's clock. */
const LEFTOVER_MS = 3_600_000n;

/** How far apart the times of files are that a kernel sets by itself: four milliseconds at most. */
const TICK_MICROS = 4_000;

/** Most bytes of one write(2): Node refuses 2 GiB and more. */
const WRITE_BYTES_MAX = 2 ** 30;

/** A complete, durable file that has no name of its own yet. */
export interface TemporaryFile {
  readonly path: string;
  readonly stats: FileStats;
}

/** Options of `FileTemporaries.write`. */
export interface TemporaryOptions {
  /** Makes the bytes durable before returning; false for copies that nobody relies on. */
  readonly durable: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Files under `<root>/.tmp/`: written there in full, then given their name in one step. */
export class FileTemporaries {
  readonly folder: string;
  readonly #calls: FileCalls;
  readonly #random: Random;
  /** Modification time of the newest file. */
  #lastMicros = 0;

  constructor(folder: string, calls: FileCalls, random: Random) {
    this.folder = folder;
    this.#calls = calls;
    this.#random = random;
  }

  /** Writes everything or leaves nothing; an error of `source` is passed on as it is. */
  async write(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    { durable, signal }: TemporaryOptions,
  ): Promise<TemporaryFile> {
    const path = this.newPath();
    const file = await this.#calls.open(path, OPEN_CREATE);
    let stats: FileStats;
    try {
      try {
        if (source instanceof Uint8Array) await this.#writeAt(file, source, 0);
        else await this.#writeAll(file, source, signal);
        await this.#markModified(file);
        stats = await this.#settle(file, durable);
        signal?.throwIfAborted();
      } finally {
        await this.#calls.close(file);
      }
    } catch (error) {
      await this.remove(path);
      throw error;
    }
    return { path, stats };
  }

  newPath(): string {
    return join(this.folder, `${process.pid}-${randomHex(this.#random, 12)}`);
  }

  /** Never rejects: a leftover is removed by a later process. */
  async remove(path: string): Promise<void> {
    await this.#calls.unlink(path).catch(() => undefined);
  }

  /** Removes what processes that died left behind, by the file system's clock. */
  async removeOld(): Promise<void> {
    const entries = await this.#calls.readdir(this.folder);
    if (entries.length === 0) return;
    const { path: own, stats: now } = await this.write(new Uint8Array(), { durable: false });
    await this.remove(own);
    for (const entry of entries) {
      const path = join(this.folder, entry.name);
      const stats = await this.#calls.lstat(path).catch(() => undefined);
      if (stats?.isFile() !== true || now.mtimeMs - stats.mtimeMs < LEFTOVER_MS) continue;
      await this.remove(path);
    }
  }

  /** The next chunk is asked for when the last one is written: the file sets the pace. */
  async #writeAll(
    file: number,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let position = 0;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      await this.#writeAt(file, chunk, position);
      position += chunk.byteLength;
    }
  }

  async #writeAt(file: number, bytes: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.byteLength) {
      const rest = bytes.subarray(written, written + WRITE_BYTES_MAX);
      written += await this.#calls.write(file, rest, position + written);
    }
  }

  /** The times no longer change, so the look and the fsync may run at once; both are waited for. */
  async #settle(file: number, durable: boolean): Promise<FileStats> {
    const [looked, synced] = await Promise.allSettled([
      this.#calls.stat(file),
      durable ? this.#calls.fsync(file) : undefined,
    ]);
    if (synced.status === "rejected") throw unsyncedError(synced.reason, "a new object");
    if (looked.status === "rejected") throw looked.reason;
    return looked.value;
  }

  /**
   * Moves the modification time on by up to one tick of the kernel's, by chance and to a later one
   * than before. Kernels advance file times every few milliseconds only, and inode numbers are used
   * again at once, so without this an object replaced twice quickly could get its first etag back.
   */
  async #markModified(file: number): Promise<void> {
    const { mtimeNs } = await this.#calls.stat(file);
    const microseconds = Number(mtimeNs / 1_000n) + Math.floor(this.#random.next() * TICK_MICROS);
    // Further ahead it can only be where somebody has set the clock back.
    const isNear = this.#lastMicros - microseconds < 2 * TICK_MICROS;
    this.#lastMicros = isNear ? Math.max(microseconds, this.#lastMicros + 1) : microseconds;
    // Half of one more, since what is below a microsecond is cut off, and floats are not exact.
    await this.#calls.setModified(file, (this.#lastMicros + 0.5) / 1e6);
  }
}

/** `undefined` instead of an error when the name is not there. */
export async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
