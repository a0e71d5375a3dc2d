import { nearestName } from "../base/nearest-name.ts";
import { fixedDifference, type FixedDifference } from "../engine/fixed-settings.ts";
import { CHANGEABLE_NAMES, type ChangeableSettings } from "../format/changeable-settings.ts";
import { FIXED_SETTINGS, isSealedConfig, type ConfigDocument } from "../format/config.ts";
import type { InstanceView } from "./registry.ts";

/*
 * What a running instance makes of another `config.json` than the one it knows. This file decides
 * and does nothing else.
 *
 *   found ──► a fixed setting differs ──► refused: go on with what is known
 *        └──► nothing fixed differs ───► adopted ──► edited, or of an older version? written again
 *
 * Spec: docs/specs/shared-config.md.
 */

/** One setting of a document, before and after. Absent is not there: the default, or an option. */
export interface SettingChange {
  readonly name: string;
  readonly old?: unknown;
  readonly new?: unknown;
}

/** What to do with a document that was found. */
export type ConfigVerdict =
  | {
      readonly kind: "adopt";
      readonly changes: readonly SettingChange[];
      /** A person wrote it, or its version did not grow: whoever may write makes it ours again. */
      readonly mustRewrite: boolean;
    }
  | { readonly kind: "refuse"; readonly difference: FixedDifference };

/** Compares a document that decodes with the one that this process works with. */
export function judgeConfig(known: ConfigDocument, found: ConfigDocument): ConfigVerdict {
  const difference = fixedDifference(known.settings, found.settings);
  if (difference !== undefined) {
    return { kind: "refuse", difference };
  }
  const changes = changesBetween(known.settings, found.settings);
  const leastVersion = known.version + (changes.length > 0 ? 1 : 0);
  const mustRewrite = !isSealedConfig(found) || found.version < leastVersion;
  return { kind: "adopt", changes, mustRewrite };
}

/** Changeable settings that differ, and nothing else. */
export function changesBetween(
  before: ChangeableSettings,
  after: ChangeableSettings,
): readonly SettingChange[] {
  return CHANGEABLE_NAMES.filter((name) => before[name] !== after[name]).map((name) => ({
    name,
    ...(before[name] !== undefined && { old: before[name] }),
    ...(after[name] !== undefined && { new: after[name] }),
  }));
}

/** Settings that this version has no use for, with what each may be a slip of. */
export function unknownSettings(config: ConfigDocument): readonly string[] {
  const known: readonly string[] = [...FIXED_SETTINGS, ...CHANGEABLE_NAMES];
  return Object.keys(config.settings)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known);
      return nearest === undefined ? name : `${name} (meant is ${nearest}?)`;
    });
}

/** Whether the view for people says of somebody else, or something else of somebody. */
export function isViewOutdated(
  view: ConfigDocument["instances"],
  instances: Readonly<Record<string, InstanceView>>,
): boolean {
  const names = Object.keys(instances);
  if (names.length !== Object.keys(view).length) return true;
  return names.some((name) => {
    const shown = (view[name] ?? {}) as Partial<InstanceView>;
    const { role, status, endpoint } = instances[name]!;
    return shown.role !== role || shown.status !== status || shown.endpoint !== endpoint;
  });
}
