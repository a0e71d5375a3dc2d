import { invalid } from "../base/errors.ts";
import { nearestName } from "../base/nearest-name.ts";
import type { FilterNode, FilterTest } from "./filter-node.ts";
import { operandArray, orderedOperand, readOperand, scalarName } from "./filter-operand.ts";
import { parsePath } from "./filter-path.ts";
import type { FilterPath } from "./filter-path.ts";
import { isPlainObject } from "./plain-object.ts";

/** `$and`, `$or` and `$not` inside each other. Deeper ones are made by a loop that went wrong. */
const LEVELS_MAX = 32;

const LOGIC = ["$and", "$or", "$not"] as const;

/** Builds the test of one operator; a negated one wraps it in `not`. */
type OperatorParser = (path: FilterPath, operand: unknown, where: string) => FilterNode;

const OPERATORS: Readonly<Record<string, OperatorParser>> = {
  $eq: (path, operand, where) => equality(path, operand, where),
  $ne: (path, operand, where) => not(equality(path, operand, where)),
  $gt: (path, operand, where) => order(path, "gt", operand, where),
  $gte: (path, operand, where) => order(path, "gte", operand, where),
  $lt: (path, operand, where) => order(path, "lt", operand, where),
  $lte: (path, operand, where) => order(path, "lte", operand, where),
  $in: (path, operand, where) => membership(path, operand, where),
  $nin: (path, operand, where) => not(membership(path, operand, where)),
  $exists(path, operand, where) {
    if (typeof operand !== "boolean") {
      throw invalid(`${where}: $exists takes true or false, not ${scalarName(operand)}`);
    }
    const exists = test(path, { operator: "exists" });
    return operand ? exists : not(exists);
  },
  $contains: (path, operand, where) =>
    test(path, { operator: "containsAny", values: [readOperand(operand, where)] }),
  $containsAny: (path, operand, where) => containment(path, "containsAny", operand, where),
  $containsAll: (path, operand, where) => containment(path, "containsAll", operand, where),
  $startsWith(path, operand, where) {
    if (typeof operand !== "string") {
      throw invalid(`${where}: $startsWith takes a string, not ${scalarName(operand)}`);
    }
    return test(path, { operator: "startsWith", prefix: operand });
  },
};

/** Checks a filter from a user and brings it into its normal form. */
export function parseFilter(filter: unknown): FilterNode {
  return parseLevel(filter, "filter", 1);
}

function parseLevel(filter: unknown, where: string, level: number): FilterNode {
  if (level > LEVELS_MAX) {
    throw invalid(`${where}: a filter is nested over ${LEVELS_MAX} levels`);
  }
  if (!isPlainObject(filter)) {
    throw invalid(`${where}: a filter is a plain object, not ${scalarName(filter)}`);
  }
  refuseSymbols(filter, where);
  const nodes: FilterNode[] = [];
  for (const [key, value] of Object.entries(filter)) {
    const inner = `${where}.${key}`;
    if (key === "$and" || key === "$or") {
      nodes.push(parseList(key, value, inner, level));
    } else if (key === "$not") {
      nodes.push(not(parseLevel(value, inner, level + 1)));
    } else if (key.startsWith("$")) {
      throw unknownOperator(key, where);
    } else {
      nodes.push(parseField(key, value, inner));
    }
  }
  return and(nodes);
}

function parseList(key: "$and" | "$or", value: unknown, where: string, level: number): FilterNode {
  if (!Array.isArray(value)) {
    throw invalid(`${where}: ${key} takes an array of filters, not ${scalarName(value)}`);
  }
  if (value.length === 0) {
    throw invalid(`${where}: ${key} takes at least one filter`);
  }
  const filters = Array.from(value as readonly unknown[]);
  const nodes = filters.map((inner, i) => parseLevel(inner, `${where}[${i}]`, level + 1));
  return key === "$and" ? and(nodes) : { kind: "or", nodes };
}

function parseField(field: string, condition: unknown, where: string): FilterNode {
  const path = parsePath(field, where);
  if (!isPlainObject(condition)) return equality(path, condition, where);
  refuseSymbols(condition, where);
  const entries = Object.entries(condition);
  if (entries.length === 0) {
    throw invalid(`${where}: no operator; to match an empty object write { $eq: {} }`);
  }
  const operatorCount = entries.filter(([key]) => key.startsWith("$")).length;
  if (operatorCount === 0) return equality(path, condition, where);
  if (operatorCount < entries.length) {
    throw invalid(
      `${where}: operators and plain keys are mixed; use dotted paths for inner fields`,
    );
  }
  return and(
    entries.map(([operator, operand]) => {
      const parse = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
      if (parse === undefined) throw unknownOperator(operator, where);
      return parse(path, operand, `${where}.${operator}`);
    }),
  );
}

function unknownOperator(operator: string, where: string): Error {
  if ((LOGIC as readonly string[]).includes(operator)) {
    return invalid(`${where}: ${operator} goes around whole filters: { ${operator}: … field … }`);
  }
  if (Object.hasOwn(OPERATORS, operator)) {
    return invalid(`${where}: ${operator} needs a field: { field: { ${operator}: … } }`);
  }
  const known = [...Object.keys(OPERATORS), ...LOGIC];
  const nearest = nearestName(operator, known);
  const advice = nearest === undefined ? `known: ${known.join(" ")}` : `did you mean ${nearest}?`;
  return invalid(`${where}: unknown operator ${JSON.stringify(operator)}; ${advice}`);
}

function refuseSymbols(object: object, where: string): void {
  if (Object.getOwnPropertySymbols(object).length > 0) {
    throw invalid(`${where}: a filter has no symbol keys`);
  }
}

function equality(path: FilterPath, operand: unknown, where: string): FilterNode {
  return test(path, { operator: "in", values: readOperand(operand, where) });
}

function membership(path: FilterPath, operand: unknown, where: string): FilterNode {
  return test(path, { operator: "in", values: operandArray(operand, where).flat() });
}

function containment(
  path: FilterPath,
  operator: "containsAny" | "containsAll",
  operand: unknown,
  where: string,
): FilterNode {
  return test(path, { operator, values: operandArray(operand, where) });
}

function order(
  path: FilterPath,
  operator: "gt" | "gte" | "lt" | "lte",
  operand: unknown,
  where: string,
): FilterNode {
  return test(path, { operator, ...orderedOperand(operand, where) });
}

function test(path: FilterPath, of: FilterTest): FilterNode {
  return { kind: "test", path, test: of };
}

function not(node: FilterNode): FilterNode {
  return node.kind === "not" ? node.node : { kind: "not", node };
}

function and(nodes: readonly FilterNode[]): FilterNode {
  return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { kind: "and", nodes };
}
