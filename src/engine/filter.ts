import { unreachable } from "../base/assert.ts";
import type { Alternatives, FilterNode, FilterTest, JsonValue } from "./filter-node.ts";
import { parseFilter } from "./filter-parse.ts";
import { pathReader } from "./filter-path.ts";
import type { FilterRecord } from "./filter-types.ts";

/** A filter that was checked once and is ready to run on many records. */
export interface CompiledFilter {
  /** The checked filter, for planners that look for conditions an index can answer. */
  readonly node: FilterNode;
  /** Equal for filters that keep the same records by construction: a key for caches. */
  readonly key: string;
  /** Whether the record is kept. Reads own properties only, and changes nothing. */
  matches(record: FilterRecord): boolean;
}

type RecordPredicate = (record: FilterRecord) => boolean;
type ValuePredicate = (value: unknown) => boolean;

/**
 * Checks a filter and turns it into closures, once.
 *
 * @throws BrainyError `BRAINY_INVALID_ARGUMENT` that names the path of what is wrong.
 *
 * @example
 * ```ts
 * const cheap = compileFilter({ price: { $lt: 20 }, tags: { $contains: "red" } });
 * cheap.matches({ id: "a", metadata: { price: 12, tags: ["red", "round"] } }); // true
 * ```
 */
export function compileFilter(filter: unknown): CompiledFilter {
  const node = parseFilter(filter);
  let key: string | undefined;
  return {
    node,
    // Made on demand: a filter with 10,000 values has a long one, and most are never cached.
    get key(): string {
      return (key ??= JSON.stringify(node));
    },
    matches: compileNode(node),
  };
}

function compileNode(node: FilterNode): RecordPredicate {
  switch (node.kind) {
    case "and": {
      const all = node.nodes.map(compileNode);
      return (record) => {
        for (const matches of all) if (!matches(record)) return false;
        return true;
      };
    }
    case "or": {
      const any = node.nodes.map(compileNode);
      return (record) => {
        for (const matches of any) if (matches(record)) return true;
        return false;
      };
    }
    case "not": {
      const matches = compileNode(node.node);
      return (record) => !matches(record);
    }
    case "test": {
      const read = pathReader(node.path);
      const accept = compileTest(node.test);
      return (record) => read(record, accept);
    }
    default:
      return unreachable(node);
  }
}

function compileTest(test: FilterTest): ValuePredicate {
  switch (test.operator) {
    case "exists":
      return () => true;
    case "in":
      return compileEquality(test.values);
    case "startsWith":
      return (value) => typeof value === "string" && value.startsWith(test.prefix);
    case "containsAny": {
      const any = test.values.map(compileContains);
      return (value) => isContainer(value) && any.some((contains) => contains(value));
    }
    case "containsAll": {
      const all = test.values.map(compileContains);
      return (value) => isContainer(value) && all.every((contains) => contains(value));
    }
    default:
      return compileOrder(test);
  }
}

/** Strings and numbers are never equal, so one set holds values of all simple types. */
function compileEquality(values: readonly JsonValue[]): ValuePredicate {
  const simple = new Set<unknown>();
  const composite: JsonValue[] = [];
  for (const value of values) {
    if (typeof value === "object" && value !== null) composite.push(value);
    else simple.add(value);
  }
  if (composite.length > 0) {
    return (value) => simple.has(value) || composite.some((one) => equalJson(one, value));
  }
  if (values.length === 1) {
    const [only] = values;
    return (value) => value === only;
  }
  return (value) => simple.has(value);
}

function compileContains(alternatives: Alternatives): (container: string | unknown[]) => boolean {
  const isEqual = compileEquality(alternatives);
  const [part] = alternatives;
  return (container) => {
    if (typeof container !== "string") return container.some(isEqual);
    return typeof part === "string" && container.includes(part);
  };
}

function isContainer(value: unknown): value is string | unknown[] {
  return typeof value === "string" || Array.isArray(value);
}

function compileOrder(
  test: Extract<FilterTest, { readonly operator: "gt" | "gte" | "lt" | "lte" }>,
): ValuePredicate {
  const { operator, number, string } = test;
  // A value of another type than the bound has no limit to be compared with, and does not match.
  const bound = (value: unknown): string | number | undefined =>
    typeof value === "number" ? number : typeof value === "string" ? string : undefined;
  const ordered =
    (holds: (value: string | number, limit: string | number) => boolean): ValuePredicate =>
    (value) => {
      const limit = bound(value);
      return limit !== undefined && holds(value as string | number, limit);
    };
  switch (operator) {
    case "gt":
      return ordered((value, limit) => value > limit);
    case "gte":
      return ordered((value, limit) => value >= limit);
    case "lt":
      return ordered((value, limit) => value < limit);
    case "lte":
      return ordered((value, limit) => value <= limit);
    default:
      return unreachable(operator);
  }
}

/** Same JSON: objects regardless of the order of their keys, arrays in order. */
function equalJson(a: JsonValue, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((element: JsonValue, i) => equalJson(element, b[i]));
  }
  if (Array.isArray(b)) return false;
  const entries: [string, JsonValue][] = Object.entries(a);
  if (entries.length !== Object.keys(b).length) return false;
  return entries.every(
    ([key, inner]) =>
      Object.hasOwn(b, key) && equalJson(inner, (b as Record<string, unknown>)[key]),
  );
}
