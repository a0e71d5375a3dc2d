import type { StoredRecord } from "./engine/records.ts";
import { parseContent, parseRecordText, type RecordContent } from "./format/record-texts.ts";
import { score, userDistance, type Metric } from "./kernel/metric.ts";
import type { BrainyRecord, Hit, JsonObject, RecordPart } from "./types.ts";

/** A stored record in the shape that users get, with the parts that they asked for. */
export function presentRecord<Metadata = JsonObject>(
  record: StoredRecord,
  include: ReadonlySet<RecordPart>,
): BrainyRecord<Metadata> {
  const { type, domain, expiresAtMs } = record.attributes;
  const wantsContent = include.has("data") || include.has("text");
  const content: RecordContent = wantsContent && record.content !== "" ? parseContent(record) : {};
  return {
    id: record.id,
    ...(include.has("vector") && record.vector !== undefined && { vector: record.vector }),
    metadata: (include.has("metadata")
      ? parseRecordText(record.metadata, "metadata", record)
      : {}) as Metadata,
    ...(include.has("data") && "data" in content && { data: content.data }),
    ...(include.has("text") && content.text !== undefined && { text: content.text }),
    ...(type !== undefined && { type }),
    ...(domain !== undefined && { domain }),
    ...(expiresAtMs !== undefined && { expiresAt: new Date(expiresAtMs).toISOString() }),
    version: record.version,
  };
}

/** A record found, with how near it is. */
export function presentHit<Metadata = JsonObject>(
  record: StoredRecord,
  options: {
    readonly include: ReadonlySet<RecordPart>;
    readonly metric: Metric;
    readonly ordering: number;
  },
): Hit<Metadata> {
  const { include, metric, ordering } = options;
  const { id, ...rest } = presentRecord<Metadata>(record, include);
  return { id, score: score(metric, ordering), distance: userDistance(metric, ordering), ...rest };
}
