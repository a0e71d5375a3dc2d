import { access } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import type { Brainy } from "../../brainy.ts";
import { isPassageOf } from "./passage-id.ts";
import { systemCode } from "../system-code.ts";

const PAGE_SIZE = 5_000;

/**
 * Deletes the passages of files below these folders that are no longer there. A file that exists
 * keeps its passages, also when this import did not want it.
 */
export async function prunePassages(brain: Brainy, folders: readonly string[]): Promise<number> {
  let removed = 0;
  for (const folder of folders) {
    let cursor: string | undefined;
    do {
      const page = await brain.list({
        filter: { path: { $startsWith: folder === "" ? "" : `${folder}/` } },
        include: ["metadata"],
        limit: PAGE_SIZE,
        cursor,
      });
      const isGone = new Map<string, boolean>();
      const stale: string[] = [];
      for (const { id, metadata } of page.records) {
        const path = String(metadata["path"]);
        if (!isPassageOf(path, id)) continue;
        // The current folder's own paths are relative; others do not lie in it.
        if (folder === "" && (isAbsolute(path) || path.startsWith("../"))) continue;
        if (!isGone.has(path)) isGone.set(path, await fileIsGone(path));
        if (isGone.get(path) === true) stale.push(id);
      }
      if (stale.length > 0) removed += await brain.delete(stale);
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
  return removed;
}

/** A file that cannot be looked at counts as there. */
async function fileIsGone(path: string): Promise<boolean> {
  try {
    await access(resolve(path));
    return false;
  } catch (error) {
    const code = systemCode(error);
    return code === "ENOENT" || code === "ENOTDIR";
  }
}
