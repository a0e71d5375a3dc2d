import { dirname, join } from "node:path";
import { BrainyError, invalid, isBrainyError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { PutCondition, PutResult } from "../object-store.ts";
import type { FileCalls, FileStats } from "./file-calls.ts";
import { chainFolder, etagOf, FileChain, type FileVersion } from "./file-chain.ts";
import { conflict, systemCode, unknownOutcome, unsyncedError } from "./file-errors.ts";
import { FileSightings } from "./file-sightings.ts";
import { FileFolders, objectPath, symbolicLink } from "./file-folders.ts";
import { canLink, refuseRemote, withoutLink } from "./file-system-type.ts";
import { FileTemporaries, ifThere, type TemporaryFile } from "./file-temporaries.ts";

/** What a writer is told by `FileSystemStore`. */
export interface FileWriterOptions {
  readonly root: string;
  readonly calls: FileCalls;
  readonly shared: boolean;
  readonly readOnly: boolean;
  readonly random: Random;
}

type Source = Uint8Array | AsyncIterable<Uint8Array>;

/** What is at a name before it is written to. */
interface Found {
  readonly plain: FileStats | undefined;
  readonly newest: FileVersion | undefined;
}

/**
 * Every change of a root. The order of the steps is the protocol: write and fsync a temporary
 * file, give it its name in one call, fsync the folder, and only then answer.
 */
export class FileWriter {
  readonly folders: FileFolders;
  readonly chain: FileChain;
  readonly sightings: FileSightings;
  readonly #options: FileWriterOptions;
  readonly #temporaries: FileTemporaries;
  #calls: FileCalls;
  #ready: Promise<void> | undefined;
  /** Set once an fsync failed: from then on nothing is acknowledged any more. */
  #ended: BrainyError | undefined;

  constructor(options: FileWriterOptions) {
    this.#options = options;
    // The same methods for everybody, also after `link` turned out to be missing.
    this.#calls = { ...options.calls, link: (from, to) => this.#link(from, to) };
    this.#link = options.calls.link;
    const temporary = join(options.root, ".tmp");
    this.folders = new FileFolders(options.root, this.#calls);
    this.#temporaries = new FileTemporaries(temporary, this.#calls, options.random);
    this.sightings = new FileSightings(this.folders);
    this.chain = new FileChain(this.#calls, this.folders, this.#temporaries);
  }

  #link: FileCalls["link"];

  put(
    key: string,
    source: Source,
    condition: PutCondition | undefined,
    signal: AbortSignal | undefined,
  ): Promise<PutResult> {
    return this.#untilEnded(() => this.#put(key, source, condition, signal));
  }

  /** The folder whose entries may have changed, for the caller to make durable. */
  delete(key: string): Promise<string | undefined> {
    return this.#untilEnded(() => this.#delete(key));
  }

  /** Makes the entries of a folder durable, for the caller of `delete`. */
  sync(folder: string): Promise<void> {
    return this.#untilEnded(() => this.folders.sync(folder));
  }

  /**
   * Kernels report a failed fsync once and take the pages for clean, so that the next fsync
   * proves nothing about anything written before it: after one failure this store is done.
   */
  async #untilEnded<T>(change: () => Promise<T>): Promise<T> {
    this.#refuseEnded();
    try {
      const result = await change();
      // By another change, meanwhile.
      this.#refuseEnded();
      return result;
    } catch (error) {
      if (isBrainyError(error, "BRAINY_FENCED")) this.#ended ??= error;
      throw error;
    }
  }

  async #put(
    key: string,
    source: Source,
    condition: PutCondition | undefined,
    signal: AbortSignal | undefined,
  ): Promise<PutResult> {
    await this.#prepare();
    const path = objectPath(this.#options.root, key);
    await this.folders.ensure(dirname(path));
    const found = await this.#find(path);
    const write = async (): Promise<TemporaryFile> => {
      await this.sightings.settle();
      return this.#temporaries.write(source, { durable: true, signal });
    };

    if (condition !== undefined && "ifMatch" in condition) {
      const { stats, number } = await this.chain.replace(path, condition.ifMatch, write);
      return this.#resultOf(stats, number);
    }
    const create = condition !== undefined;
    if (create && isThere(found)) throw conflict(path, "it is already there");
    const written = await write();
    try {
      if (found.newest === undefined) {
        await this.#name(path, written, create);
        return this.#resultOf(written.stats, 1);
      }
      const number = await this.chain.append(path, written, { onlyDeleted: create });
      await this.#temporaries.remove(written.path);
      return this.#resultOf(written.stats, number);
    } catch (error) {
      await this.#temporaries.remove(written.path);
      throw error;
    }
  }

  async #delete(key: string): Promise<string | undefined> {
    this.#refuseReadOnly();
    const path = objectPath(this.#options.root, key);
    const folder = dirname(path);
    if (!(await this.folders.exists(folder))) return undefined;
    await this.#prepare();
    await this.sightings.settle();
    await this.#unlink(path);
    // Looked at after the plain file is gone: from here on nobody can begin a chain with it.
    const isChained = (await this.chain.versions(path)).length > 0;
    if (isChained) await this.chain.append(path, undefined);
    // Also when nothing was there: whoever removed it may have died before its fsync.
    return folder;
  }

  #resultOf(stats: FileStats, number: number): PutResult {
    const etag = etagOf(stats, number);
    this.sightings.wrote(etag);
    return { etag, storeMs: Number(stats.mtimeNs / 1_000_000n) };
  }

  /** Gives a file its name, and makes the name durable. */
  async #name(path: string, written: TemporaryFile, create: boolean): Promise<void> {
    const give = (): Promise<void> =>
      create ? this.#calls.link(written.path, path) : this.#calls.rename(written.path, path);
    try {
      await give().catch(async (error: unknown) => {
        if (systemCode(error) !== "ENOENT") throw error;
        // Somebody removed the folder by hand since it was last looked at.
        this.folders.forget();
        await this.folders.ensure(dirname(path));
        await give();
      });
    } catch (error) {
      if (systemCode(error) === "EEXIST") throw conflict(path, "it is already there");
      throw error;
    }
    // It has another name now.
    const removed = this.#temporaries.remove(written.path);
    const [looked, synced] = await Promise.allSettled([
      this.chain.versions(path),
      this.folders.sync(dirname(path)),
    ]);
    await removed;
    // First of all: whoever is told anything else may look, find it, and take it for durable.
    if (synced.status === "rejected") throw unsyncedError(synced.reason, path);
    if (looked.status === "rejected") throw looked.reason;
    const versions = looked.value;
    if (versions.length === 0) return;
    // A chain was begun meanwhile: with this file as its first version, or with another.
    const first = await ifThere(this.#calls.lstat(join(chainFolder(path), FIRST_VERSION)));
    if (first !== undefined && etagOf(first) === etagOf(written.stats)) return;
    throw unknownOutcome(path);
  }

  async #find(path: string): Promise<Found> {
    const [plain, versions] = await Promise.all([
      ifThere(this.#calls.lstat(path)),
      this.chain.versions(path),
    ]);
    if (plain?.isSymbolicLink() === true) throw symbolicLink(path);
    if (plain !== undefined && !plain.isFile()) {
      throw invalid(`${path} is a folder, because other keys continue below it`);
    }
    return { plain, newest: versions.at(-1) };
  }

  /** A folder is no object, so it is missing as one. */
  async #unlink(path: string): Promise<void> {
    try {
      await ifThere(this.#calls.unlink(path));
    } catch (error) {
      const isFolder = (await ifThere(this.#calls.lstat(path)))?.isDirectory() === true;
      if (!isFolder) throw error;
    }
  }

  #refuseEnded(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  #refuseReadOnly(): void {
    if (!this.#options.readOnly) return;
    const { root } = this.#options;
    throw new BrainyError("BRAINY_DENIED", `file store ${root} was opened read-only`);
  }

  /** What only has to happen once, before the first write; tried again after a failure. */
  #prepare(): Promise<void> {
    this.#refuseReadOnly();
    if (this.#ready === undefined) {
      const ready = this.#prepareNow();
      ready.catch(() => (this.#ready = undefined));
      this.#ready = ready;
    }
    return this.#ready;
  }

  async #prepareNow(): Promise<void> {
    const { shared, root } = this.#options;
    if (shared) await refuseRemote(this.#calls, await this.folders.nearest());
    await this.folders.ensure(this.#temporaries.folder);
    if (!(await canLink(this.#calls, this.#temporaries))) {
      if (shared) {
        const what = `${root} is on a file system without hard links: open it with shared: false`;
        throw new BrainyError("BRAINY_UNSUPPORTED", `${what} and from one process only`);
      }
      this.#link = withoutLink(this.#options.calls).link;
    }
    await this.#temporaries.removeOld();
  }
}

const FIRST_VERSION = "0000000000000001";

function isThere({ plain, newest }: Found): boolean {
  return newest === undefined ? plain !== undefined : !newest.isDeleted;
}
