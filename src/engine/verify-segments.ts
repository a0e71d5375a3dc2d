import type { Manifest, SegmentEntry } from "../format/manifest.ts";
import { SegmentReader } from "../format/segment-reader.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { loadDeletions } from "./deletion-store.ts";
import { RowSet } from "./row-set.ts";
import { storeRange } from "./store-range.ts";
import type { ProblemList } from "./verify-report.ts";

/** A manifest, and the object that holds it: its own or a checkpoint. */
export interface NamedManifest {
  readonly key: string;
  readonly manifest: Manifest;
}

/** Segments of one manifest: their bytes, their masks, and that no id has two unmasked rows. */
export class SegmentVerification {
  readonly #store: ObjectStore;
  readonly #found: ProblemList;
  readonly #databaseId: string;
  /** Segments whose bytes were checked already; several manifests name the same. */
  readonly #checked = new Set<string>();

  constructor(store: ObjectStore, found: ProblemList, databaseId: string) {
    this.#store = store;
    this.#found = found;
    this.#databaseId = databaseId;
  }

  /**
   * Returns keys of segments that cannot be trusted. What a manifest names that was itself
   * collected meanwhile may be gone, and is no finding.
   */
  async verifyAll(named: readonly NamedManifest[], step: () => void): Promise<ReadonlySet<string>> {
    const damaged = new Set<string>();
    for (const { key, manifest } of named) {
      const before = this.#found.problems.length;
      const suspects: string[] = [];
      for (const segment of manifest.segments) {
        await this.#found.attempt(maskKey(segment), () => loadDeletions(this.#store, segment));
        if (this.#checked.has(segment.key)) continue;
        this.#checked.add(segment.key);
        if (!(await this.#verifySegment(segment))) suspects.push(segment.key);
        step();
      }
      if (this.#found.problems.length === before) continue;
      if ((await this.#store.head(key)) === undefined) {
        this.#found.problems.length = before;
        for (const suspect of suspects) this.#checked.delete(suspect);
      } else for (const suspect of suspects) damaged.add(suspect);
    }
    return damaged;
  }

  async #verifySegment(segment: SegmentEntry): Promise<boolean> {
    const { key } = segment;
    const before = this.#found.problems.length;
    await this.#found.attempt(key, async () => {
      const reader = await SegmentReader.open(storeRange(this.#store, segment), key);
      const { meta } = reader;
      const facts = [
        ["database", meta.databaseId, this.#databaseId],
        ["id", meta.id, segment.id],
        ["rows", meta.rows, segment.rows],
        ["rows with a vector", meta.vectorRows, segment.vectorRows],
        ["least version", meta.minVersion, segment.minVersion],
        ["greatest version", meta.maxVersion, segment.maxVersion],
      ] as const;
      for (const [what, is, expected] of facts) {
        if (is !== expected)
          this.#found.error(key, `${what} is ${is}, its manifest says ${expected}`);
      }
      for await (const problem of reader.verify()) this.#found.error(key, problem);
    });
    return this.#found.problems.length === before;
  }

  /** Eight bytes a row are held. Ids are only read where two hashes are equal. */
  async verifyUnique(manifest: Manifest, damaged: ReadonlySet<string>): Promise<void> {
    const owners = new Map<bigint, { readonly segment: SegmentEntry; readonly row: number }>();
    for (const segment of manifest.segments) {
      if (damaged.has(segment.key)) continue;
      await this.#found.attempt(segment.key, async () => {
        const reader = await SegmentReader.open(storeRange(this.#store, segment), segment.key);
        const masked = new RowSet(segment.rows, await loadDeletions(this.#store, segment));
        const { entries } = await reader.idIndex();
        for (let i = 0; i < entries.count; i++) {
          const row = entries.row(i);
          if (masked.has(row)) continue;
          const { hi, lo } = entries.hash(i);
          const hash = (BigInt(hi) << 32n) | BigInt(lo);
          const owner = owners.get(hash);
          if (owner === undefined) owners.set(hash, { segment, row });
          else await this.#compare(owner, reader, row);
        }
      });
    }
  }

  async #compare(
    owner: { readonly segment: SegmentEntry; readonly row: number },
    reader: SegmentReader,
    row: number,
  ): Promise<void> {
    const { segment } = owner;
    const other = await SegmentReader.open(storeRange(this.#store, segment), segment.key);
    const [id] = await reader.textsOf("id", [row]);
    const [otherId] = await other.textsOf("id", [owner.row]);
    if (id !== otherId) return;
    this.#found.error(
      reader.where,
      `row ${row} and row ${owner.row} of ${segment.key} are both of ${JSON.stringify(id)}`,
    );
  }
}

function maskKey({ key, deletions }: SegmentEntry): string {
  return deletions !== undefined && "key" in deletions ? deletions.key : key;
}
