import { BrainyError, corrupt } from "../base/errors.ts";
import type { Attributes } from "./operation.ts";

const CLEARABLE: ReadonlySet<unknown> = new Set(["type", "domain", "expiresAtMs"]);

/** JSON text, or `undefined` for none. */
export function encodeAttributes(attributes: Attributes | undefined): string | undefined {
  return attributes === undefined ? undefined : JSON.stringify(attributes);
}

/** Refuses keys it does not know: dropping one would change what the operation does. */
export function decodeAttributes(text: string, where: string): Attributes {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BrainyError("BRAINY_CORRUPT", `${where}: attributes are not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw corrupt(where, "attributes are not an object");
  }
  for (const [key, part] of Object.entries(value)) {
    if (!isAttribute(key, part)) throw corrupt(where, `attribute ${JSON.stringify(key)} is wrong`);
  }
  return value;
}

function isAttribute(key: string, value: unknown): boolean {
  switch (key) {
    case "type":
    case "domain":
      return typeof value === "string";
    case "expiresAtMs":
      return typeof value === "number" && Number.isFinite(value);
    case "unset":
      return Array.isArray(value) && value.every((name) => typeof name === "string");
    case "clear":
      return Array.isArray(value) && value.every((name) => CLEARABLE.has(name));
    default:
      return false;
  }
}
