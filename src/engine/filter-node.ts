import type { FilterPath } from "./filter-path.ts";

/** A value to compare with, made of plain JSON. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * What one operand is equal to: one value, or for a `Date` its ISO string and its milliseconds.
 * Never empty.
 */
export type Alternatives = readonly JsonValue[];

/** One operator on one path. Negated operators are a `not` around their positive form. */
export type FilterTest =
  | { readonly operator: "in"; readonly values: readonly JsonValue[] }
  | {
      readonly operator: "gt" | "gte" | "lt" | "lte";
      /** The bound for stored numbers; absent when only strings can match. */
      readonly number?: number | undefined;
      /** The bound for stored strings, by UTF-16 code units; absent when only numbers can match. */
      readonly string?: string | undefined;
    }
  | { readonly operator: "exists" }
  | { readonly operator: "containsAny" | "containsAll"; readonly values: readonly Alternatives[] }
  | { readonly operator: "startsWith"; readonly prefix: string };

/**
 * A filter that has been checked: what closures are compiled from, and what a planner reads.
 * `and` of nothing is every record, `or` of nothing is none.
 */
export type FilterNode =
  | { readonly kind: "and" | "or"; readonly nodes: readonly FilterNode[] }
  | { readonly kind: "not"; readonly node: FilterNode }
  | { readonly kind: "test"; readonly path: FilterPath; readonly test: FilterTest };
