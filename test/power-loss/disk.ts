import {
  OPEN_CREATE,
  OPEN_READ,
  type FileCalls,
  type FileStats,
  type FolderEntry,
} from "../../src/storage/adapters/file-calls.ts";
import { systemFailure } from "./system-failure.ts";

/** A file or a folder, under however many names. */
export interface Inode {
  /** Never used again, unlike the number that `stat` tells. */
  readonly id: number;
  readonly number: number;
  readonly isFolder: boolean;
  /** What it was called at first. */
  readonly firstName: string;
  /** Never changed in place. */
  bytes: Uint8Array;
  mtimeNs: bigint;
  /** What `mtimeNs` was at first. */
  readonly createdNs: bigint;
  /** Of a folder. */
  readonly entries: Map<string, Inode>;
  names: number;
  opened: number;
}

/** One change as the disk sees it, in the order in which it became visible to every process. */
export type Change =
  | {
      readonly kind: "entry";
      readonly folder: Inode;
      readonly name: string;
      /** `undefined`: the name is gone. */
      readonly inode: Inode | undefined;
      /** Which process did it. */
      readonly by: string;
    }
  | {
      readonly kind: "write";
      readonly inode: Inode;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "times"; readonly inode: Inode; readonly mtimeNs: bigint }
  /** Makes durable what is before `begin`. */
  | { readonly kind: "sync"; readonly inode: Inode; readonly begin: number }
  /** An fsync that failed: the kernel takes these pages for clean, and never writes them. */
  | { readonly kind: "dropped"; readonly inode: Inode; readonly begin: number };

/**
 * Which calls of fsync answer and do nothing: those of files, or those of folders in which the
 * newest change is a file's name, a name that is gone, or a new folder; of the folders of
 * versions; of those above the root; or of folders in which somebody else has changed something,
 * and the caller nothing.
 */
export const DEFECTS = [
  "files",
  "names",
  "removals",
  "folders",
  "versions",
  "roots",
  "others",
] as const;

/** One of them. */
export type DiskDefect = (typeof DEFECTS)[number];

/** What fails, by the number of the call since the beginning. */
export interface DiskFaults {
  /** The fsync with this number fails with `EIO`. */
  readonly failingSync?: number | undefined;
  /** From then on the disk can only be read, as after an aborted journal. */
  readonly isReadOnlyAfter?: boolean | undefined;
  /** From this write on, for as many as said, `ENOSPC`. */
  readonly fullFrom?: number | undefined;
  readonly fullFor?: number | undefined;
}

/** Runs the effect of a call at a moment of its choice, and answers at another. */
export type Turn = <T>(effect: () => T) => Promise<T>;

/** At once. */
export const immediately: Turn = async (effect) => effect();

/** Names of the folders in which the way to the root is; no key has such a part. */
const ABOVE_ROOT = new Set(["", "srv", "brainy"]);

/** How often a kernel looks at the clock for the times of files. */
const TICK_MS = 4;

/**
 * A file system in memory that writes down every change. What is in it is what processes see,
 * which is the page cache of a machine; `crash-states.ts` tells what a power loss may leave of it.
 */
export class Disk {
  readonly changes: Change[] = [];
  readonly root: Inode;
  readonly #nowMs: () => number;
  readonly #defect: DiskDefect | undefined;
  readonly #freeNumbers: number[] = [];
  readonly #files = new Map<number, Inode>();
  faults: DiskFaults = {};
  /** Called when a process has given or taken a name. */
  onEntry: (by: string) => void = () => {};
  isReadOnly = false;
  syncs = 0;
  /** Files that were open at the same time, at most. */
  openedMax = 0;
  writes = 0;
  #nextNumber: number;
  #nextId: number;
  #nextFile = 3;

  constructor(
    nowMs: () => number,
    {
      defect,
      root,
    }: { readonly defect?: DiskDefect | undefined; readonly root?: Inode | undefined } = {},
  ) {
    this.#nowMs = nowMs;
    this.#defect = defect;
    const all = root === undefined ? [] : inodesBelow(root);
    this.#nextId = Math.max(0, ...all.map(({ id }) => id)) + 1;
    this.#nextNumber = Math.max(1, ...all.map(({ number }) => number)) + 1;
    // Numbers of what the power loss took are used again at once.
    const used = new Set(all.map(({ number }) => number));
    for (let number = this.#nextNumber - 1; number > 1; number--) {
      if (!used.has(number)) this.#freeNumbers.push(number);
    }
    this.root = root ?? this.#newInode(true, "");
  }

  /** The system as one process sees it. */
  calls(turn: Turn = immediately, by = "the only one"): FileCalls {
    return {
      open: (path, flags) => turn(() => this.#open(path, flags, by)),
      close: (file) => turn(() => this.#close(file)),
      read: (file, target, position) => turn(() => this.#read(file, target, position)),
      readMany: (file, targets, position) =>
        turn(() => {
          let count = 0;
          for (const target of targets) count += this.#read(file, target, position + count);
          return count;
        }),
      write: (file, source, position) => turn(() => this.#write(file, source, position)),
      fsync: async (file) => {
        const begin = await turn(() => this.changes.length);
        await turn(() => this.#sync(file, begin, by));
      },
      stat: (file) => turn(() => statsOf(this.#opened(file))),
      setModified: (file, seconds) =>
        turn(() => {
          const inode = this.#opened(file);
          // As the kernel does: whole microseconds.
          inode.mtimeNs = BigInt(Math.floor(seconds * 1e6)) * 1_000n;
          this.changes.push({ kind: "times", inode, mtimeNs: inode.mtimeNs });
        }),
      lstat: (path) => turn(() => statsOf(this.#find(path, "lstat"))),
      link: (existing, added) => turn(() => this.#link(existing, added, by)),
      rename: (source, target) => turn(() => this.#rename(source, target, by)),
      unlink: (path) => turn(() => this.#remove(path, "unlink", by)),
      mkdir: (path) =>
        turn(() => {
          const { folder, name } = this.#parent(path, "mkdir");
          this.#assertWritable("mkdir");
          if (folder.entries.has(name)) throw systemFailure("EEXIST", "mkdir", path);
          this.#enter({ folder, name, inode: this.#newInode(true, name), by });
        }),
      rmdir: (path) => turn(() => this.#remove(path, "rmdir", by)),
      readdir: (path) => turn(() => entriesOf(this.#find(path, "readdir"))),
      fileSystemType: () => turn(() => 0xef53),
    };
  }

  #newInode(isFolder: boolean, name: string): Inode {
    const number = this.#freeNumbers.pop() ?? this.#nextNumber++;
    const mtimeNs = BigInt(Math.floor(this.#nowMs() / TICK_MS) * TICK_MS) * 1_000_000n;
    return {
      id: this.#nextId++,
      number,
      isFolder,
      firstName: name,
      bytes: new Uint8Array(),
      mtimeNs,
      createdNs: mtimeNs,
      entries: new Map(),
      names: 0,
      opened: 0,
    };
  }

  #open(path: string, flags: number, by: string): number {
    if (flags === OPEN_CREATE) {
      const { folder, name } = this.#parent(path, "open");
      this.#assertWritable("open");
      if (folder.entries.has(name)) throw systemFailure("EEXIST", "open", path);
      this.#enter({ folder, name, inode: this.#newInode(false, name), by });
    } else if (flags !== OPEN_READ) throw new Error(`unknown flags ${flags}`);
    const inode = this.#find(path, "open");
    inode.opened++;
    this.#files.set(++this.#nextFile, inode);
    this.openedMax = Math.max(this.openedMax, this.#files.size);
    return this.#nextFile;
  }

  #opened(file: number): Inode {
    const inode = this.#files.get(file);
    if (inode === undefined) throw systemFailure("EBADF", "use", String(file));
    return inode;
  }

  #close(file: number): void {
    const inode = this.#opened(file);
    this.#files.delete(file);
    inode.opened--;
    this.#freeIfUnused(inode);
  }

  #freeIfUnused(inode: Inode): void {
    if (inode.names === 0 && inode.opened === 0) this.#freeNumbers.push(inode.number);
  }

  #read(file: number, target: Uint8Array, position: number): number {
    const { bytes } = this.#opened(file);
    const part = bytes.subarray(position, position + target.byteLength);
    target.set(part);
    return part.byteLength;
  }

  #write(file: number, source: Uint8Array, position: number): number {
    const inode = this.#opened(file);
    this.#assertWritable("write");
    const { fullFrom, fullFor = 1 } = this.faults;
    const number = this.writes++;
    if (fullFrom !== undefined && number >= fullFrom && number < fullFrom + fullFor) {
      throw systemFailure("ENOSPC", "write", String(file));
    }
    const bytes = source.slice();
    inode.bytes = overwritten(inode.bytes, position, bytes);
    this.changes.push({ kind: "write", inode, position, bytes });
    return bytes.byteLength;
  }

  #sync(file: number, begin: number, by: string): void {
    const inode = this.#opened(file);
    if (this.isReadOnly) throw systemFailure("EROFS", "fsync", String(file));
    if (this.syncs++ === this.faults.failingSync) {
      if (!inode.isFolder) this.changes.push({ kind: "dropped", inode, begin });
      this.isReadOnly = this.faults.isReadOnlyAfter === true;
      throw systemFailure("EIO", "fsync", String(file));
    }
    if (this.#ignores(inode, begin, by)) return;
    this.changes.push({ kind: "sync", inode, begin });
  }

  #ignores(inode: Inode, begin: number, by: string): boolean {
    const defect = this.#defect;
    if (defect === undefined) return false;
    if (!inode.isFolder) return defect === "files";
    const kindOfFolder = /^\..+\.versions$/.test(inode.firstName)
      ? "versions"
      : ABOVE_ROOT.has(inode.firstName)
        ? "roots"
        : undefined;
    const isIn = (change: Change): change is Change & { readonly kind: "entry" } =>
      change.kind === "entry" && change.folder === inode;
    if (defect === "others") {
      const synced = this.changes.findLast(
        (change) => change.kind === "sync" && change.inode === inode,
      );
      const since = synced?.kind === "sync" ? synced.begin : 0;
      return !this.changes.slice(since, begin).some((change) => isIn(change) && change.by === by);
    }
    if (kindOfFolder !== undefined) return defect === kindOfFolder;
    const newest = this.changes.slice(0, begin).findLast(isIn)?.inode;
    if (newest === undefined) return defect === "removals";
    return defect === (newest.isFolder ? "folders" : "names");
  }

  #assertWritable(what: string): void {
    if (this.isReadOnly) throw systemFailure("EROFS", what, "");
  }

  #enter(entry: Omit<Change & { readonly kind: "entry" }, "kind">): void {
    const { folder, name, inode } = entry;
    const before = folder.entries.get(name);
    if (inode === undefined) folder.entries.delete(name);
    else {
      folder.entries.set(name, inode);
      inode.names++;
    }
    this.changes.push({ kind: "entry", ...entry });
    this.onEntry(entry.by);
    if (before === undefined) return;
    before.names--;
    this.#freeIfUnused(before);
  }

  #link(existing: string, added: string, by: string): void {
    const inode = this.#find(existing, "link");
    const { folder, name } = this.#parent(added, "link");
    this.#assertWritable("link");
    if (folder.entries.has(name)) throw systemFailure("EEXIST", "link", added);
    this.#enter({ folder, name, inode, by });
  }

  /** Two changes, of which a power loss may keep either one. */
  #rename(source: string, target: string, by: string): void {
    const inode = this.#find(source, "rename");
    const from = this.#parent(source, "rename");
    const to = this.#parent(target, "rename");
    this.#assertWritable("rename");
    if (to.folder.entries.get(to.name)?.isFolder === true) {
      throw systemFailure("EISDIR", "rename", target);
    }
    this.#enter({ folder: to.folder, name: to.name, inode, by });
    this.#enter({ folder: from.folder, name: from.name, inode: undefined, by });
  }

  #remove(path: string, call: "unlink" | "rmdir", by: string): void {
    const inode = this.#find(path, call);
    const { folder, name } = this.#parent(path, call);
    this.#assertWritable(call);
    if (inode.isFolder !== (call === "rmdir")) {
      throw systemFailure(inode.isFolder ? "EISDIR" : "ENOTDIR", call, path);
    }
    if (inode.entries.size > 0) throw systemFailure("ENOTEMPTY", call, path);
    this.#enter({ folder, name, inode: undefined, by });
  }

  #parent(path: string, call: string): { readonly folder: Inode; readonly name: string } {
    const cut = path.lastIndexOf("/");
    const folder = this.#find(path.slice(0, cut), call);
    if (!folder.isFolder) throw systemFailure("ENOTDIR", call, path);
    return { folder, name: path.slice(cut + 1) };
  }

  #find(path: string, call: string): Inode {
    let inode = this.root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      if (!inode.isFolder) throw systemFailure("ENOTDIR", call, path);
      if (name === ".") continue;
      const next = inode.entries.get(name);
      if (next === undefined) throw systemFailure("ENOENT", call, path);
      inode = next;
    }
    return inode;
  }
}

/** `bytes` with others in their place, zeros where there were none. */
export function overwritten(
  bytes: Uint8Array,
  position: number,
  others: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(Math.max(bytes.byteLength, position + others.byteLength));
  result.set(bytes);
  result.set(others, position);
  return result;
}

function inodesBelow(inode: Inode): Inode[] {
  return [inode, ...[...inode.entries.values()].flatMap(inodesBelow)];
}

function statsOf(inode: Inode): FileStats {
  return {
    ino: BigInt(inode.number),
    size: BigInt(inode.bytes.byteLength),
    mtimeNs: inode.mtimeNs,
    mtimeMs: inode.mtimeNs / 1_000_000n,
    uid: BigInt(process.getuid?.() ?? 0),
    ...kindOf(inode),
  };
}

function entriesOf(folder: Inode): FolderEntry[] {
  if (!folder.isFolder) throw systemFailure("ENOTDIR", "readdir", "");
  return [...folder.entries].map(([name, inode]) => ({ name, ...kindOf(inode) }));
}

function kindOf({
  isFolder,
}: Inode): Pick<FolderEntry, "isFile" | "isDirectory" | "isSymbolicLink"> {
  return {
    isFile: () => !isFolder,
    isDirectory: () => isFolder,
    isSymbolicLink: () => false,
  };
}
