// The best entries so far, as a max-heap: the worst is at the root, where it is replaced. Entries
// are ordered by distance, then by row, so that the result depends on the rows alone and never on
// the order in which they came.

import { Task } from "./task";

@inline
function worse(distance: f32, row: u32, otherDistance: f32, otherRow: u32): bool {
  return distance > otherDistance || (distance == otherDistance && row > otherRow);
}

@inline
function put(entries: usize, index: i32, distance: f32, row: u32): void {
  const at = entries + (<usize>index << 3);
  store<f32>(at, distance);
  store<u32>(at, row, 4);
}

@inline
export function distanceAt(entries: usize, index: i32): f32 {
  return load<f32>(entries + (<usize>index << 3));
}

@inline
function rowAt(entries: usize, index: i32): u32 {
  return load<u32>(entries + (<usize>index << 3), 4);
}

function siftUp(entries: usize, index: i32, distance: f32, row: u32): void {
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const parentDistance = distanceAt(entries, parent);
    const parentRow = rowAt(entries, parent);
    if (!worse(distance, row, parentDistance, parentRow)) break;
    put(entries, index, parentDistance, parentRow);
    index = parent;
  }
  put(entries, index, distance, row);
}

function siftDown(entries: usize, size: i32, distance: f32, row: u32): void {
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= size) break;
    let childDistance = distanceAt(entries, child);
    let childRow = rowAt(entries, child);
    if (child + 1 < size) {
      const otherDistance = distanceAt(entries, child + 1);
      const otherRow = rowAt(entries, child + 1);
      if (worse(otherDistance, otherRow, childDistance, childRow)) {
        child++;
        childDistance = otherDistance;
        childRow = otherRow;
      }
    }
    if (!worse(childDistance, childRow, distance, row)) break;
    put(entries, index, childDistance, childRow);
    index = child;
  }
  put(entries, index, distance, row);
}

/** Takes the entry if it is among the best. Returns the distance above which none is any more. */
export function offerBest(task: Task, distance: f32, row: u32): f32 {
  const entries = task.entries;
  const size = task.size;
  if (size < task.capacity) {
    siftUp(entries, size, distance, row);
    task.size = size + 1;
    return size + 1 == task.capacity ? distanceAt(entries, 0) : Infinity;
  }
  if (worse(distanceAt(entries, 0), rowAt(entries, 0), distance, row)) {
    siftDown(entries, size, distance, row);
  }
  return distanceAt(entries, 0);
}

/** Turns the heap into a list, best first. It is no heap afterwards. */
export function sortEntries(entries: usize, size: i32): void {
  for (let last = size - 1; last > 0; last--) {
    const distance = distanceAt(entries, last);
    const row = rowAt(entries, last);
    put(entries, last, distanceAt(entries, 0), rowAt(entries, 0));
    siftDown(entries, last, distance, row);
  }
}

/** Appends to a list that has room by agreement. */
@inline
export function append(task: Task, distance: f32, row: u32): void {
  put(task.entries, task.size, distance, row);
  task.size++;
}
