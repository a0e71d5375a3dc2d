import type { Etag } from "../object-store.ts";
import type { FileFolders } from "./file-folders.ts";

/** Files remembered before all are forgotten, and made durable once more when they are read. */
const KNOWN_MAX = 100_000;

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

  constructor(folders: FileFolders) {
    this.#folders = folders;
  }

  /** A file was read whose name is in `folder`. */
  saw(folder: string, etag: Etag): void {
    if (this.#known.has(etag)) return;
    const open = this.#open.get(folder);
    if (open === undefined) this.#open.set(folder, new Set([etag]));
    else open.add(etag);
  }

  /** A file of this store is durable under its name. */
  wrote(etag: Etag): void {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.add(etag);
  }

  /** Makes durable what was read so far. Rejects with `BRAINY_FENCED` when an fsync fails. */
  async settle(): Promise<void> {
    if (this.#open.size === 0) return;
    await Promise.all([...this.#open].map((entry) => this.#settleFolder(...entry)));
  }

  async #settleFolder(folder: string, open: Set<Etag>): Promise<void> {
    const etags = [...open];
    await this.#folders.sync(folder);
    for (const etag of etags) {
      this.wrote(etag);
      open.delete(etag);
    }
    if (open.size === 0 && this.#open.get(folder) === open) this.#open.delete(folder);
  }
}
