import { BrainyError, invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import { show } from "./option-checks.ts";
import type { Answer, Freshness } from "./engine/freshness.ts";
import type { Condition } from "./engine/condition.ts";
import { isVersion } from "./format/version.ts";
import type { ReadOptions, RecordPart, VersionConditionOptions } from "./types.ts";

/** Every part of a record that a caller may ask for. */
export const EVERY_PART: readonly RecordPart[] = ["metadata", "data", "text", "vector"];

/** Options of everything that reads. */
export const READ_KEYS = ["consistency", "maxStalenessMs", "onFreshness", "signal"] as const;
/** Options of `add`. */
export const ADD_KEYS = [
  "id",
  "type",
  "domain",
  "text",
  "vector",
  "expiresAt",
  "ifAbsent",
] as const;
/** How fresh a read is. */
export type ConsistencyLevel = NonNullable<ReadOptions["consistency"]>;
/** Options of `update`, and of `delete` with one id. */
export const CONDITION_KEYS = ["ifVersion"] as const;
const SEARCH_KEYS = ["k", "filter", "minScore", "include", "mode", ...READ_KEYS] as const;
const SEARCH_KEYS_LATER = new Set(["recallTarget", "efSearch", "nprobe", "domains", "explain"]);

/** Refuses what a search cannot do, by name. */
export function refuseUnknownSearch(options: object): void {
  const { mode = "vector" } = options as { mode?: unknown };
  const later = Object.keys(options).find((key) => SEARCH_KEYS_LATER.has(key));
  if (later !== undefined || mode === "text" || mode === "hybrid") {
    throw new BrainyError(
      "BRAINY_UNSUPPORTED",
      `search option ${later ?? `mode ${quote(String(mode))}`} is not available in this version`,
    );
  }
  if (mode !== "vector") throw invalid(`search: mode ${quote(String(mode))} is not 'vector'`);
  refuseUnknownKeys(options, SEARCH_KEYS, "options");
}

/** Every level, from the cheapest on. */
export const CONSISTENCY_LEVELS = ["eventual", "bounded", "strong"] as const;

/** How fresh a read has to be, by its options; `level` is for those that do not say. */
export function freshness(
  { consistency, maxStalenessMs = 5_000, signal, onFreshness }: ReadOptions,
  level: ConsistencyLevel,
): Freshness {
  if (!Number.isFinite(maxStalenessMs) || maxStalenessMs < 0) {
    throw invalid(`maxStalenessMs: ${String(maxStalenessMs)} is not a number of milliseconds`);
  }
  if (consistency !== undefined && !CONSISTENCY_LEVELS.includes(consistency)) {
    const levels = CONSISTENCY_LEVELS.join(", ");
    throw invalid(`consistency: ${show(consistency)} is none of ${levels}`);
  }
  const wanted = consistency ?? level;
  const onAnswer =
    onFreshness && ((answer: Answer) => onFreshness({ consistency: wanted, ...answer }));
  if (wanted === "bounded") return { level: wanted, maxStalenessMs, signal, onAnswer };
  return { level: wanted, signal, onAnswer };
}

/** An option that is `false` when it is left out. */
export function booleanOption(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === "boolean") return value === true;
  throw invalid(`${name}: ${JSON.stringify(value)} is not true or false`);
}

/** The condition of an `update` or `delete`; `undefined` when it has none. */
export function versionCondition(options: VersionConditionOptions): Condition | undefined {
  refuseUnknownKeys(options, CONDITION_KEYS, "options");
  const { ifVersion: version } = options;
  if (version === undefined) return undefined;
  if (!isVersion(version)) {
    throw invalid(`ifVersion: ${JSON.stringify(version)} is not the version of a record`);
  }
  return { kind: "version", version };
}

/** The parts of records that a caller wants. */
export function partsOf(
  include: readonly RecordPart[] | undefined,
  fallback: readonly RecordPart[],
): ReadonlySet<RecordPart> {
  for (const part of include ?? []) {
    if (EVERY_PART.includes(part)) continue;
    throw invalid(`include: ${quote(part)} is none of ${EVERY_PART.join(", ")}`);
  }
  return new Set(include ?? fallback);
}

/** Text in an error message, with its quotes. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
