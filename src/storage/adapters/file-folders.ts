import { dirname, join } from "node:path";
import { BrainyError, invalid, isBrainyError } from "../../base/errors.ts";
import { OPEN_READ, type FileCalls } from "./file-calls.ts";
import { systemCode, unsyncedError } from "./file-errors.ts";

/** Folders remembered before all are forgotten and looked at again. */
const KNOWN_MAX = 10_000;

/**
 * The folders of one root: makes them durably, refuses to leave the root through a symbolic link
 * that somebody put there, and shares the fsync of a folder between the writers waiting for one.
 *
 * What is known about a folder is remembered, so a put into a known one makes no call here but the
 * fsync. This relies on folders not being removed or replaced while a store is open: the store
 * itself never removes one, and only tombstones of a chain are folders that come and go.
 */
export class FileFolders {
  readonly root: string;
  readonly #calls: FileCalls;
  /** Folders whose own entries, up to the root's, are durable. */
  readonly #durable = new Map<string, Promise<void>>();
  /** Folders seen to be folders. */
  readonly #seen = new Set<string>();
  readonly #syncing = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Promise<void>>();

  constructor(root: string, calls: FileCalls) {
    this.root = root;
    this.#calls = calls;
  }

  /** False when `folder` is not there. Rejects when a symbolic link is on the way to it. */
  async exists(folder: string): Promise<boolean> {
    if (folder === this.root || this.#seen.has(folder)) return true;
    if (!(await this.exists(dirname(folder)))) return false;
    const kind = await this.#kindOf(folder);
    if (kind !== "folder") return false;
    this.#remember(folder);
    return true;
  }

  /** Makes `folder` and what is missing above it, and the entries of all of them durable. */
  ensure(folder: string): Promise<void> {
    const known = this.#durable.get(folder);
    if (known !== undefined) return known;
    const made = folder === this.root ? this.#makeRoot(folder) : this.#make(folder);
    this.#durable.set(folder, made);
    made.catch(() => this.#durable.delete(folder));
    return made;
  }

  /** After something known turned out to be gone: the next `ensure` looks again. */
  forget(): void {
    this.#durable.clear();
    this.#seen.clear();
  }

  /**
   * Makes the entries of `folder` durable. One fsync serves everybody who asked before it began;
   * who asks while one runs waits for the next, because the running one may have missed them.
   */
  sync(folder: string): Promise<void> {
    const waiting = this.#waiting.get(folder);
    if (waiting !== undefined) return waiting;
    const running = this.#syncing.get(folder);
    if (running === undefined) return this.#startSync(folder);
    const next = running
      .catch(() => undefined)
      .then(() => {
        this.#waiting.delete(folder);
        return this.#startSync(folder);
      });
    this.#waiting.set(folder, next);
    return next;
  }

  #startSync(folder: string): Promise<void> {
    const sync = this.#syncNow(folder).finally(() => this.#syncing.delete(folder));
    this.#syncing.set(folder, sync);
    return sync;
  }

  async #syncNow(folder: string): Promise<void> {
    // Windows has no fsync of a folder; NTFS journals its entries by itself.
    if (process.platform === "win32") return;
    const file = await this.#calls.open(folder, OPEN_READ);
    try {
      await this.#calls.fsync(file).catch((error: unknown) => {
        throw unsyncedError(error, folder);
      });
    } finally {
      await this.#calls.close(file);
    }
  }

  async #make(folder: string): Promise<void> {
    const parent = dirname(folder);
    await this.ensure(parent);
    try {
      await this.#calls.mkdir(folder);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      if ((await this.#kindOf(folder)) !== "folder") {
        throw invalid(`${folder} is an object, so no key can continue below it`);
      }
    }
    // Also when it was there: its maker may not have come to this line.
    await this.sync(parent);
    this.#remember(folder);
  }

  /**
   * The folders above are synced also when they were there: whoever made them may have died before
   * that. The system's own, which this user may not open, nobody of ours has made.
   */
  async #makeRoot(folder: string): Promise<void> {
    const above: string[] = [];
    for (let at = folder; dirname(at) !== at; at = dirname(at)) above.unshift(at);
    for (const path of above) {
      const isMissing = await this.#missing(path);
      if (isMissing) {
        await this.#calls.mkdir(path).catch((error: unknown) => {
          if (systemCode(error) !== "EEXIST") throw error;
        });
      }
      await this.sync(dirname(path)).catch((error: unknown) => {
        if (isMissing || isBrainyError(error, "BRAINY_FENCED")) throw error;
      });
    }
  }

  /** `join(path, ".")` by hand, because `join` would drop the dot that follows a link. */
  async #missing(path: string): Promise<boolean> {
    try {
      await this.#calls.lstat(`${path}/.`);
      return false;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return true;
      throw error;
    }
  }

  /** The nearest folder at or above the root that is there. */
  async nearest(): Promise<string> {
    let above = this.root;
    while ((await this.#missing(above)) && dirname(above) !== above) above = dirname(above);
    return above;
  }

  async #kindOf(path: string): Promise<"folder" | "other" | undefined> {
    const stats = await this.#calls.lstat(path).catch((error: unknown) => {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    });
    if (stats?.isSymbolicLink() === true) throw symbolicLink(path);
    if (stats === undefined) return undefined;
    return stats.isDirectory() ? "folder" : "other";
  }

  #remember(folder: string): void {
    if (this.#seen.size >= KNOWN_MAX || this.#durable.size >= KNOWN_MAX) this.forget();
    this.#seen.add(folder);
  }
}

/** Where the object of a key lives. */
export function objectPath(root: string, key: string): string {
  return join(root, ...key.split("/"));
}

/** Links inside the root could lead out of it, so none is ever followed. */
export function symbolicLink(path: string): BrainyError {
  return new BrainyError("BRAINY_DENIED", `${path} is a symbolic link, which is never followed`);
}
