import { invalid } from "../base/errors.ts";
import type { Filter } from "../engine/filter-types.ts";
import type { RecordPart } from "../types.ts";

const PARTS: readonly RecordPart[] = ["metadata", "data", "text", "vector"];

/** Makes a parser of whole numbers from 1 on. */
export function wholeNumber(name: string, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
    throw invalid(`${name}: must be a whole number from 1 to ${most}, not ${JSON.stringify(text)}`);
  };
}

/** Makes a parser of finite numbers. */
export function finiteNumber(name: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value)) return value;
    throw invalid(`${name}: must be a number, not ${JSON.stringify(text)}`);
  };
}

/** Makes a parser of a choice. */
export function oneOf<T extends string>(name: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((each) => each === text);
    if (choice !== undefined) return choice;
    throw invalid(`${name}: must be one of ${choices.join(", ")}, not ${JSON.stringify(text)}`);
  };
}

/** `{"price":{"$lt":20}}`. What it says is checked by the engine. */
export function parseFilter(text: string): Filter {
  const value = parseJson("--filter", text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Filter;
  throw invalid(`--filter: must be a JSON object such as '{"type":"passage"}'`);
}

/** `[0.1,0.2]`. */
export function parseVector(text: string): readonly number[] {
  const value = parseJson("--vector", text);
  if (Array.isArray(value) && value.every((each) => typeof each === "number")) {
    return value;
  }
  throw invalid("--vector: must be a JSON array of numbers such as '[0.1,0.2]'");
}

/** `metadata,text`. */
export function parseInclude(text: string): readonly RecordPart[] {
  const parse = oneOf("--include", PARTS);
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parse);
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${name}: is not JSON (${(error as Error).message}); quote it for the shell`);
  }
}
