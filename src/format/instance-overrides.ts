import { corrupt } from "../base/errors.ts";
import { nearestName } from "../base/nearest-name.ts";
import { decodeRow } from "./blob-column.ts";
import {
  CHANGEABLE_NAMES,
  readChangeable,
  type ChangeableSettings,
} from "./changeable-settings.ts";
import { JsonFields, parseJson } from "./json-fields.ts";

/** `_brainy/instances/<id>.json`: what an operator wants of one instance. Never written by us. */
export interface InstanceOverrides extends ChangeableSettings {
  /** Applies when the instance starts. */
  readonly role?: "writer" | "reader" | "hybrid" | undefined;
}

const ROLES = ["writer", "reader", "hybrid"] as const;

const NAMES: readonly string[] = ["role", ...CHANGEABLE_NAMES];

/** Checks every field, and refuses unknown ones: nobody else has a use for them. */
export function decodeOverrides(bytes: Uint8Array, where: string): InstanceOverrides {
  const text = decodeRow(bytes, where).replace(/^\uFEFF/, "");
  const fields = new JsonFields(parseJson(text, where), where);
  for (const name of Object.keys(fields.value)) {
    if (NAMES.includes(name)) continue;
    const nearest = nearestName(name, NAMES);
    const advice = nearest === undefined ? `known are ${NAMES.join(", ")}` : `meant is ${nearest}?`;
    throw corrupt(where, `${name} is nothing that one instance can be told; ${advice}`);
  }
  const settings = readChangeable(fields);
  if (!fields.has("role")) return settings;
  return { ...settings, role: fields.oneOf("role", ROLES) };
}
