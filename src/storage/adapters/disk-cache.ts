import { createHash } from "node:crypto";
import { tmpdir, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { checksum64 } from "../../base/checksum.ts";
import { systemClock, type Clock } from "../../base/clock.ts";
import { BrainyError, invalid } from "../../base/errors.ts";
import { systemRandom, type Random } from "../../base/random.ts";
import {
  newBlockCacheCounters,
  type BlockCache,
  type BlockCacheCounters,
  type CachedBlock,
} from "../layers/block-cache.ts";
import {
  BLOCK_HEADER_BYTES,
  NAME_BYTES,
  decodeBlockHeader,
  encodeBlockHeader,
  type BlockHeader,
  type BlockPlace,
} from "./disk-cache-block.ts";
import { DiskCacheFolder } from "./disk-cache-folder.ts";
import { OPEN_CREATE, OPEN_READ, systemFileCalls, type FileCalls } from "./file-calls.ts";
import { systemCode } from "./file-errors.ts";
import { FileTemporaries, ifThere } from "./file-temporaries.ts";

/** Measured for a first search over 200,000 vectors, see docs/benchmarks.md. */
const BLOCK_BYTES = 2 ** 20;
/** A folder with room for fewer blocks would do nothing but evict. */
const BLOCKS_MIN = 32;
/** Bytes that wait to be written; what comes beyond them is not kept. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;
/** After a write that failed none is tried for this long. */
const PAUSE_MS = 60_000;
/** A block in use says so in its file this often. */
const TOUCH_MS = 60_000;
/** Uses remembered before all are forgotten; the files know them too, by the minute. */
const USES_MAX = 100_000;
/** Of a name: which store. The rest stands for the object. */
const STORE_DIGEST_BYTES = 6;
/** Digests remembered before all are forgotten. */
const NAMES_MAX = 1_024;

/** Options of `DiskCache`. */
export interface DiskCacheOptions {
  /**
   * Folder, made on the first write. Only what this cache made in it is ever removed. Default: one
   * of this user in the system's folder for temporary files.
   */
  readonly dir?: string | undefined;
  /** Which store the blocks are of: whoever says the same shares them. */
  readonly store: string;
  /** The most that all blocks together may take; at least 32 blocks. Default 8 GiB. */
  readonly bytesMax?: number | undefined;
  /** Blocks that nobody used for this long count no more. Default: however long. */
  readonly unusedMsMax?: number | undefined;
  /** Length of a block. Default 1 MiB; processes that share a folder should agree. */
  readonly blockBytes?: number | undefined;
  /** Called once, when the folder cannot be used as it should: everything works without it. */
  readonly onProblem?: ((message: string) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** For tests: other calls of the operating system. */
  readonly calls?: FileCalls | undefined;
}

/** When this process last used a file, and said so in it; wall time. */
interface Use {
  usedMs: number;
  touchedMs: number;
}

/** Where a block is kept. */
interface Place extends BlockPlace {
  readonly path: string;
  readonly folder: string;
}

/**
 * Blocks as files of one folder, which any number of processes share. A file gets its name when it
 * is complete and is never changed but by removing it; reading checks every byte. Nothing is made
 * durable: after a crash a file may be damaged, and then it is a miss. Spec: docs/specs/cache.md.
 */
export class DiskCache implements BlockCache {
  readonly blockBytes: number;
  readonly bytesMax: number;
  readonly counters: BlockCacheCounters = newBlockCacheCounters();
  readonly #store: string;
  readonly #storeDigest: Uint8Array;
  readonly #unusedMsMax: number | undefined;
  readonly #clock: Clock;
  readonly #calls: FileCalls;
  readonly #folder: DiskCacheFolder;
  readonly #temporaries: FileTemporaries;
  readonly #onProblem: (message: string) => void;
  readonly #names = new Map<string, Uint8Array>();
  readonly #uses = new Map<string, Use>();
  readonly #writes = new Set<Promise<unknown>>();
  /** Files that were read and are being closed. */
  readonly #ending = new Set<Promise<void>>();
  #ours: Promise<void> | undefined;
  #waitingBytes = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #hasWarned = false;
  #isClosed = false;

  constructor(options: DiskCacheOptions) {
    const { dir = ownFolder(), store, bytesMax = 8 * 2 ** 30, unusedMsMax } = options;
    const { blockBytes = BLOCK_BYTES } = options;
    const { onProblem = () => {}, clock = systemClock, random = systemRandom } = options;
    if (bytesMax < BLOCKS_MIN * blockBytes) {
      throw invalid(`disk cache: ${bytesMax} bytes are fewer than ${BLOCKS_MIN * blockBytes}`);
    }
    this.blockBytes = blockBytes;
    this.bytesMax = bytesMax;
    this.#store = store;
    this.#storeDigest = digest(store, STORE_DIGEST_BYTES);
    this.#unusedMsMax = unusedMsMax;
    this.#clock = clock;
    this.#onProblem = onProblem;
    this.#calls = options.calls ?? systemFileCalls;
    const root = join(resolve(dir), "brainy-blocks-1");
    this.#temporaries = new FileTemporaries(join(root, "tmp"), this.#calls, random);
    this.#folder = new DiskCacheFolder({
      root,
      calls: this.#calls,
      bytesMax,
      unusedMsMax,
      usedMs: (path) => this.#uses.get(path)?.usedMs ?? 0,
      store: hex(this.#storeDigest),
      nowMs: () => clock.nowMs(),
      onEvicted: (path) => {
        this.counters.evictions++;
        this.#uses.delete(path);
      },
    });
  }

  async read(
    key: string,
    index: number,
    target?: Uint8Array<ArrayBuffer>,
  ): Promise<CachedBlock | undefined> {
    const place = this.#place(key, index);
    try {
      await this.#assertOurs();
      const file = await ifThere(this.#calls.open(place.path, OPEN_READ));
      if (file === undefined) return undefined;
      const block = await this.#readFile(file, place, target);
      if (block === undefined) await this.#discard(place);
      return block === "unused" ? undefined : block;
    } catch (error) {
      this.#warn(error);
      return undefined;
    }
  }

  async has(key: string, index: number): Promise<boolean> {
    const { path } = this.#place(key, index);
    return this.#calls.lstat(path).then(
      () => true,
      () => false,
    );
  }

  write(key: string, index: number, block: CachedBlock): Promise<boolean> {
    const { byteLength } = block.bytes;
    const isRefused =
      this.#isClosed ||
      this.#clock.monotonicMs() < this.#pausedUntilMs ||
      this.#waitingBytes + byteLength > WAITING_BYTES_MAX;
    if (isRefused) return Promise.resolve(false);
    this.#waitingBytes += byteLength;
    const written = this.#write(this.#place(key, index), block)
      .catch((error: unknown) => {
        this.#pausedUntilMs = this.#clock.monotonicMs() + PAUSE_MS;
        this.#warn(error);
        return false;
      })
      .finally(() => {
        this.#waitingBytes -= byteLength;
        this.#writes.delete(written);
      });
    this.#writes.add(written);
    return written;
  }

  async forget(key: string): Promise<void> {
    const { folder, path } = this.#place(key, 0);
    const own = path.slice(0, -"0".length);
    try {
      for (const entry of (await ifThere(this.#calls.readdir(folder))) ?? []) {
        const file = join(folder, entry.name);
        if (file.startsWith(own)) await this.#folder.remove(file);
      }
    } catch (error) {
      this.#warn(error);
    }
  }

  async tidy(keys?: readonly string[]): Promise<void> {
    const named = keys && new Set(keys.map((key) => hex(this.#place(key, 0).name)));
    await this.#assertOurs()
      .then(() => this.#folder.sweep(named))
      .catch((error: unknown) => this.#warn(error));
    this.counters.bytes = this.#folder.bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#writes, ...this.#ending]);
    await this.#folder.settled();
  }

  /** `undefined`: damaged; `unused`: nobody wanted it for too long. Closes the file. */
  async #readFile(
    file: number,
    place: Place,
    target: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<CachedBlock | "unused" | undefined> {
    let touched = Promise.resolve();
    try {
      const nowMs = this.#clock.nowMs();
      if (this.#unusedMsMax !== undefined) {
        const { mtimeMs } = await this.#calls.stat(file);
        const usedMs = Math.max(Number(mtimeMs), this.#uses.get(place.path)?.usedMs ?? 0);
        if (nowMs - usedMs > this.#unusedMsMax) {
          if (await this.#folder.remove(place.path)) this.counters.evictions++;
          return "unused";
        }
      }
      const block = await this.#readBlock(file, place, target);
      if (block !== undefined) touched = this.#touch(file, place.path, nowMs);
      return block;
    } finally {
      // Nobody waits for what is only written down for a later eviction.
      const ended = touched.then(() => this.#calls.close(file)).catch(() => undefined);
      this.#ending.add(ended);
      void ended.finally(() => this.#ending.delete(ended));
    }
  }

  async #readBlock(
    file: number,
    place: Place,
    target: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<CachedBlock | undefined> {
    let header: BlockHeader | undefined;
    let bytes: Uint8Array<ArrayBuffer>;
    if (target === undefined) {
      const whole = new Uint8Array(BLOCK_HEADER_BYTES + this.blockBytes);
      const count = await this.#readAll(file, whole, 0);
      header = decodeBlockHeader(whole.subarray(0, BLOCK_HEADER_BYTES), place);
      bytes = whole.subarray(BLOCK_HEADER_BYTES, count);
    } else {
      const head = new Uint8Array(BLOCK_HEADER_BYTES);
      const count = await this.#calls.readMany(file, [head, target], 0);
      header = decodeBlockHeader(head.subarray(0, count), place);
      bytes = target.subarray(0, Math.max(0, count - BLOCK_HEADER_BYTES));
    }
    if (header === undefined || header.bytes !== bytes.byteLength) return undefined;
    if (header.checksum !== checksum64(bytes)) return undefined;
    const { etag, bytesTotal, storeMs } = header;
    return { etag, bytesTotal, storeMs, bytes };
  }

  /** How many bytes there were: fewer than asked for at the file's end. */
  async #readAll(file: number, target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.byteLength) {
      const count = await this.#calls.read(file, target.subarray(filled), position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  async #write(place: Place, block: CachedBlock): Promise<boolean> {
    const header = encodeBlockHeader(place, block, block.bytes);
    if (header === undefined) return false;
    await this.#assertOurs();
    await this.#folder.add(header.byteLength + block.bytes.byteLength, async () => {
      const file = await this.#temporary(header, block.bytes);
      try {
        await this.#name(file, place);
      } catch (error) {
        await this.#temporaries.remove(file);
        throw error;
      }
    });
    this.counters.bytes = this.#folder.bytes;
    this.#use(place.path).usedMs = this.#clock.nowMs();
    return true;
  }

  async #name(file: string, { path, folder }: Place): Promise<void> {
    try {
      await this.#calls.rename(file, path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      await this.#makeFolder(folder);
      await this.#calls.rename(file, path);
    }
  }

  /** For this user only, and what is missing above it. */
  async #makeFolder(folder: string): Promise<void> {
    const make = (): Promise<void> => this.#calls.mkdir(folder, 0o700);
    try {
      await make().catch(async (error: unknown) => {
        if (systemCode(error) !== "ENOENT" || dirname(folder) === folder) throw error;
        await this.#makeFolder(dirname(folder));
        await make();
      });
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }

  /** A file that is complete, and has no name of a block yet. */
  async #temporary(header: Uint8Array, block: Uint8Array): Promise<string> {
    const path = this.#temporaries.newPath();
    const open = (): Promise<number> => this.#calls.open(path, OPEN_CREATE);
    const file = await open().catch(async (error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
      await this.#makeFolder(this.#temporaries.folder);
      await this.#assertOurs();
      return open();
    });
    try {
      await this.#writeAll(file, header, 0);
      await this.#writeAll(file, block, header.byteLength);
    } catch (error) {
      await this.#temporaries.remove(path);
      throw error;
    } finally {
      await this.#calls.close(file);
    }
    return path;
  }

  async #writeAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) {
      written += await this.#calls.write(file, bytes.subarray(written), position + written);
    }
  }

  /** Another user's folder may hold what we would take for ours. One look, once it is there. */
  #assertOurs(): Promise<void> {
    this.#ours ??= assertOwnFolder(this.#calls, this.#folder.root).then((isThere) => {
      if (!isThere) this.#ours = undefined;
    });
    return this.#ours;
  }

  /** Says in the file that it is in use, so that other processes and later runs know. */
  async #touch(file: number, path: string, nowMs: number): Promise<void> {
    const use = this.#use(path);
    use.usedMs = nowMs;
    if (Math.abs(nowMs - use.touchedMs) < TOUCH_MS) return;
    use.touchedMs = nowMs;
    // Of no consequence where it is not allowed: the block counts as unused sooner.
    await this.#calls.setModified(file, nowMs / 1_000).catch(() => {});
  }

  #use(path: string): Use {
    if (this.#uses.size >= USES_MAX) this.#uses.clear();
    const use = this.#uses.get(path) ?? { usedMs: 0, touchedMs: Number.NEGATIVE_INFINITY };
    this.#uses.set(path, use);
    return use;
  }

  async #discard({ path }: Place): Promise<void> {
    this.counters.corrupt++;
    await this.#folder.remove(path);
  }

  /** A name made of hexadecimal digits only: no key leads out of the folder. */
  #place(key: string, index: number): Place {
    let name = this.#names.get(key);
    if (name === undefined) {
      if (this.#names.size >= NAMES_MAX) this.#names.clear();
      const object = `${this.blockBytes}\n${key}\n${this.#store}`;
      name = new Uint8Array(NAME_BYTES);
      name.set(this.#storeDigest);
      name.set(digest(object, NAME_BYTES - STORE_DIGEST_BYTES), STORE_DIGEST_BYTES);
      this.#names.set(key, name);
    }
    const digits = hex(name);
    const folder = join(this.#folder.root, digits.slice(-2));
    const path = join(folder, `${digits}.${index}`);
    return { name, index, blockBytes: this.blockBytes, path, folder };
  }

  #warn(error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#onProblem(
      `the disk cache in ${this.#folder.root} is not usable, going on without: ${why}`,
    );
  }
}

function ownFolder(): string {
  return join(tmpdir(), `brainy-cache-${process.getuid?.() ?? userInfo().username}`);
}

/** Whether it is there; rejects when it is a link, or another user made it. */
async function assertOwnFolder(calls: FileCalls, root: string): Promise<boolean> {
  const stats = await ifThere(calls.lstat(root));
  if (stats === undefined) return false;
  const user = process.getuid?.();
  if (stats.isDirectory() && (user === undefined || stats.uid === BigInt(user))) return true;
  throw new BrainyError("BRAINY_DENIED", `${root} is not a folder that this user made`);
}

function digest(text: string, bytes: number): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest().subarray(0, bytes));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
