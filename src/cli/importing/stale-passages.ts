import type { Brainy } from "../../brainy.ts";
import type { FileEndEntry } from "./entry.ts";
import { isPassageOf } from "./passage-id.ts";

/** Files looked after in one pass over the database, and passages of them held in memory. */
const FILES_MAX = 1_000;
const PASSAGES_MAX = 50_000;

const PAGE_SIZE = 5_000;

/**
 * Deletes what an earlier import of the same files left: passages whose lines are cut otherwise
 * now. Runs after the new ones are durable, so that a file never disappears from searches.
 */
export class StalePassages {
  readonly #brain: Brainy;
  #files: FileEndEntry[] = [];
  #passages = 0;
  #isNeeded = true;

  constructor(brain: Brainy) {
    this.#brain = brain;
  }

  /** An empty database has nothing old, which saves a pass over it for each group of files. */
  async begin(): Promise<void> {
    this.#isNeeded = (await this.#brain.count()) > 0;
  }

  get isFull(): boolean {
    return this.#files.length >= FILES_MAX || this.#passages >= PASSAGES_MAX;
  }

  /** Takes a file all of whose passages were read. */
  add(file: FileEndEntry): void {
    if (!this.#isNeeded) return;
    this.#files.push(file);
    this.#passages += file.ids.size;
  }

  /** Deletes, and forgets the files. Their passages must be acknowledged by now. */
  async remove(): Promise<number> {
    const files = new Map(this.#files.map(({ path, ids }) => [path, ids]));
    this.#files = [];
    this.#passages = 0;
    if (files.size === 0) return 0;
    let removed = 0;
    let cursor: string | undefined;
    do {
      const page = await this.#brain.list({
        filter: { path: { $in: [...files.keys()] } },
        include: ["metadata"],
        limit: PAGE_SIZE,
        cursor,
      });
      const stale = page.records
        .filter(({ id, metadata }) => isStale(id, String(metadata["path"]), files))
        .map(({ id }) => id);
      if (stale.length > 0) removed += await this.#brain.delete(stale);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return removed;
  }
}

function isStale(
  id: string,
  path: string,
  files: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  return files.get(path)?.has(id) === false && isPassageOf(path, id);
}
