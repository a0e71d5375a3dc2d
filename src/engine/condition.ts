import { BrainyError } from "../base/errors.ts";
import type { Draft } from "../format/operation.ts";
import type { Version } from "../format/version.ts";

/** What must hold of a record for an operation on it to be done. */
export type Condition =
  | { readonly kind: "absent" }
  /** The version that readers see is this one. */
  | { readonly kind: "version"; readonly version: Version };

/** One operation, on the record with this id, and what must hold of that. */
export interface ConditionalBatch {
  readonly id: string;
  readonly condition: Condition;
  /** One draft, and about how many bytes it will take. */
  readonly batch: { readonly drafts: readonly Draft[]; readonly bytes: number };
}

/** Throws `BRAINY_CONFLICT`, which names what is there instead. */
export function checkCondition(
  id: string,
  condition: Condition,
  present: Version | undefined,
): void {
  const record = JSON.stringify(id);
  if (condition.kind === "absent") {
    if (present === undefined) return;
    const what = `there is a record with id ${record} already, with version ${present}`;
    throw new BrainyError("BRAINY_CONFLICT", what);
  }
  if (present === condition.version) return;
  const what =
    present === undefined
      ? `there is no record with id ${record}, wanted version ${condition.version}`
      : `record ${record} has version ${present}, not ${condition.version}`;
  throw new BrainyError("BRAINY_CONFLICT", `${what}: read it again`);
}
