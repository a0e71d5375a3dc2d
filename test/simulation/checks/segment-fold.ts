import type { Manifest } from "../../../src/format/manifest.ts";
import { memorySource, SegmentReader } from "../../../src/format/segment-reader.ts";
import { ROW_LIVE } from "../../../src/format/segment.ts";
import { describe, happenedOf, type Happened, type Seen } from "../history.ts";
import type { Oracle } from "../oracle.ts";
import type { BucketCheck, BucketRecord, StoredObject } from "./bucket-record.ts";

interface Row {
  readonly id: string;
  /** `undefined`: a row that no reader is shown. */
  readonly seen: Seen | undefined;
}

/**
 * What segments show is the fold of exactly the operations that the manifest covers: each is in one
 * place, its slot or the segments, and no mask is lost or too many. At every manifest, not only
 * when somebody reads.
 */
export class SegmentFold implements BucketCheck {
  readonly #fold: Oracle;
  readonly #rows = new Map<string, Promise<readonly Row[]>>();
  /** Operations that segments hold, in version order, by record. */
  readonly #covered = new Map<string, Happened[]>();
  readonly #cursors = new Map<string, number>();
  checks = 0;

  constructor(fold: Oracle) {
    this.#fold = fold;
  }

  stored(object: StoredObject, record: BucketRecord): Promise<void> | undefined {
    if (object.kind === "segment") {
      const rows = rowsOf(object.key, object.bytes);
      rows.catch(() => undefined);
      this.#rows.set(object.key, rows);
    }
    if (object.kind !== "manifest" || object.isAgain) return undefined;
    const { manifest } = object;
    this.#cover(manifest, record);
    const before = record.newest?.manifest;
    // Only lanes and floor may differ, and neither shows.
    const isSame = JSON.stringify(before?.segments) === JSON.stringify(manifest.segments);
    if (isSame && before?.maxVersion === manifest.maxVersion) return undefined;
    const masks = manifest.segments.map((entry) => new Set(record.masked(entry)));
    const wanted = new Map(
      [...this.#covered].map(([id, operations]) => [id, this.#fold(operations)] as const),
    );
    // What may still meet something older is kept, a delete as well: only the floor ends that.
    const kept = [...this.#covered]
      .filter(([, operations]) => operations.at(-1)!.version > manifest.floor)
      .map(([id]) => id);
    return this.#compare(manifest, { masks, wanted, kept });
  }

  /** Junk is left out: what comes at or below the floor was never acknowledged. */
  #cover({ lanes }: Manifest, record: BucketRecord): void {
    const floor = record.newest?.manifest.floor ?? "";
    for (const { lane, cursor } of lanes) {
      const from = (this.#cursors.get(lane) ?? -1) + 1;
      for (let number = from; number <= cursor; number++) {
        for (const operation of record.slot(lane, number)?.operations ?? []) {
          if (operation.version <= floor) continue;
          const known = this.#covered.get(operation.id) ?? [];
          known.push(happenedOf(operation));
          this.#covered.set(operation.id, known.sort(byVersion));
        }
      }
      this.#cursors.set(lane, Math.max(from - 1, cursor));
    }
  }

  async #compare(
    { number, segments, floor }: Manifest,
    expected: {
      readonly masks: readonly ReadonlySet<number>[];
      readonly wanted: ReadonlyMap<string, Seen | undefined>;
      /** Records that have a row, shown or not. */
      readonly kept: readonly string[];
    },
  ): Promise<void> {
    const { masks, wanted, kept } = expected;
    const shown = new Map<string, Seen | undefined>();
    for (const [i, { key }] of segments.entries()) {
      for (const [row, { id, seen }] of (await this.#rows.get(key))!.entries()) {
        if (masks[i]!.has(row)) continue;
        if (shown.has(id)) throw new Error(`manifest ${number}: ${id} has two rows`);
        shown.set(id, seen);
      }
    }
    for (const id of new Set([...wanted.keys(), ...shown.keys()])) {
      this.checks++;
      const [is, should] = [textOf(shown.get(id)), textOf(wanted.get(id))];
      if (is === should) continue;
      throw new Error(`manifest ${number}: segments show ${id} as\n  ${is}, not as\n  ${should}`);
    }
    for (const id of kept) {
      if (shown.has(id)) continue;
      throw new Error(`manifest ${number}: nothing stands for ${id}, and the floor is at ${floor}`);
    }
  }
}

function textOf(seen: Seen | undefined): string {
  // Siblings are rows of nobody: only the newest is in the columns.
  return seen === undefined ? "nothing" : describe({ ...seen, siblings: undefined });
}

async function rowsOf(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<readonly Row[]> {
  const reader = await SegmentReader.open(memorySource(bytes), key);
  const { rows, vectorRows, stride, dimension } = reader.meta;
  const [kinds, versions, ids] = [
    await reader.kinds(),
    await reader.versions(),
    await reader.ids(),
  ];
  const [metadata, content] = [await reader.metadata(), await reader.content()];
  const vectors = new Float32Array(new Uint8Array(await reader.vectorRows(0, vectorRows)).buffer);
  return Array.from({ length: rows }, (_, row) => {
    const id = ids.text(row);
    if (kinds[row] !== ROW_LIVE) return { id, seen: undefined };
    const at = row * stride;
    const vector = row < vectorRows ? [...vectors.subarray(at, at + dimension)] : undefined;
    const text = metadata.text(row);
    return {
      id,
      seen: { version: versions.version(row), vector, content: content.text(row), metadata: text },
    };
  });
}

function byVersion(a: Happened, b: Happened): number {
  return a.version < b.version ? -1 : 1;
}
