import type { JsonFields } from "./json-fields.ts";

/**
 * Settings that may change while instances run: of `_brainy/config.json` for all of a fleet, of
 * `_brainy/instances/<id>.json` for one. Each has the name and the meaning of the option.
 */
export interface ChangeableSettings {
  /** `distributed.heartbeatInterval`, ms. */
  readonly heartbeatInterval?: number | undefined;
  /** `distributed.instanceTimeout`, ms. */
  readonly instanceTimeout?: number | undefined;
  /** `pollInterval`, ms; 0 never looks. */
  readonly pollInterval?: number | undefined;
  /** `batching.flushInterval`, ms; of calls of `addMany` that begin after the change. */
  readonly flushInterval?: number | undefined;
  /** `compaction`: whether instances compact by themselves. */
  readonly compaction?: boolean | undefined;
  /** `logging.verbose`. */
  readonly verbose?: boolean | undefined;
}

/** The name of one of them. */
export type ChangeableName = keyof ChangeableSettings;

type Bounds = { readonly kind: "boolean" } | { readonly kind: "ms"; least: number; most: number };

/** What each may be; options are held to the same. */
export const CHANGEABLE = {
  heartbeatInterval: { kind: "ms", least: 1_000, most: 3_600_000 },
  instanceTimeout: { kind: "ms", least: 1_000, most: 86_400_000 },
  pollInterval: { kind: "ms", least: 0, most: 86_400_000 },
  flushInterval: { kind: "ms", least: 0, most: 3_600_000 },
  compaction: { kind: "boolean" },
  verbose: { kind: "boolean" },
} as const satisfies Record<ChangeableName, Bounds>;

/** In the order of the documentation. */
export const CHANGEABLE_NAMES = Object.keys(CHANGEABLE) as readonly ChangeableName[];

/** Those that are there, each checked; an error names the field. */
export function readChangeable(fields: JsonFields): ChangeableSettings {
  const read: Record<string, number | boolean> = {};
  for (const name of CHANGEABLE_NAMES) {
    if (!fields.has(name)) continue;
    const bounds = CHANGEABLE[name];
    read[name] =
      bounds.kind === "boolean"
        ? fields.boolean(name)
        : fields.integer(name, bounds.least, bounds.most);
  }
  return read;
}

/** The changeable ones of a wider object. */
export function pickChangeable(settings: ChangeableSettings): ChangeableSettings {
  const picked: Record<string, number | boolean> = {};
  for (const name of CHANGEABLE_NAMES) {
    const value = settings[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}
