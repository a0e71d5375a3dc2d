import { BrainyError } from "../../base/errors.ts";
import { OPEN_READ, type FileCalls, type FileStats } from "./file-calls.ts";
import type { FileChain } from "./file-chain.ts";
import { ifThere } from "./file-temporaries.ts";

/** Most bytes of one read(2): Node refuses 2 GiB and more. */
const READ_BYTES_MAX = 2 ** 30;

/** Listing a chain and opening its newest version race with its pruning; each try is newer. */
const ATTEMPTS_MAX = 100;

/** An open file that holds an object's value; its identity is taken from the file itself. */
export interface OpenFile {
  readonly file: number;
  readonly stats: FileStats;
  /** 1 for a plain file. */
  readonly number: number;
}

/**
 * Opens the value of the object at `path`, and closes it after `use`. `undefined` when there is
 * none. The plain file is opened while the chain is looked for: nearly all objects have none.
 */
export async function withCurrentFile<T>(
  calls: FileCalls,
  chain: FileChain,
  path: string,
  use: (open: OpenFile) => Promise<T>,
): Promise<T | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const [plain, versions] = await Promise.allSettled([
      ifThere(calls.open(path, OPEN_READ)),
      chain.versions(path),
    ]);
    const newest = versions.status === "fulfilled" ? versions.value.at(-1) : undefined;
    if (versions.status === "rejected" || newest !== undefined) {
      if (plain.status === "fulfilled" && plain.value !== undefined) await calls.close(plain.value);
    }
    if (versions.status === "rejected") throw versions.reason;
    if (newest === undefined) {
      if (plain.status === "rejected") throw plain.reason;
      return plain.value === undefined ? undefined : useFile(calls, plain.value, 1, use);
    }
    if (newest.isDeleted) return undefined;
    const file = await ifThere(calls.open(newest.path, OPEN_READ));
    if (file !== undefined) return useFile(calls, file, newest.number, use);
  }
  throw new BrainyError("BRAINY_UNAVAILABLE", `${path} changes faster than it can be read`);
}

async function useFile<T>(
  calls: FileCalls,
  file: number,
  number: number,
  use: (open: OpenFile) => Promise<T>,
): Promise<T | undefined> {
  try {
    const stats = await calls.stat(file);
    return stats.isFile() ? await use({ file, stats, number }) : undefined;
  } finally {
    await calls.close(file);
  }
}

/** The part `[start, end)` of an open file, in memory of its own or in a target of its length. */
export async function readFilePart(
  calls: FileCalls,
  file: number,
  [start, end]: readonly [start: number, end: number],
  target?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = target?.byteLength === end - start ? target : new Uint8Array(end - start);
  let filled = 0;
  while (filled < bytes.byteLength) {
    const rest = bytes.subarray(filled, filled + READ_BYTES_MAX);
    const count = await calls.read(file, rest, start + filled);
    if (count === 0) {
      throw new BrainyError("BRAINY_UNAVAILABLE", `file ended at ${start + filled}, before ${end}`);
    }
    filled += count;
  }
  return bytes;
}
