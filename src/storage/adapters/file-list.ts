import { join } from "node:path";
import { BrainyError } from "../../base/errors.ts";
import { isKey } from "../keys.ts";
import type { ListOptions, ObjectInfo } from "../object-store.ts";
import type { FileCalls, FileStats, FolderEntry } from "./file-calls.ts";
import { chainedName, etagOf, type FileChain } from "./file-chain.ts";
import { objectPath, symbolicLink, type FileFolders } from "./file-folders.ts";
import { ifThere } from "./file-temporaries.ts";

/** Objects of one folder looked at together. */
const LOOK_AT_ONCE = 64;

/** One entry of a page: an object, or what several of them were rolled up into. */
export type ListEntry =
  | { readonly kind: "object"; readonly object: ObjectInfo }
  | { readonly kind: "prefix"; readonly prefix: string };

/** What a listing needs of its store. */
export interface FileListParts {
  readonly calls: FileCalls;
  readonly folders: FileFolders;
  readonly chain: FileChain;
}

/**
 * Walks the folders that can hold a key with the prefix, and no others. What is not an object of
 * ours is left out: hidden names, symbolic links, pipes, names that are no keys.
 */
export class FileList {
  readonly #parts: FileListParts;
  readonly #prefix: string;
  readonly #delimiter: string | undefined;
  readonly #startAfter: string;
  readonly #rolledUp = new Set<string>();

  constructor(parts: FileListParts, { prefix = "", delimiter, startAfter = "" }: ListOptions) {
    this.#parts = parts;
    this.#prefix = prefix;
    this.#delimiter = delimiter;
    this.#startAfter = startAfter;
  }

  async *entries(): AsyncGenerator<ListEntry> {
    const { folders } = this.#parts;
    const folderKey = this.#prefix.slice(0, this.#prefix.lastIndexOf("/") + 1);
    const folder =
      folderKey === "" ? folders.root : objectPath(folders.root, folderKey.slice(0, -1));
    if (!(await folders.exists(folder))) return;
    yield* this.#walk(folder, folderKey);
  }

  async *#walk(folder: string, folderKey: string): AsyncGenerator<ListEntry> {
    const found = (await ifThere(this.#parts.calls.readdir(folder))) ?? [];
    const { objects, folders } = this.#sort(found, folderKey);
    for (let at = 0; at < objects.length; at += LOOK_AT_ONCE) {
      const some = objects.slice(at, at + LOOK_AT_ONCE);
      const looks = some.map((name) => this.#look(folder, folderKey + name.name, name.isChained));
      for (const object of await Promise.all(looks)) {
        if (object !== undefined) yield* this.#emit(object);
      }
      if (this.#isRolledUp(folderKey)) return;
    }
    for (const name of folders) {
      const key = `${folderKey}${name}/`;
      if (this.#isRolledUp(key)) continue;
      yield* this.#walk(join(folder, name), key);
      if (this.#isRolledUp(folderKey)) return;
    }
  }

  #sort(
    found: readonly FolderEntry[],
    folderKey: string,
  ): { objects: { name: string; isChained: boolean }[]; folders: string[] } {
    const chained = new Set<string>();
    const plain: string[] = [];
    const folders: string[] = [];
    for (const entry of found) {
      const hidden = entry.isDirectory() ? chainedName(entry.name) : undefined;
      if (hidden !== undefined) chained.add(hidden);
      else if (entry.isFile()) plain.push(entry.name);
      else if (entry.isDirectory() && isKey(entry.name)) folders.push(entry.name);
    }
    const names = [...new Set([...plain, ...chained])].filter(
      (name) => isKey(folderKey + name) && this.#isWanted(folderKey + name),
    );
    return {
      objects: names.toSorted().map((name) => ({ name, isChained: chained.has(name) })),
      folders: folders.filter((name) => this.#canHold(`${folderKey}${name}/`)).toSorted(),
    };
  }

  #isWanted(key: string): boolean {
    return key.startsWith(this.#prefix) && key > this.#startAfter;
  }

  #canHold(folderKey: string): boolean {
    const matches = folderKey.startsWith(this.#prefix) || this.#prefix.startsWith(folderKey);
    return matches && (folderKey > this.#startAfter || this.#startAfter.startsWith(folderKey));
  }

  /** `undefined` when it was deleted since the folder was read. */
  async #look(folder: string, key: string, isChained: boolean): Promise<ObjectInfo | undefined> {
    const { calls, chain } = this.#parts;
    const path = join(folder, key.slice(key.lastIndexOf("/") + 1));
    const current = isChained ? await currentOf(calls, chain, path) : await plainOf(calls, path);
    return current === undefined ? undefined : infoOf(key, current);
  }

  *#emit(object: ObjectInfo): Generator<ListEntry> {
    const rolledUp = this.#rollUp(object.key);
    if (rolledUp === undefined) yield { kind: "object", object };
    else if (!this.#rolledUp.has(rolledUp)) {
      this.#rolledUp.add(rolledUp);
      yield { kind: "prefix", prefix: rolledUp };
    }
  }

  /** Whether everything below a folder belongs to a prefix that was given out already. */
  #isRolledUp(folderKey: string): boolean {
    const rolledUp = this.#rollUp(folderKey);
    return rolledUp !== undefined && this.#rolledUp.has(rolledUp);
  }

  #rollUp(key: string): string | undefined {
    if (this.#delimiter === undefined || this.#delimiter === "") return undefined;
    const cut = key.indexOf(this.#delimiter, this.#prefix.length);
    return cut === -1 ? undefined : key.slice(0, cut + this.#delimiter.length);
  }
}

/** The file that holds an object's value, without opening it. */
export interface CurrentFile {
  readonly path: string;
  readonly stats: FileStats;
  /** 1 for a plain file. */
  readonly number: number;
}

/** Listing a chain and looking at its newest version race with its pruning; each try is newer. */
const ATTEMPTS_MAX = 100;

/** `undefined` when there is no object at `path`. */
export async function currentOf(
  calls: FileCalls,
  chain: FileChain,
  path: string,
): Promise<CurrentFile | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const newest = (await chain.versions(path)).at(-1);
    if (newest === undefined) return plainOf(calls, path);
    if (newest.isDeleted) return undefined;
    const stats = await ifThere(calls.lstat(newest.path));
    if (stats !== undefined) return { path: newest.path, stats, number: newest.number };
  }
  throw new BrainyError("BRAINY_UNAVAILABLE", `${path} changes faster than it can be looked at`);
}

async function plainOf(calls: FileCalls, path: string): Promise<CurrentFile | undefined> {
  const stats = await ifThere(calls.lstat(path));
  if (stats?.isSymbolicLink() === true) throw symbolicLink(path);
  return stats?.isFile() === true ? { path, stats, number: 1 } : undefined;
}

/** What a listing says of an object. */
export function infoOf(key: string, { stats, number }: CurrentFile): ObjectInfo {
  return {
    key,
    bytesTotal: Number(stats.size),
    etag: etagOf(stats, number),
    modifiedMs: Number(stats.mtimeNs / 1_000_000n),
  };
}
