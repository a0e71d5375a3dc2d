// One query against many rows: a range, the set bits of a mask within a range, or a list.

import { distanceWide, dotFour, dotOne, squaredFour, squaredOne } from "./distance";
import { append, distanceAt, offerBest } from "./heap";
import { BEST, COSINE, EUCLIDEAN, Task } from "./task";

/** Scans the rows `[start, end)` that take part, into the entries of the task. */
export function scan(task: Task, start: u32, end: u32): void {
  let limit = task.limit;
  if (task.mode == BEST) {
    limit = task.size < task.capacity ? Infinity : distanceAt(task.entries, 0);
  }
  if (task.mask == 0) scanRun(task, start, end, limit);
  else scanMask(task, start, end, limit);
}

/** Distances of the `count` rows that `rows` lists, into `distances`. */
export function gather(task: Task, rows: usize, count: u32, distances: usize): void {
  let i: u32 = 0;
  for (; i + 4 <= count; i += 4) {
    const at = rows + (<usize>i << 2);
    const found = distanceFour(
      task, load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12),
    );
    v128.store(distances + (<usize>i << 2), found);
  }
  for (; i < count; i++) {
    const offset = <usize>i << 2;
    store<f32>(distances + offset, distanceOne(task, load<u32>(rows + offset)));
  }
}

@inline
function addressOf(task: Task, row: u32): usize {
  return task.vectors + <usize>row * task.strideBytes;
}

@inline
function inverseNormOf(task: Task, row: u32): f32 {
  return load<f32>(task.inverseNorms + (<usize>row << 2));
}

@inline
function distanceOne(task: Task, row: u32): f32 {
  const at = addressOf(task, row);
  let distance: f32;
  if (task.metric == EUCLIDEAN) {
    distance = squaredOne(task.query, at, task.strideBytes);
  } else {
    distance = dotOne(task.query, at, task.strideBytes);
    distance =
      task.metric == COSINE
        ? <f32>1 - distance * inverseNormOf(task, row) * task.queryInverse
        : -distance;
  }
  return finite(task, distance, at);
}

/** The distance; or, where it is not finite because float32 could not hold a step, the wide one. */
@inline
function finite(task: Task, distance: f32, at: usize): f32 {
  if (distance - distance == 0) return distance;
  return distanceWide(task.metric, task.query, at, task.strideBytes);
}

@inline
function distanceFour(task: Task, a: u32, b: u32, c: u32, d: u32): v128 {
  const query = task.query;
  const strideBytes = task.strideBytes;
  const atA = addressOf(task, a);
  const atB = addressOf(task, b);
  const atC = addressOf(task, c);
  const atD = addressOf(task, d);
  let found: v128;
  if (task.metric == EUCLIDEAN) {
    found = squaredFour(query, atA, atB, atC, atD, strideBytes);
  } else {
    found = dotFour(query, atA, atB, atC, atD, strideBytes);
    if (task.metric == COSINE) {
      const inverse = f32x4(
        inverseNormOf(task, a), inverseNormOf(task, b),
        inverseNormOf(task, c), inverseNormOf(task, d),
      );
      found = f32x4.sub(
        f32x4.splat(1),
        f32x4.mul(f32x4.mul(found, inverse), f32x4.splat(task.queryInverse)),
      );
    } else {
      found = f32x4.neg(found);
    }
  }
  if (v128.any_true(f32x4.sub(found, found))) {
    // `distanceOne` finds the same bits, and goes the wide way where it must.
    return f32x4(
      distanceOne(task, a), distanceOne(task, b), distanceOne(task, c), distanceOne(task, d),
    );
  }
  return found;
}

@inline
function offer(task: Task, distance: f32, row: u32, limit: f32): f32 {
  if (!(distance <= limit)) return limit;
  if (task.mode == BEST) return offerBest(task, distance, row);
  append(task, distance, row);
  return limit;
}

/** Contiguous rows: what `distanceOne` does, with the fields of the task read once. */
function scanRun(task: Task, start: u32, end: u32, limit: f32): f32 {
  const query = task.query;
  const strideBytes = task.strideBytes;
  const inverseNorms = task.inverseNorms;
  const metric = task.metric;
  const queryInverse = task.queryInverse;
  let at = addressOf(task, start);
  for (let row = start; row < end; row++) {
    let distance: f32;
    if (metric == EUCLIDEAN) {
      distance = squaredOne(query, at, strideBytes);
    } else {
      distance = dotOne(query, at, strideBytes);
      if (metric == COSINE) {
        distance = <f32>1 - distance * load<f32>(inverseNorms + (<usize>row << 2)) * queryInverse;
      } else {
        distance = -distance;
      }
    }
    // Not finite, or among the best: both are rare, and only they leave the loop.
    if (!(distance > limit) || distance == Infinity) {
      limit = offer(task, finite(task, distance, at), row, limit);
    }
    at += strideBytes;
  }
  return limit;
}

function offerFour(task: Task, a: u32, b: u32, c: u32, d: u32, limit: f32): f32 {
  const found = distanceFour(task, a, b, c, d);
  if (!v128.any_true(f32x4.le(found, f32x4.splat(limit)))) return limit;
  limit = offer(task, f32x4.extract_lane(found, 0), a, limit);
  limit = offer(task, f32x4.extract_lane(found, 1), b, limit);
  limit = offer(task, f32x4.extract_lane(found, 2), c, limit);
  return offer(task, f32x4.extract_lane(found, 3), d, limit);
}

function scanMask(task: Task, start: u32, end: u32, limit: f32): void {
  let waiting = 0;
  let a: u32 = 0;
  let b: u32 = 0;
  let c: u32 = 0;
  for (let base = start & ~31; base < end; base += 32) {
    let bits = load<u32>(task.mask + (<usize>base >> 3));
    // Bits outside of the range belong to other calls, or to nobody.
    if (base < start) bits &= <u32>-1 << (start - base);
    if (end - base < 32) bits &= (<u32>1 << (end - base)) - 1;
    if (bits == <u32>-1) {
      limit = scanRun(task, base, base + 32, limit);
      continue;
    }
    for (; bits != 0; bits &= bits - 1) {
      const row = base + ctz(bits);
      if (waiting == 0) a = row;
      else if (waiting == 1) b = row;
      else if (waiting == 2) c = row;
      else limit = offerFour(task, a, b, c, row, limit);
      waiting = (waiting + 1) & 3;
    }
  }
  if (waiting > 0) limit = offer(task, distanceOne(task, a), a, limit);
  if (waiting > 1) limit = offer(task, distanceOne(task, b), b, limit);
  if (waiting > 2) offer(task, distanceOne(task, c), c, limit);
}
