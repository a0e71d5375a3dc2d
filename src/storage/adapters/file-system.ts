import { dirname, resolve } from "node:path";
import { systemClock, type Clock } from "../../base/clock.ts";
import { BrainyError, invalid } from "../../base/errors.ts";
import { systemRandom, type Random } from "../../base/random.ts";
import { checkByteRange, resolveByteRange } from "../byte-range.ts";
import { checkKey, checkKeyPrefix } from "../keys.ts";
import type {
  Etag,
  GetOptions,
  HeadResult,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
  StoreDescriptor,
  StoredObject,
} from "../object-store.ts";
import { systemFileCalls, type FileCalls, type FileStats } from "./file-calls.ts";
import { chainFolder, etagOf } from "./file-chain.ts";
import { fileError, systemCode } from "./file-errors.ts";
import { objectPath } from "./file-folders.ts";
import { currentOf, FileList, infoOf } from "./file-list.ts";
import { readFilePart, withCurrentFile, type OpenFile } from "./file-read.ts";
import { FileWriter } from "./file-writer.ts";

/** Options of `FileSystemStore.open`. */
export interface FileSystemStoreOptions {
  /** Folder that holds everything; made, with what is missing above it, by the first write. */
  readonly root: string;
  /**
   * Whether other processes may write to the same folder, true by default. File systems that live
   * on another machine (NFS, SMB, FUSE) or lack hard links are then refused for writing.
   */
  readonly shared?: boolean | undefined;
  /** Refuses every write with `BRAINY_DENIED`. False by default. */
  readonly readOnly?: boolean | undefined;
  /** Source of `storeMs` where no file was written; the process's clock by default. */
  readonly clock?: Clock | undefined;
  /** Source of temporary names and etags; the process's own by default. */
  readonly random?: Random | undefined;
  /** The operating system; another one injects failures. */
  readonly calls?: FileCalls | undefined;
}

type Abortable = { readonly signal?: AbortSignal | undefined };

/** Entries of one page of `list`. */
const PAGE_SIZE = 1000;

/** Objects deleted at the same time. */
const DELETE_AT_ONCE = 32;

/**
 * Objects as files under one folder, safe for any number of processes of one machine.
 *
 * `put` returns `storeMs` by the file system's clock; reads use the clock given, which on one
 * machine is the same one. Opening touches nothing: folders come with the first write.
 * Spec: docs/specs/file-system-store.md.
 */
export class FileSystemStore implements ObjectStore {
  readonly name: string;
  readonly capabilities = { conditionalPut: true, durable: true, putBytesMax: 2 ** 31 } as const;
  readonly descriptor: StoreDescriptor;
  readonly #calls: FileCalls;
  readonly #clock: Clock;
  readonly #writer: FileWriter;

  private constructor(options: FileSystemStoreOptions & { readonly root: string }) {
    const { root, shared = true, readOnly = false } = options;
    this.name = `file:${root}`;
    this.descriptor = { type: "file", root, shared };
    this.#clock = options.clock ?? systemClock;
    const calls = options.calls ?? systemFileCalls;
    const random = options.random ?? systemRandom;
    this.#calls = calls;
    this.#writer = new FileWriter({ root, calls, shared, readOnly, random });
  }

  /** Rejects with `BRAINY_INVALID_ARGUMENT` when `root` is something else than a folder. */
  static async open(options: FileSystemStoreOptions): Promise<FileSystemStore> {
    if (typeof options.root !== "string" || options.root === "" || options.root.includes("\0")) {
      throw invalid(`file store: root ${JSON.stringify(options.root)} is no path`);
    }
    const root = resolve(options.root);
    const calls = options.calls ?? systemFileCalls;
    try {
      // The dot follows a link: the root itself may be one, what is in it may not.
      await calls.lstat(`${root}/.`);
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOTDIR") {
        const what = `file store: root ${root} is a file or lies below one`;
        throw new BrainyError("BRAINY_INVALID_ARGUMENT", what, { cause: error });
      }
      if (code !== "ENOENT") throw fileError(error, `file store: root ${root}`);
    }
    return new FileSystemStore({ ...options, root });
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    checkByteRange(key, options);
    return this.#look(key, options, (path) =>
      withCurrentFile(this.#calls, this.#writer.chain, path, (open) =>
        this.#readObject(key, path, open, options),
      ),
    );
  }

  async getIfChanged(
    key: string,
    etag: Etag,
    options: Abortable = {},
  ): Promise<StoredObject | "unchanged" | undefined> {
    return this.#look(key, options, (path) =>
      withCurrentFile(this.#calls, this.#writer.chain, path, async (open) => {
        if (etagOf(open.stats, open.number) === etag) return "unchanged" as const;
        return this.#readObject(key, path, open, {});
      }),
    );
  }

  async head(key: string, options: Abortable = {}): Promise<HeadResult | undefined> {
    return this.#look(key, options, async (path) => {
      const current = await currentOf(this.#calls, this.#writer.chain, path);
      if (current === undefined) return undefined;
      this.#sees(path, current);
      return { ...infoOf(key, current), storeMs: this.#clock.nowMs() };
    });
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key);
    if (bytes.byteLength > this.capabilities.putBytesMax) {
      const most = this.capabilities.putBytesMax;
      throw new BrainyError("BRAINY_LIMIT", `put ${key}: ${bytes.byteLength} bytes, over ${most}`);
    }
    return this.#guarded(`put ${key}`, options, () =>
      this.#writer.put(key, bytes, options.condition, options.signal),
    );
  }

  async putStream(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options: Abortable = {},
  ): Promise<PutResult> {
    checkKey(key);
    return this.#guarded(`put ${key}`, options, () =>
      this.#writer.put(key, chunks, undefined, options.signal),
    );
  }

  async deleteMany(keys: readonly string[], options: Abortable = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    const folders = new Set<string>();
    for (let at = 0; at < keys.length; at += DELETE_AT_ONCE) {
      await this.#guarded(`delete ${keys[at]} and others`, options, async () => {
        const some = keys.slice(at, at + DELETE_AT_ONCE);
        const changed = await Promise.all(some.map((key) => this.#writer.delete(key)));
        for (const folder of changed) if (folder !== undefined) folders.add(folder);
      });
    }
    await this.#guarded("delete", {}, async () => {
      for (const folder of folders) await this.#writer.sync(folder);
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListPage> {
    const { prefix = "", signal } = options;
    checkKeyPrefix(prefix);
    signal?.throwIfAborted();
    const { folders, chain } = this.#writer;
    let objects: ObjectInfo[] = [];
    let prefixes: string[] = [];
    try {
      const walk = new FileList({ calls: this.#calls, folders, chain }, options);
      for await (const entry of walk.entries()) {
        if (objects.length + prefixes.length === PAGE_SIZE) {
          yield { objects, prefixes, storeMs: this.#clock.nowMs() };
          signal?.throwIfAborted();
          [objects, prefixes] = [[], []];
        }
        if (entry.kind === "object") objects.push(entry.object);
        else prefixes.push(entry.prefix);
      }
    } catch (error) {
      throw fileError(error, `list ${prefix}`);
    }
    yield { objects, prefixes, storeMs: this.#clock.nowMs() };
  }

  /** Every call has closed what it opened, so there is nothing to give back. */
  async [Symbol.asyncDispose](): Promise<void> {}

  async #look<T>(
    key: string,
    options: Abortable,
    look: (path: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    checkKey(key);
    return this.#guarded(`get ${key}`, options, async () => {
      const { folders } = this.#writer;
      const path = objectPath(folders.root, key);
      return (await folders.exists(dirname(path))) ? look(path) : undefined;
    });
  }

  async #readObject(
    key: string,
    path: string,
    open: OpenFile,
    options: GetOptions,
  ): Promise<StoredObject> {
    const bytesTotal = Number(open.stats.size);
    const part = resolveByteRange(key, options, bytesTotal);
    const bytes = await readFilePart(this.#calls, open.file, part, options.target);
    const etag = this.#sees(path, open);
    return { bytes, etag, bytesTotal, storeMs: this.#clock.nowMs() };
  }

  /** The etag of what is read, whose name may not be durable yet. */
  #sees(
    path: string,
    { stats, number }: { readonly stats: FileStats; readonly number: number },
  ): Etag {
    const etag = etagOf(stats, number);
    const { sightings } = this.#writer;
    // The first version of a chain is the plain file as well.
    if (number === 1) sightings.saw(dirname(path), etag);
    else sightings.saw(chainFolder(path), etag);
    return etag;
  }

  async #guarded<T>(what: string, { signal }: Abortable, run: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      throw fileError(error, what);
    }
  }
}
