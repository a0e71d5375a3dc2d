import { invalid } from "../base/errors.ts";
import type { ConfigSettings } from "../format/config.ts";
import { hashId, partitionOfHash } from "../format/hash-id.ts";

/** The partition of a record, by its id. */
export type Placement = (id: string) => number;

/** How this database places records: as `own` says, where that is the one it was made with. */
export function placementOf(settings: ConfigSettings, own: Placement | undefined): Placement {
  if (own !== undefined) return own;
  const { partitioner, partitionCount } = settings;
  if (partitioner === undefined) return (id) => partitionOfHash(hashId(id), partitionCount);
  throw invalid(
    `this database places records by the partitioner ${partitioner}: ` +
      "pass it as distributed.partitioner",
  );
}
