import * as fs from "node:fs";
import { promisify } from "node:util";

/** What is read of a file's metadata. Stated here so that users need no types of Node's. */
export interface FileStats {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly mtimeMs: bigint;
  readonly uid: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** One name in a folder. */
export interface FolderEntry {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/**
 * The calls of the operating system that `FileSystemStore` and `DiskCache` rely on, and nothing
 * else of it: what has to hold of a file system is what `docs/specs/file-system-store.md` says of
 * these, and `test/power-loss` has another one that can lose its power.
 */
export interface FileCalls {
  open(path: string, flags: number): Promise<number>;
  close(file: number): Promise<void>;
  read(file: number, target: Uint8Array, position: number): Promise<number>;
  /** One after the other, as far as there are bytes. */
  readMany(file: number, targets: readonly Uint8Array[], position: number): Promise<number>;
  write(file: number, source: Uint8Array, position: number): Promise<number>;
  fsync(file: number): Promise<void>;
  stat(file: number): Promise<FileStats>;
  setModified(file: number, seconds: number): Promise<void>;
  /** Of the name itself: never follows a symbolic link. */
  lstat(path: string): Promise<FileStats>;
  link(existing: string, added: string): Promise<void>;
  rename(source: string, target: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Never what is missing above it. `mode`: of the folder, less what the process masks out. */
  mkdir(path: string, mode?: number): Promise<void>;
  rmdir(path: string): Promise<void>;
  readdir(path: string): Promise<FolderEntry[]>;
  /** Magic number of the file system's type, as in statfs(2). */
  fileSystemType(path: string): Promise<number>;
}

const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const readv = promisify(fs.readv);
const write = promisify(fs.write);
const fstat = promisify(fs.fstat);
const futimes = promisify(fs.futimes);
/** Not that of `fs.promises`: absence is what a put expects, and its error has a costly stack. */
const lstat = promisify(fs.lstat);

/**
 * Plain descriptors, not `FileHandle`: a put is a dozen calls of some microseconds around one
 * fsync, and a handle's bookkeeping would be a good part of what is not the disk.
 */
export const systemFileCalls: FileCalls = {
  open: (path, flags) => open(path, flags, 0o666),
  close: (file) => close(file),
  read: async (file, target, position) =>
    (await read(file, target, 0, target.byteLength, position)).bytesRead,
  readMany: async (file, targets, position) => (await readv(file, targets, position)).bytesRead,
  write: async (file, source, position) =>
    (await write(file, source, 0, source.byteLength, position)).bytesWritten,
  fsync: promisify(fs.fsync),
  stat: (file) => fstat(file, { bigint: true }),
  setModified: (file, seconds) => futimes(file, seconds, seconds),
  lstat: (path) => lstat(path, { bigint: true }),
  link: promisify(fs.link),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  mkdir: async (path, mode) => {
    await fs.promises.mkdir(path, mode);
  },
  rmdir: (path) => fs.promises.rmdir(path),
  readdir: (path) => fs.promises.readdir(path, { withFileTypes: true }),
  fileSystemType: async (path) => (await fs.promises.statfs(path)).type >>> 0,
};

/** Never through a symbolic link, and never waiting for the other end of a pipe. */
export const OPEN_READ =
  fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

/** A new file, or `EEXIST`. */
export const OPEN_CREATE =
  fs.constants.O_WRONLY |
  fs.constants.O_CREAT |
  fs.constants.O_EXCL |
  (fs.constants.O_NOFOLLOW ?? 0);
