import type { Etag } from "../object-store.ts";
import type { FileFolders } from "./file-folders.ts";
import { ifThere } from "./file-temporaries.ts";

/** Files remembered before all are forgotten, and made durable once more when they are read. */
const KNOWN_MAX = 100_000;

/** Folders synced at the same time. */
const SYNCS_AT_ONCE = 16;

/**
 * What one store has read and does not know to be durable. Another process may have named it and
 * died, or still wait for its fsync; whoever has read it may write what makes no sense without it.
 * So before a change of our own gets its name, the folders of all that was read are synced: once a
 * file, and never for what this store wrote itself. Readers that write nothing pay nothing.
 */
export class FileSightings {
  readonly #folders: FileFolders;
  readonly #known = new Set<Etag>();
  /** By folder. */
  readonly #open = new Map<string, Set<Etag>>();
  /** In all folders together. */
  #openCount = 0;

  constructor(folders: FileFolders) {
    this.#folders = folders;
  }

  /** A file was read whose name is in `folder`. */
  saw(folder: string, etag: Etag): void {
    if (this.#known.has(etag)) return;
    // The folders stay open. Who reads for months and never writes need not know for which files.
    if (this.#openCount >= KNOWN_MAX) {
      for (const known of this.#open.keys()) this.#open.set(known, new Set());
      this.#openCount = 0;
    }
    const open = this.#open.get(folder) ?? new Set<Etag>();
    this.#open.set(folder, open);
    if (open.has(etag)) return;
    open.add(etag);
    this.#openCount++;
  }

  /** A file of this store is durable under its name. */
  wrote(etag: Etag): void {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.add(etag);
  }

  /** Makes durable what was read so far. Rejects with `BRAINY_FENCED` when an fsync fails. */
  async settle(): Promise<void> {
    if (this.#open.size === 0) return;
    // A database may have more lanes than a process may have open files.
    const left = [...this.#open].values();
    const settleSome = async (): Promise<void> => {
      for (const [folder, open] of left) await this.#settleFolder(folder, open);
    };
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, settleSome));
  }

  async #settleFolder(folder: string, open: Set<Etag>): Promise<void> {
    const etags = [...open];
    // Of a folder that somebody removed by hand nothing can be durable.
    await ifThere(this.#folders.sync(folder));
    for (const etag of etags) this.wrote(etag);
    // What was read meanwhile may have been named after that fsync began.
    if (this.#open.get(folder) !== open) return;
    for (const etag of etags) if (open.delete(etag)) this.#openCount--;
    if (open.size === 0) this.#open.delete(folder);
  }
}
