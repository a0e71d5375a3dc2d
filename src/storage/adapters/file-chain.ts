import { basename, dirname, join } from "node:path";
import type { Etag } from "../object-store.ts";
import { OPEN_READ, type FileCalls, type FileStats } from "./file-calls.ts";
import { conflict, systemCode, unknownOutcome, unsyncedError } from "./file-errors.ts";
import { symbolicLink, type FileFolders } from "./file-folders.ts";
import { readFilePart } from "./file-read.ts";
import { ifThere, type FileTemporaries, type TemporaryFile } from "./file-temporaries.ts";

/*
 * If-match made of create-if-absent. A mutable object is a chain of numbered versions beside its
 * plain name, and the highest number is its value:
 *
 *   config.json                                  a copy of the newest version, for people
 *   .config.json.versions/0000000000000001       the plain file of before, linked here
 *                         0000000000000002       a value
 *                         0000000000000003/      a folder: deleted (mkdir is a create as well)
 *
 * An object that nobody changed conditionally has no chain and is its plain file.
 * Spec: docs/specs/file-system-store.md, F3 to F6.
 */

const NUMBER = /^\d{16}$/;
const CHAIN = /^\.(.+)\.versions$/;

/** A process that stalls for longer than this many changes is told that it does not know. */
const VERSIONS_KEPT = 32;

/** Times a writer without a condition makes room for others before it gives up. */
const ATTEMPTS_MAX = 1000;

/** One number of a chain. */
export interface FileVersion {
  readonly number: number;
  readonly path: string;
  readonly isDeleted: boolean;
}

/** Where the versions of an object are, if it has any. */
export function chainFolder(path: string): string {
  return join(dirname(path), `.${basename(path)}.versions`);
}

/** The plain name that a hidden folder belongs to. */
export function chainedName(folderName: string): string | undefined {
  return CHAIN.exec(folderName)?.[1];
}

/** The first version is the plain file itself and keeps its etag. */
export function etagOf(stats: FileStats, versionNumber = 1): Etag {
  const identity = `${stats.ino.toString(36)}-${stats.mtimeNs.toString(36)}-${stats.size}`;
  return (versionNumber === 1 ? identity : `${versionNumber}-${identity}`) as Etag;
}

/** The chains of one root. Every change returns only when it is durable and was in time. */
export class FileChain {
  readonly #calls: FileCalls;
  readonly #folders: FileFolders;
  readonly #temporaries: FileTemporaries;

  constructor(calls: FileCalls, folders: FileFolders, temporaries: FileTemporaries) {
    this.#calls = calls;
    this.#folders = folders;
    this.#temporaries = temporaries;
  }

  /** Ascending; empty when the object at `path` has no chain. */
  async versions(path: string): Promise<readonly FileVersion[]> {
    const folder = chainFolder(path);
    const stats = await ifThere(this.#calls.lstat(folder));
    if (stats === undefined) return [];
    if (stats.isSymbolicLink()) throw symbolicLink(folder);
    const entries = (await ifThere(this.#calls.readdir(folder))) ?? [];
    return entries
      .filter((entry) => NUMBER.test(entry.name) && (entry.isFile() || entry.isDirectory()))
      .map((entry) => ({
        number: Number(entry.name),
        path: join(folder, entry.name),
        isDeleted: entry.isDirectory(),
      }))
      .toSorted((a, b) => a.number - b.number);
  }

  /** Replaces the version whose etag is `expected`, or rejects with `BRAINY_CONFLICT`. */
  async replace(
    path: string,
    expected: Etag,
    write: () => Promise<TemporaryFile>,
  ): Promise<TemporaryFile & { readonly number: number }> {
    const base = await this.#startChain(path, expected);
    if (base === undefined || base.isDeleted) throw conflict(path, "it is not there");
    const stats = await ifThere(this.#calls.lstat(base.path));
    if (stats === undefined || etagOf(stats, base.number) !== expected) {
      throw conflict(path, "it was changed");
    }
    const written = await write();
    const number = base.number + 1;
    try {
      if (!(await this.#create(this.#versionPath(path, number), written))) {
        throw conflict(path, "it was changed");
      }
      await this.#finish(path, { number, own: written.stats, base: { ...base, stats } });
      await this.#publish(path);
    } finally {
      await this.#temporaries.remove(written.path);
    }
    return { ...written, number };
  }

  /**
   * Appends a version to a chain that exists: a value, or a tombstone without one. `onlyOver`
   * limits what it may replace; without it, it goes on top of whatever is there.
   */
  async append(
    path: string,
    written: TemporaryFile | undefined,
    { onlyDeleted = false }: { readonly onlyDeleted?: boolean } = {},
  ): Promise<number> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const base = (await this.versions(path)).at(-1);
      if (base === undefined) throw unknownOutcome(path);
      if (onlyDeleted && !base.isDeleted) throw conflict(path, "it is already there");
      if (written === undefined && base.isDeleted) {
        // Whoever deleted it may not have come to this line.
        await this.#sync(path);
        return base.number;
      }
      const stats = await ifThere(this.#calls.lstat(base.path));
      const number = base.number + 1;
      const target = this.#versionPath(path, number);
      if (stats === undefined || !(await this.#create(target, written))) continue;
      const own = written?.stats ?? (await ifThere(this.#calls.lstat(target)));
      if (own === undefined) throw unknownOutcome(path);
      await this.#finish(path, { number, own, base: { ...base, stats } });
      await this.#publish(path);
      return number;
    }
    throw unknownOutcome(path);
  }

  /** The newest version; first makes the plain file version 1 when it is the one expected. */
  async #startChain(path: string, expected: Etag): Promise<FileVersion | undefined> {
    const newest = (await this.versions(path)).at(-1);
    if (newest !== undefined) return newest;
    const plain = await ifThere(this.#calls.lstat(path));
    if (plain === undefined || !plain.isFile() || etagOf(plain) !== expected) return undefined;
    await this.#folders.ensure(chainFolder(path));
    try {
      await this.#calls.link(path, this.#versionPath(path, 1));
    } catch (error) {
      // EEXIST: somebody else began the chain. ENOENT: the object was deleted.
      const code = systemCode(error);
      if (code !== "EEXIST" && code !== "ENOENT") throw error;
    }
    return (await this.versions(path)).at(-1);
  }

  /** True when the number was free. */
  async #create(target: string, written: TemporaryFile | undefined): Promise<boolean> {
    try {
      if (written === undefined) await this.#calls.mkdir(target);
      else await this.#calls.link(written.path, target);
      return true;
    } catch (error) {
      if (systemCode(error) === "EEXIST") return false;
      throw error;
    }
  }

  /**
   * Makes a created version durable, and finds out whether it was created in time. A number that
   * others have used and pruned can be created again by a process that stalled; but versions go in
   * ascending order, so while the base is there its successor had never been removed.
   */
  async #finish(path: string, made: CreatedVersion): Promise<void> {
    const target = this.#versionPath(path, made.number);
    await this.#sync(path);
    const newest = (await this.versions(path)).at(-1);
    if (newest === undefined) throw unknownOutcome(path);
    if (newest.number <= made.number) return;
    const base = await ifThere(this.#calls.lstat(made.base.path));
    if (base !== undefined && isSame(base, made.base.stats)) return;
    const there = await ifThere(this.#calls.lstat(target));
    if (there !== undefined && isSame(there, made.own)) await this.#remove(target, there);
    throw unknownOutcome(path);
  }

  async #sync(path: string): Promise<void> {
    try {
      await this.#folders.sync(chainFolder(path));
    } catch (error) {
      throw unsyncedError(error, path);
    }
  }

  /** The copy for people, and the end of the oldest versions. Nothing relies on either. */
  async #publish(path: string): Promise<void> {
    try {
      const versions = await this.versions(path);
      const newest = versions.at(-1);
      if (newest === undefined) return;
      if (newest.isDeleted) await ifThere(this.#calls.unlink(path));
      else await this.#copy(newest.path, path);
      for (const old of versions.slice(0, -VERSIONS_KEPT)) {
        const stats = await ifThere(this.#calls.lstat(old.path));
        if (stats !== undefined) await this.#remove(old.path, stats);
      }
    } catch {
      // The change itself is durable; the next one tries again.
    }
  }

  async #copy(source: string, target: string): Promise<void> {
    const file = await this.#calls.open(source, OPEN_READ);
    let bytes: Uint8Array;
    try {
      const { size } = await this.#calls.stat(file);
      bytes = await readFilePart(this.#calls, file, [0, Number(size)]);
    } finally {
      await this.#calls.close(file);
    }
    const copy = await this.#temporaries.write(bytes, { durable: false });
    try {
      await this.#calls.rename(copy.path, target);
    } catch (error) {
      await this.#temporaries.remove(copy.path);
      throw error;
    }
  }

  async #remove(path: string, stats: FileStats): Promise<void> {
    await ifThere(stats.isDirectory() ? this.#calls.rmdir(path) : this.#calls.unlink(path));
  }

  #versionPath(path: string, number: number): string {
    return join(chainFolder(path), String(number).padStart(16, "0"));
  }
}

interface CreatedVersion {
  readonly number: number;
  readonly own: FileStats;
  readonly base: FileVersion & { readonly stats: FileStats };
}

function isSame(a: FileStats, b: FileStats): boolean {
  return a.ino === b.ino && a.mtimeNs === b.mtimeNs;
}
