import { BrainyError, corrupt } from "../base/errors.ts";
import { parseLane, parseVersion } from "./version.ts";
import type { LaneId, Version } from "./version.ts";

/** The cause of an error about one field of a document, for those who tell of it in parts. */
export interface WrongField {
  /** Its path. */
  readonly field: string;
  /** `undefined`: it is absent. */
  readonly is: unknown;
  readonly wanted: string;
}

/** Levels of a document: ours have six. What is much deeper can be parsed, but not written again. */
const DEPTH_MAX = 64;

/** Text out of a store, parsed; anything but JSON of at most 64 levels is corruption of `where`. */
export function parseJson(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BrainyError("BRAINY_CORRUPT", `${where}: not JSON: ${reason}`, { cause });
  }
  if (isDeeper(value, DEPTH_MAX)) throw corrupt(where, `has more than ${DEPTH_MAX} levels`);
  return value;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1));
}

/**
 * An object out of a store, read field by field. Each getter either returns a value of its type
 * or throws `BRAINY_CORRUPT` with the object's key, the path of the field and what is there.
 */
export class JsonFields {
  readonly value: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #path: string;

  constructor(value: unknown, where: string, path = "") {
    this.#where = where;
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw corrupt(where, `${path === "" ? "the document" : path} must be an object`);
    }
    this.value = value as Record<string, unknown>;
  }

  /** `path.name`, for messages. */
  path(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  string(name: string): string {
    const value = this.#get(name);
    return typeof value === "string" ? value : this.fail(name, "a string");
  }

  nonEmpty(name: string): string {
    const value = this.#get(name);
    return typeof value === "string" && value !== ""
      ? value
      : this.fail(name, "a non-empty string");
  }

  matching(name: string, pattern: RegExp, wanted: string): string {
    const value = this.#get(name);
    return typeof value === "string" && pattern.test(value) ? value : this.fail(name, wanted);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    const found = choices.find((choice) => choice === this.#get(name));
    return found ?? this.fail(name, choices.map((choice) => JSON.stringify(choice)).join(" or "));
  }

  /** A whole number in `[least, most]`. */
  integer(name: string, least = 0, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
      return value as number;
    }
    const upTo = most === Number.MAX_SAFE_INTEGER ? "up" : `to ${most}`;
    return this.fail(name, `a whole number from ${least} ${upTo}`);
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  version(name: string): Version {
    return parseVersion(this.#get(name), `${this.#where}: ${this.path(name)}`);
  }

  lane(name: string): LaneId {
    return parseLane(this.#get(name), `${this.#where}: ${this.path(name)}`);
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), this.#where, this.path(name));
  }

  objects(name: string): JsonFields[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) return this.fail(name, "a list");
    return value.map((item, i) => new JsonFields(item, this.#where, `${this.path(name)}[${i}]`));
  }

  strings(name: string): string[] {
    const value = this.#get(name);
    const isStrings = Array.isArray(value) && value.every((item) => typeof item === "string");
    return isStrings ? value : this.fail(name, "a list of strings");
  }

  /** Throws that the field must be `wanted`, showing what it is. */
  fail(name: string, wanted: string): never {
    const value = this.#get(name);
    const shown = value === undefined ? "absent" : JSON.stringify(value).slice(0, 60);
    const field = this.path(name);
    const cause: WrongField = { field, is: value, wanted };
    const message = `${this.#where}: ${field} must be ${wanted}, it is ${shown}`;
    throw new BrainyError("BRAINY_CORRUPT", message, { cause });
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.value, name) ? this.value[name] : undefined;
  }
}
