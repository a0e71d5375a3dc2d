import { invalid } from "../base/errors.ts";
import { scalarName } from "./filter-operand.ts";

/** The widest vectors the index is built for. */
export const DIMENSIONS_MAX = 4096;

/** What the database asks of every vector. */
export interface VectorRules {
  /** What every vector of the database has; absent until the first one fixes it. */
  readonly dimensions?: number | undefined;
  /** Under `cosine` a vector needs a direction, so the zero vector is refused. */
  readonly metric: string;
}

/** A vector as users give it, checked and copied: the result never shares their memory. */
export function checkVector(vector: unknown, rules: VectorRules): Float32Array {
  const copy = new Float32Array(checkLength(vector, rules));
  checkVectorInto(vector, { ...rules, dimensions: copy.length }, copy, 0);
  return copy;
}

/**
 * The same, copied to `start` of `target`, which has room: one allocation for many vectors is a
 * cheap one. What is there after an error means nothing.
 *
 * Finiteness is one sum over the copy: the sum of squares of any 4,096 finite float32 values is a
 * finite double, so it is finite exactly when they all are. Only a failure looks for the culprit.
 */
export function checkVectorInto(
  vector: unknown,
  rules: VectorRules & { readonly dimensions: number },
  target: Float32Array,
  start: number,
): void {
  const length = checkLength(vector, rules);
  if (isFloat32Array(vector)) target.set(vector, start);
  else copyNumbers(vector, target, start, length);
  const squares = sumOfSquares(target, start, start + length);
  if (!Number.isFinite(squares)) throw culprit(vector as ArrayLike<number>);
  if (squares === 0 && rules.metric === "cosine") {
    throw invalid("vector: is zero everywhere, so it has no direction to compare by cosine");
  }
}

function checkLength(vector: unknown, { dimensions }: VectorRules): number {
  const length = vectorLength(vector);
  if (length === 0) throw invalid("vector: is empty");
  if (dimensions !== undefined && length !== dimensions) {
    throw invalid(`vector: has ${length} dimensions, this database has ${dimensions}`);
  }
  if (length > DIMENSIONS_MAX) {
    throw invalid(`vector: has ${length} dimensions, at most ${DIMENSIONS_MAX} are supported`);
  }
  return length;
}

function vectorLength(vector: unknown): number {
  if (isFloat32Array(vector) || Array.isArray(vector)) return vector.length;
  const advice = ArrayBuffer.isView(vector) ? "; Float32Array.from(vector) makes one" : "";
  throw invalid(
    `vector: must be a Float32Array or an array of numbers, not ${scalarName(vector)}${advice}`,
  );
}

/** By tag and not by `instanceof`, so that arrays of another realm count too. */
function isFloat32Array(value: unknown): value is Float32Array {
  return (
    value instanceof Float32Array ||
    (ArrayBuffer.isView(value) &&
      (value as Partial<Float32Array>)[Symbol.toStringTag] === "Float32Array")
  );
}

function copyNumbers(vector: unknown, target: Float32Array, start: number, length: number): void {
  const numbers = vector as readonly unknown[];
  for (let i = 0; i < length; i++) {
    const value = numbers[i];
    if (typeof value !== "number") {
      throw invalid(`vector[${i}]: is ${scalarName(value)}, not a number`);
    }
    target[start + i] = value;
  }
}

function sumOfSquares(values: Float32Array, start: number, end: number): number {
  const wholeEnd = end - ((end - start) % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  // Four sums, because one would wait for each addition before it starts the next.
  for (let i = start; i < wholeEnd; i += 4) {
    const p = values[i] as number;
    const q = values[i + 1] as number;
    const r = values[i + 2] as number;
    const s = values[i + 3] as number;
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (let i = wholeEnd; i < end; i++) a += (values[i] as number) * (values[i] as number);
  return a + b + c + d;
}

function culprit(vector: ArrayLike<number>): Error {
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] as number;
    if (!Number.isFinite(value)) return invalid(`vector[${i}]: is ${value}, not a finite number`);
    if (!Number.isFinite(Math.fround(value))) {
      return invalid(`vector[${i}]: ${value} is too large for a 32-bit float`);
    }
  }
  return invalid("vector: changed while it was read");
}
