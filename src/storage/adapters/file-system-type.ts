import { BrainyError } from "../../base/errors.ts";
import type { FileCalls } from "./file-calls.ts";
import { systemCode } from "./file-errors.ts";
import type { FileTemporaries } from "./file-temporaries.ts";

/**
 * Types whose create-if-absent or fsync is decided on another machine, with the magic numbers of
 * statfs(2) on Linux. On systems that number their types otherwise nothing is recognised, and the
 * probe of `link` is the only check.
 */
const REMOTE: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB2",
  0x65735546: "FUSE",
  0x01021997: "9P",
  0x786f4256: "VirtualBox shared folder",
  0x5346414f: "AFS",
  0x73757245: "Coda",
  0x00c36400: "Ceph",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
};

/** Refuses to share a root between processes on a file system that several machines may see. */
export async function refuseRemote(calls: FileCalls, folder: string): Promise<void> {
  const type = REMOTE[await calls.fileSystemType(folder)];
  if (type === undefined) return;
  throw new BrainyError(
    "BRAINY_UNSUPPORTED",
    `${folder} is on ${type}, where processes cannot be kept apart: open it with shared: false ` +
      "and from one process only, or use a local disk or an object store",
  );
}

const SAYS_NOTHING = new Set(["EROFS", "ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "ENOENT"]);

/** Whether a second name can be given to a file, and is refused when it is taken. */
export async function canLink(calls: FileCalls, temporaries: FileTemporaries): Promise<boolean> {
  const file = await temporaries.write(new Uint8Array(1), { durable: false });
  const name = temporaries.newPath();
  try {
    await calls.link(file.path, name);
    return await calls.link(file.path, name).then(
      () => false,
      () => true,
    );
  } catch (error) {
    // A disk that is full, read-only or failing says nothing about links.
    if (SAYS_NOTHING.has(systemCode(error) ?? "")) throw error;
    return false;
  } finally {
    await temporaries.remove(name);
    await temporaries.remove(file.path);
  }
}

/**
 * `link` for file systems without it: looks, then renames. Correct only while this object is the
 * one user of the files, which is what `shared: false` promises; calls go one after another. The
 * old name is gone afterwards, which suits both uses: temporary files, whose name is removed
 * anyway, and the plain file that becomes version 1 of a chain, which is written again as a copy.
 */
export function withoutLink(calls: FileCalls): FileCalls {
  let last: Promise<unknown> = Promise.resolve();
  const linkByRename = async (existing: string, added: string): Promise<void> => {
    const taken = await calls.lstat(added).catch(() => undefined);
    if (taken !== undefined) throw systemError("EEXIST", "link", added);
    await calls.rename(existing, added);
  };
  return {
    ...calls,
    link(existing, added) {
      const turn = last.then(() => linkByRename(existing, added));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

function systemError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path });
}
