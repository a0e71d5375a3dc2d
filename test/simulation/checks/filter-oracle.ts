import { randomInteger, type Random } from "../../../src/base/random.ts";

/*
 * Filters on what the simulation writes, and what they keep, by the words of docs/guide/filters.md.
 * Shares no code with the engine.
 */

/** A filter as a user writes it. */
export type Filter = Readonly<Record<string, unknown>>;

/** What a filter is asked about. */
export interface Filtered {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Values that records have in their tags. */
export const TAGS: readonly string[] = ["red", "green", "blue"];

/** One to three conditions, alone or put together. */
export function randomFilter(random: Random): Filter {
  const dice = randomInteger(random, 10);
  if (dice < 6) return condition(random);
  const parts = Array.from({ length: 1 + randomInteger(random, 3) }, () => condition(random));
  if (dice < 7) return { $not: condition(random) };
  return dice < 8 ? { $and: parts } : { $or: parts };
}

function condition(random: Random): Filter {
  const number = (): number => randomInteger(random, 4);
  const tag = (): string => TAGS[randomInteger(random, TAGS.length)]!;
  const key = `k${randomInteger(random, 3)}`;
  const conditions: readonly (() => Filter)[] = [
    () => ({ n: number() }),
    () => ({ n: { $ne: number() } }),
    () => ({ n: { $gte: number(), $lt: number() } }),
    () => ({ n: { $in: [number(), number()] } }),
    () => ({ n: { $nin: [number()] } }),
    () => ({ [key]: { $exists: random.next() < 0.5 } }),
    () => ({ "deep.n": { $gt: number() } }),
    () => ({ "deep.n": { $lte: number() } }),
    () => ({ tags: { $contains: tag() } }),
    () => ({ tags: { $containsAny: [tag(), tag()] } }),
    () => ({ tags: { $containsAll: [tag(), tag()] } }),
    () => ({ [key]: { $startsWith: `token-${1 + number()}` } }),
    () => ({ id: { $in: [`r${number()}`, `c${number()}`, `r1${number()}`] } }),
  ];
  return conditions[randomInteger(random, conditions.length)]!();
}

/** Whether a filter keeps a record. */
export function keeps(filter: Filter, record: Filtered): boolean {
  return Object.entries(filter).every(([path, wanted]) => {
    const filters = wanted as readonly Filter[];
    if (path === "$and") return filters.every((one) => keeps(one, record));
    if (path === "$or") return filters.some((one) => keeps(one, record));
    if (path === "$not") return !keeps(wanted as Filter, record);
    const value = path === "id" ? record.id : valueAt(record.metadata, path);
    if (typeof wanted !== "object") return value === wanted;
    return Object.entries(wanted as object).every(([operator, operand]) =>
      holds(operator, operand, value),
    );
  });
}

function valueAt(metadata: Filtered["metadata"], path: string): unknown {
  let value: unknown = metadata;
  for (const name of path.split("."))
    value = (value as Record<string, unknown> | undefined)?.[name];
  return value;
}

function holds(operator: string, operand: unknown, value: unknown): boolean {
  const list = operand as readonly unknown[];
  const bound = operand as number;
  const has = (one: unknown): boolean => Array.isArray(value) && value.includes(one);
  switch (operator) {
    case "$ne":
      return value !== operand;
    case "$gt":
      return typeof value === "number" && value > bound;
    case "$gte":
      return typeof value === "number" && value >= bound;
    case "$lt":
      return typeof value === "number" && value < bound;
    case "$lte":
      return typeof value === "number" && value <= bound;
    case "$in":
      return list.includes(value);
    case "$nin":
      return !list.includes(value);
    case "$exists":
      return (value !== undefined) === operand;
    case "$contains":
      return has(operand);
    case "$containsAny":
      return list.some(has);
    case "$containsAll":
      return list.every(has);
    case "$startsWith":
      return typeof value === "string" && value.startsWith(operand as string);
    default:
      throw new Error(`no such operator here: ${operator}`);
  }
}
