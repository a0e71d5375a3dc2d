import { BrainyError, invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import { EVERY_PART, quote } from "./call-options.ts";
import { checkVector } from "./engine/record-input.ts";
import type { StoredRecord } from "./engine/records.ts";
import type { Chosen, ResolutionRules } from "./engine/sibling-choice.ts";
import { presentRecord } from "./present.ts";
import { RECORD_KEYS, prepareRecord } from "./record-encoder.ts";
import type { BrainyRecord, RecordInput, Resolver } from "./types.ts";

const PARTS = new Set(EVERY_PART);

/** What the engine asks, answered by a user's function. An error of it names the record. */
export function siblingResolver(
  resolver: Resolver,
): (siblings: readonly StoredRecord[], rules: ResolutionRules) => Chosen {
  return (stored, rules) => {
    // Frozen, so that a sibling that comes back is the one that is stored.
    const siblings = stored.map((record) => Object.freeze(presentRecord(record, PARTS)));
    const { id } = stored[0]!;
    try {
      const chosen: unknown = resolver(siblings);
      const index = siblings.indexOf(chosen as BrainyRecord);
      return index >= 0 ? { sibling: index } : { record: checked(chosen, id, rules) };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BrainyError(
        "BRAINY_INVALID_ARGUMENT",
        `resolver: cannot choose between ${stored.length} siblings of ${quote(id)}: ${why}`,
        { cause },
      );
    }
  };
}

function checked(
  chosen: unknown,
  id: string,
  rules: ResolutionRules,
): Extract<Chosen, { readonly record: unknown }>["record"] {
  if (typeof chosen !== "object" || chosen === null || chosen instanceof Promise) {
    throw invalid("it must return one of the siblings or a record, and not a promise");
  }
  refuseUnknownKeys(chosen, [...RECORD_KEYS], "record");
  const record = chosen as RecordInput;
  if (record.id !== undefined && record.id !== id) {
    throw invalid(`it returned a record with another id, ${quote(record.id)}`);
  }
  const { vector, content, metadata, attributes } = prepareRecord({ ...record, id }, () => id);
  return {
    vector: vector === undefined ? undefined : checkVector(vector, rules),
    content,
    metadata,
    attributes,
  };
}
