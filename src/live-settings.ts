import type { SettingChange } from "./cluster/config-change.ts";
import {
  CHANGEABLE_NAMES,
  type ChangeableName,
  type ChangeableSettings,
} from "./format/changeable-settings.ts";
import { CONFIG_KEY } from "./format/keys.ts";

/** Changeable settings with every default filled in; times in milliseconds. */
export interface EffectiveSettings {
  readonly heartbeatInterval: number;
  readonly instanceTimeout: number;
  /** `undefined`: as often as suits the store. */
  readonly pollInterval: number | undefined;
  readonly flushInterval: number;
  readonly compaction: boolean;
  readonly verbose: boolean;
}

const DEFAULTS: EffectiveSettings = {
  heartbeatInterval: 30_000,
  instanceTimeout: 60_000,
  pollInterval: undefined,
  flushInterval: 5_000,
  compaction: true,
  verbose: false,
};

/**
 * What is in force of the settings that may change while an instance runs:
 *
 *     overrides of the instance > its options > the shared document > defaults
 */
export class LiveSettings {
  readonly #given: ChangeableSettings;
  #overrides: ChangeableSettings = {};
  #values: EffectiveSettings;

  constructor(given: ChangeableSettings) {
    this.#given = given;
    this.#values = merge([given]);
  }

  get values(): EffectiveSettings {
    return this.#values;
  }

  use(documents: {
    readonly shared: ChangeableSettings;
    readonly overrides: ChangeableSettings;
  }): void {
    this.#overrides = documents.overrides;
    this.#values = merge([documents.overrides, this.#given, documents.shared]);
  }

  /** Changes of a document that something above it hides here. */
  hidden(document: {
    readonly source: string;
    readonly changes: readonly SettingChange[];
  }): readonly string[] {
    if (document.source !== CONFIG_KEY) return [];
    const above: ChangeableSettings = { ...this.#given, ...this.#overrides };
    return document.changes
      .map(({ name }) => name)
      .filter((name) => above[name as ChangeableName] !== undefined);
  }
}

/** The first one that says something wins. */
function merge(layers: readonly ChangeableSettings[]): EffectiveSettings {
  const merged: Record<string, unknown> = {};
  for (const name of CHANGEABLE_NAMES) {
    const layer = layers.find((one) => one[name] !== undefined) ?? DEFAULTS;
    merged[name] = layer[name];
  }
  return merged as unknown as EffectiveSettings;
}
