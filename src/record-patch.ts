import { invalid } from "./base/errors.ts";
import { refuseUnknownKeys } from "./base/nearest-name.ts";
import type { DraftBatch } from "./engine/database.ts";
import type { Draft } from "./format/operation.ts";
import { visibleRecord } from "./engine/record-state.ts";
import type { StoredRecord } from "./engine/records.ts";
import {
  checkExpiresAt,
  checkMetadata,
  checkRecordSize,
  checkVector,
} from "./engine/record-input.ts";
import type { Attributes } from "./format/operation.ts";
import { parseContent } from "./format/record-texts.ts";
import type { Version } from "./format/version.ts";
import type { Metric } from "./kernel/metric.ts";
import { encodeContent, textToEmbed } from "./record-encoder.ts";
import type { JsonObject, RecordChanges, VectorInput } from "./types.ts";

const CHANGE_KEYS = ["metadata", "text", "data", "vector", "type", "domain", "expiresAt"] as const;
const OVERHEAD_BYTES = 64;

/** What `update` was asked for, and what it is asked on. */
export interface PatchInput {
  /** As its author sees it now. */
  readonly before: StoredRecord;
  /** Given where the whole record is written instead: all versions that its author has read. */
  readonly seen?: readonly Version[] | undefined;
  readonly changes: RecordChanges;
  readonly rules: { readonly dimensions: number | undefined; readonly metric: Metric };
  readonly embed: (text: string) => Promise<VectorInput>;
}

/**
 * The patch that `update` writes. Vector, data and text are one field: when any of them changes
 * all three are written, so that a late patch never pairs one author's text with another's vector.
 */
export async function patchDraft({
  before,
  seen,
  changes,
  rules,
  embed,
}: PatchInput): Promise<DraftBatch> {
  refuseUnknownKeys(changes, CHANGE_KEYS, "changes");
  if (Object.keys(changes).length === 0) throw invalid("update: no change was given");
  const { set, unset } = splitMetadata(changes.metadata);
  const content = await patchContent({ before, changes, rules, embed });
  const attributes = patchAttributes(changes, unset);
  const patch: Draft = {
    kind: "patch",
    id: before.id,
    ...content,
    ...(set !== undefined && { metadata: set }),
    ...(attributes !== undefined && { attributes }),
    seen: [before.version],
  };
  const draft = seen === undefined ? patch : wholeDraft(before, patch, seen);
  const { vector, content: text = "", metadata = "" } = draft;
  const bytes = (vector?.byteLength ?? 0) + text.length + metadata.length;
  checkRecordSize(bytes);
  return { drafts: [draft], bytes: bytes + OVERHEAD_BYTES };
}

/** The record as a patch leaves it. */
function wholeDraft(before: StoredRecord, patch: Draft, seen: readonly Version[]): Draft {
  const { version } = before;
  const base = { ...before, kind: "put" as const };
  const whole = visibleRecord({ base, patches: [{ ...patch, version }] })!;
  const { id, vector, content, metadata, attributes } = whole;
  return { kind: "put", id, vector, content, metadata, attributes, seen };
}

function splitMetadata(metadata: unknown): {
  readonly set: string | undefined;
  readonly unset: readonly string[];
} {
  if (metadata === undefined) return { set: undefined, unset: [] };
  // Refuses what is no plain object before its keys are looked at.
  const set = checkMetadata(metadata);
  const unset = Object.entries(metadata as JsonObject)
    .filter(([, value]) => value === undefined)
    .map(([key]) => key);
  return { set: set === "{}" ? undefined : set, unset };
}

async function patchContent({
  before,
  changes,
  rules,
  embed,
}: PatchInput): Promise<
  { readonly vector: Float32Array | undefined; readonly content: string } | undefined
> {
  const { text, data, vector } = changes;
  if (text === undefined && data === undefined && vector === undefined) return undefined;
  if (text !== undefined && typeof text !== "string") throw invalid("text must be a string");
  const old = before.content === "" ? {} : parseContent(before);
  const next = { data: data ?? old.data, text: text ?? old.text };
  const changed = vector ?? (await embed(textToEmbed(next.text, next.data)));
  return { vector: checkVector(changed, rules), content: encodeContent(next.data, next.text) };
}

function patchAttributes(changes: RecordChanges, unset: readonly string[]): Attributes | undefined {
  const clear: ("type" | "domain" | "expiresAtMs")[] = [];
  const set: { type?: string; domain?: string; expiresAtMs?: number } = {};
  for (const name of ["type", "domain"] as const) {
    if (!(name in changes)) continue;
    const value = changes[name];
    if (value === undefined) clear.push(name);
    else if (typeof value === "string" && value !== "" && value.length <= 256) set[name] = value;
    else throw invalid(`${name} must be a string of 1 to 256 characters`);
  }
  if ("expiresAt" in changes) {
    if (changes.expiresAt === undefined) clear.push("expiresAtMs");
    else set.expiresAtMs = checkExpiresAt(changes.expiresAt);
  }
  const attributes: Attributes = {
    ...set,
    ...(unset.length > 0 && { unset }),
    ...(clear.length > 0 && { clear }),
  };
  return Object.keys(attributes).length === 0 ? undefined : attributes;
}
