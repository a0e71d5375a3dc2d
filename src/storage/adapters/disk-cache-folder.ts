import { join } from "node:path";
import { planEviction, type CachedFile } from "./disk-cache-eviction.ts";
import type { FileCalls } from "./file-calls.ts";
import { ifThere } from "./file-temporaries.ts";

/** Share of the bound that may be added between two looks at the folder. */
const ADDED_SHARE = 1 / 8;
/** What a process that died left half written is removed once it is this old. */
const LEFTOVER_MS = 3_600_000;
/** Files looked at at once. */
const LOOKS_MAX = 16;

const SHARD = /^[0-9a-f]{2}$/;
const FILE = /^[0-9a-f]{32}\.\d{1,10}$/;
const LEFTOVER = /^\d+-[0-9a-f]+$/;

/** Options of `DiskCacheFolder`. */
export interface DiskCacheFolderOptions {
  readonly root: string;
  /** How the names of this store's files begin. */
  readonly store: string;
  readonly calls: FileCalls;
  readonly bytesMax: number;
  readonly unusedMsMax: number | undefined;
  /** When this process last used a file, 0 when it never did. */
  readonly usedMs: (path: string) => number;
  readonly nowMs: () => number;
  readonly onEvicted: (path: string) => void;
}

/**
 * How much is in the folder of a disk cache, and what has to go. Each process looks before it adds
 * its first block, and again after it added an eighth of the bound; what it leaves is an eighth
 * below the bound, so that alone it never exceeds it, and n processes by less than n eighths.
 */
export class DiskCacheFolder {
  readonly root: string;
  readonly #options: DiskCacheFolderOptions;
  /** Bytes added since the last look began; `undefined` before the first. */
  #addedBytes: number | undefined;
  /** Of those, bytes whose files have no name yet. */
  #writingBytes = 0;
  #seenBytes = 0;
  #sweeping: Promise<void> | undefined;
  #named: ReadonlySet<string> | undefined;

  constructor(options: DiskCacheFolderOptions) {
    this.#options = options;
    this.root = options.root;
  }

  /** As far as this process knows; `undefined` before its first look. */
  get bytes(): number | undefined {
    return this.#addedBytes === undefined ? undefined : this.#seenBytes + this.#addedBytes;
  }

  /** Adds a file of this size by `write`, as soon as there is room for it. */
  async add(bytes: number, write: () => Promise<void>): Promise<void> {
    const most = this.#options.bytesMax * ADDED_SHARE;
    while (this.#addedBytes === undefined || this.#addedBytes + bytes > most) await this.sweep();
    this.#addedBytes += bytes;
    this.#writingBytes += bytes;
    try {
      await write();
    } finally {
      this.#writingBytes -= bytes;
    }
  }

  /** Whether a file was there. */
  async remove(path: string): Promise<boolean> {
    const removed = await ifThere(this.#options.calls.unlink(path).then(() => true));
    return removed ?? false;
  }

  /**
   * Looks at every file, and removes what is too much. Calls share one look. From a call with
   * `named` on, files of this store under other names are strays.
   */
  sweep(named?: ReadonlySet<string>): Promise<void> {
    if (named !== undefined) this.#named = named;
    this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined));
    return this.#sweeping;
  }

  /** Waits for a look that is under way. */
  async settled(): Promise<void> {
    await this.#sweeping?.catch(() => {});
  }

  async #sweep(): Promise<void> {
    const { bytesMax, unusedMsMax, nowMs, onEvicted } = this.#options;
    // Files that are being written may be missed by this look, or counted twice.
    const writingBytes = this.#writingBytes;
    const files = await this.#files();
    const limits = { bytesMax: bytesMax * (1 - ADDED_SHARE), unusedMsMax, nowMs: nowMs() };
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of planEviction(files, limits)) {
      if (await this.remove(file.path)) onEvicted(file.path);
      bytes -= file.bytes;
    }
    this.#seenBytes = bytes;
    this.#addedBytes = writingBytes;
  }

  async #files(): Promise<CachedFile[]> {
    const { calls, usedMs, store } = this.#options;
    const named = this.#named;
    const files: CachedFile[] = [];
    const found: { readonly path: string; readonly isStray: boolean }[] = [];
    for (const shard of (await ifThere(calls.readdir(this.root))) ?? []) {
      if (shard.name === "tmp") await this.#removeLeftovers();
      if (!SHARD.test(shard.name)) continue;
      const folder = join(this.root, shard.name);
      for (const { name } of (await ifThere(calls.readdir(folder))) ?? []) {
        if (!FILE.test(name)) continue;
        const isOwn = name.startsWith(store) && named !== undefined;
        const isStray = isOwn && !named.has(name.slice(0, name.indexOf(".")));
        found.push({ path: join(folder, name), isStray });
      }
    }
    let next = 0;
    const look = async (): Promise<void> => {
      while (next < found.length) {
        const { path, isStray } = found[next++]!;
        const stats = await ifThere(calls.lstat(path));
        if (stats?.isFile() !== true) continue;
        const used = Math.max(Number(stats.mtimeMs), usedMs(path));
        files.push({ path, bytes: Number(stats.size), usedMs: used, isStray });
      }
    };
    await Promise.all(Array.from({ length: LOOKS_MAX }, look));
    return files;
  }

  async #removeLeftovers(): Promise<void> {
    const { calls, nowMs } = this.#options;
    const folder = join(this.root, "tmp");
    for (const { name } of (await ifThere(calls.readdir(folder))) ?? []) {
      if (!LEFTOVER.test(name)) continue;
      const path = join(folder, name);
      const stats = await ifThere(calls.lstat(path));
      if (stats?.isFile() !== true || nowMs() - Number(stats.mtimeMs) < LEFTOVER_MS) continue;
      await this.remove(path);
    }
  }
}
