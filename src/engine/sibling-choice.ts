import type { Attributes } from "../format/operation.ts";
import type { Metric } from "../kernel/metric.ts";
import type { VisibleRecord } from "./record-state.ts";
import { readRecords, type StoredRecord } from "./records.ts";
import type { View } from "./view.ts";

/** What a chosen vector has to keep to. */
export interface ResolutionRules {
  readonly dimensions: number | undefined;
  readonly metric: Metric;
}

/** One of the siblings, by its place among them, or a record in their stead. */
export type Chosen =
  | { readonly sibling: number }
  | { readonly record: Pick<StoredRecord, "vector" | "content" | "metadata"> & AttributesOf };

interface AttributesOf {
  readonly attributes: Attributes | undefined;
}

/** What readers see of concurrent siblings, oldest first: a function of them alone. */
export type Resolve = (siblings: readonly StoredRecord[]) => Chosen;

/**
 * Shows what a resolver makes of siblings. Contents of siblings may still be in the store, so this
 * is done before a read, and not when an operation arrives.
 */
export class SiblingChoice {
  readonly #resolve: Resolve;
  /** Records that may have siblings, and were not looked at since they changed. */
  readonly #waiting = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** Something of this record has changed. */
  changed(id: string): void {
    this.#waiting.add(id);
  }

  get isSettled(): boolean {
    return this.#waiting.size === 0 && this.#running === undefined;
  }

  /** Resolves once every record shows what was chosen. Calls share what is under way. */
  async settle(view: View): Promise<void> {
    while (!this.isSettled) {
      this.#running ??= this.#run(view).finally(() => {
        this.#running = undefined;
      });
      await this.#running;
    }
  }

  async #run(view: View): Promise<void> {
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      const found = view.find(id);
      const siblings = view.siblingsOf(id);
      if (found === undefined || siblings.length < 2) continue;
      const location = "patches" in found ? found.location : found;
      try {
        const references = siblings.map((record) => ({ record, location }));
        const stored = await readRecords(references, { content: true, vector: true });
        // What changed meanwhile is looked at again.
        if (!this.#waiting.has(id)) view.show(id, visibleOf(siblings, this.#resolve(stored)));
      } catch (error) {
        this.#waiting.add(id);
        throw error;
      }
    }
  }
}

/**
 * The chosen record under the newest sibling's version. It ends at the latest with the last of its
 * siblings, because compaction drops siblings that are all over.
 */
function visibleOf(siblings: readonly VisibleRecord[], chosen: Chosen): VisibleRecord {
  const { id, version } = siblings.at(-1)!;
  const record = "sibling" in chosen ? siblings[chosen.sibling]! : chosen.record;
  const { vector, content, metadata, attributes } = record;
  const ends = siblings.map((one) => one.attributes?.expiresAtMs ?? Number.POSITIVE_INFINITY);
  const endsAtMs = Math.min(Math.max(...ends), attributes?.expiresAtMs ?? Number.POSITIVE_INFINITY);
  return {
    kind: "put",
    id,
    version,
    vector,
    content,
    metadata,
    attributes: Number.isFinite(endsAtMs) ? { ...attributes, expiresAtMs: endsAtMs } : attributes,
  };
}
