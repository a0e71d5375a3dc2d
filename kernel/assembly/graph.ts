// Hierarchical navigable small worlds (Malkov and Yashunin, arXiv 1603.09320) over int8 codes.
//
// What decides is cache misses and not arithmetic: so codes are aligned to cache lines, the links
// of a row fill whole ones, what was visited is one bit a row, and the codes of all neighbours are
// touched before the first is compared, which overlaps their misses.

import { codeOf, distanceFour, distanceOne, normOf, scaleOf, touchCodes } from "./code-distance";
import { Graph, NONE, Probe, Walk } from "./codes";
import { entryDistance, entryRow, insertEntry } from "./entries";

/** Set in the row of an entry whose neighbours have been looked at. */
const EXPANDED: u32 = 0x80000000;

/** The list of links of a row on a level. */
@inline
function linksOf(graph: Graph, row: u32, level: i32): usize {
  if (level == 0) return graph.links + <usize>row * (graph.degree << 3);
  const start = load<u32>(graph.upperStarts + (<usize>row << 2));
  return graph.upper + <usize>(start + level - 1) * (graph.degree << 2);
}

@inline
function linksMax(graph: Graph, level: i32): u32 {
  return level == 0 ? graph.degree << 1 : graph.degree;
}

/** Lists the neighbours that were not visited, marks them, and says how many there are. */
@inline
function takeUnvisited(graph: Graph, walk: Walk, row: u32, level: i32): u32 {
  const visited = walk.visited;
  const list = walk.list;
  let link = linksOf(graph, row, level);
  const end = link + (<usize>linksMax(graph, level) << 2);
  let count: u32 = 0;
  while (link < end) {
    const neighbour = load<u32>(link);
    if (neighbour == NONE) break;
    const byte = visited + (neighbour >> 3);
    const bits = <u32>load<u8>(byte);
    const bit = <u32>1 << (neighbour & 7);
    store<u32>(list + (<usize>count << 2), neighbour);
    count += <u32>((bits & bit) == 0);
    store<u8>(byte, bits | bit);
    link += 4;
  }
  return count;
}

/** The best `width` entries of a level that a walk from `start` finds, in order. */
@inline
function searchLevel<K>(graph: Graph, walk: Walk, start: u32, level: i32, width: u32): u32 {
  const entries = walk.entries;
  const visited = walk.visited;
  const list = walk.list;
  const query = walk.query;
  memory.fill(visited, 0, walk.visitedBytes);
  store<u8>(visited + (start >> 3), <u8>(<u32>1 << (start & 7)));
  store<f32>(entries, distanceOne<K>(graph, query, start));
  store<u32>(entries, start, 4);
  let size: u32 = 1;
  let at: u32 = 0;
  let distanceCount: u32 = 1;
  while (at < size) {
    const row = entryRow(entries, at);
    if ((row & EXPANDED) != 0) {
      at++;
      continue;
    }
    store<u32>(entries + (<usize>at << 3), row | EXPANDED, 4);
    const count = takeUnvisited(graph, walk, row, level);
    distanceCount += count;
    touchCodes(graph, list, count);
    if (at + 1 < size) {
      // The links that are most likely next.
      const next = linksOf(graph, entryRow(entries, at + 1) & ~EXPANDED, level);
      load<u32>(next);
      load<u32>(next, 64);
    }
    let first = at + 1;
    let worst: f32 = size < width ? Infinity : entryDistance(entries, size - 1);
    for (let i: u32 = 0; i < count; i += 4) {
      const from = list + (<usize>i << 2);
      // Behind the last are rows of earlier lists: valid, and not looked at.
      const found = distanceFour<K>(
        graph, query, load<u32>(from), load<u32>(from, 4), load<u32>(from, 8), load<u32>(from, 12),
      );
      let near = i32x4.bitmask(f32x4.lt(found, f32x4.splat(worst)));
      if (count - i < 4) near &= (1 << (count - i)) - 1;
      if (near == 0) continue;
      v128.store(walk.chosenDistances, found);
      for (; near != 0; near &= near - 1) {
        const lane = <usize>ctz(near) << 2;
        const distance = load<f32>(walk.chosenDistances + lane);
        if (!(distance < worst)) continue;
        const place = insertEntry(entries, size, width, distance, load<u32>(from + lane));
        if (size < width) size++;
        if (size == width) worst = entryDistance(entries, size - 1);
        if (place < first) first = place;
      }
    }
    if (first < at) at = first;
  }
  walk.distanceCount += distanceCount;
  for (let i: u32 = 0; i < size; i++) {
    const slot = entries + (<usize>i << 3);
    store<u32>(slot, load<u32>(slot, 4) & ~EXPANDED, 4);
  }
  return size;
}

/** From `start` on level `from` to the nearest row that steps to nearer neighbours reach above `to`. */
@inline
function descend<K>(graph: Graph, walk: Walk, start: u32, from: i32, to: i32): u32 {
  const query = walk.query;
  let nearest = start;
  let best = distanceOne<K>(graph, query, start);
  for (let level = from; level > to; level--) {
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      let link = linksOf(graph, nearest, level);
      const end = link + (<usize>linksMax(graph, level) << 2);
      for (; link < end; link += 4) {
        const row = load<u32>(link);
        if (row == NONE) break;
        const distance = distanceOne<K>(graph, query, row);
        if (distance < best) {
          best = distance;
          nearest = row;
          isMoving = true;
        }
      }
    }
  }
  return nearest;
}

/** Makes a row what others are compared with. */
function probeRow(graph: Graph, probe: Probe, row: u32): void {
  let code = codeOf(graph, row);
  let to = probe.components;
  const end = code + graph.length;
  for (; code < end; code += 8, to += 16) v128.store(to, v128.load_ext<i8>(code));
  probe.scale = 2 * scaleOf(graph, row);
  probe.norm = graph.norms == 0 ? 0 : normOf(graph, row);
}

/**
 * Of `count` entries in order, rows that are nearer to the origin than to any that was chosen before
 * (algorithm 4, without extension), at most `chosenMax`. Returns how many.
 */
@inline
function choose<K>(
  graph: Graph, walk: Walk, candidates: usize, count: u32, chosenMax: u32, chosen: usize,
): u32 {
  const other = walk.other;
  let size: u32 = 0;
  for (let i: u32 = 0; i < count && size < chosenMax; i++) {
    const row = entryRow(candidates, i);
    const limit = f32x4.splat(entryDistance(candidates, i));
    let isNear = false;
    if (size > 0) {
      probeRow(graph, other, row);
      for (let j: u32 = 0; j < size && !isNear; j += 4) {
        const at = chosen + (<usize>j << 2);
        const left = size - j;
        const a = load<u32>(at);
        const found = distanceFour<K>(
          graph, other, a, left > 1 ? load<u32>(at, 4) : a,
          left > 2 ? load<u32>(at, 8) : a, left > 3 ? load<u32>(at, 12) : a,
        );
        isNear = v128.any_true(f32x4.lt(found, limit));
      }
    }
    if (isNear) continue;
    store<u32>(chosen + (<usize>size << 2), row);
    store<f32>(walk.chosenDistances + (<usize>size << 2), entryDistance(candidates, i));
    size++;
  }
  return size;
}

@inline
function lock(address: usize): void {
  if (ASC_FEATURE_THREADS) {
    while (atomic.cmpxchg<u32>(address, 0, 1) != 0) {
      while (atomic.load<u32>(address) != 0) {}
    }
  }
}

@inline
function unlock(address: usize): void {
  if (ASC_FEATURE_THREADS) atomic.store<u32>(address, 0);
}

@inline
function lockOf(graph: Graph, row: u32): usize {
  return graph.locks + (<usize>(row & graph.lockMask) << 2);
}

@inline
function writeLinks(graph: Graph, row: u32, level: i32, rows: usize, count: u32): void {
  const links = linksOf(graph, row, level);
  memory.copy(links, rows, <usize>count << 2);
  if (count < linksMax(graph, level)) store<u32>(links + (<usize>count << 2), NONE);
}

/** Links `row` from `neighbour`; of more than there is room for, the best chosen ones stay. */
@inline
function linkBack<K>(
  graph: Graph, walk: Walk, neighbour: u32, level: i32, row: u32, distance: f32,
): void {
  const links = linksOf(graph, neighbour, level);
  const max = linksMax(graph, level);
  let count: u32 = 0;
  while (count < max && load<u32>(links + (<usize>count << 2)) != NONE) count++;
  if (count < max) {
    store<u32>(links + (<usize>count << 2), row);
    return;
  }
  const pruned = walk.pruned;
  store<f32>(pruned, distance);
  store<u32>(pruned, row, 4);
  probeRow(graph, walk.other, neighbour);
  for (let i: u32 = 0; i < count; i += 4) {
    const at = links + (<usize>i << 2);
    const found = distanceFour<K>(
      graph, walk.other, load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12),
    );
    insertEntry(pruned, i + 1, max + 1, f32x4.extract_lane(found, 0), load<u32>(at));
    insertEntry(pruned, i + 2, max + 1, f32x4.extract_lane(found, 1), load<u32>(at, 4));
    insertEntry(pruned, i + 3, max + 1, f32x4.extract_lane(found, 2), load<u32>(at, 8));
    insertEntry(pruned, i + 4, max + 1, f32x4.extract_lane(found, 3), load<u32>(at, 12));
  }
  const size = choose<K>(graph, walk, pruned, max + 1, max, walk.list);
  writeLinks(graph, neighbour, level, walk.list, size);
}

/** Adds a row to every level that it is on. Other threads may add others at the same time. */
@inline
function addRow<K>(graph: Graph, walk: Walk, row: u32, width: u32): void {
  const level = <i32>load<u8>(graph.levels + row);
  const topLock = changetype<usize>(graph) + offsetof<Graph>("topLock");
  lock(topLock);
  const entry = graph.entry;
  const top = graph.topLevel;
  if (entry == NONE) {
    graph.topLevel = level;
    graph.entry = row;
    unlock(topLock);
    return;
  }
  // A row that is higher than all others waits for nobody and lets nobody pass.
  if (level <= top) unlock(topLock);
  probeRow(graph, walk.query, row);
  const first = min<i32>(level, top);
  let nearest = descend<K>(graph, walk, entry, top, first);
  for (let at = first; at >= 0; at--) {
    let size = searchLevel<K>(graph, walk, nearest, at, width);
    size = without(walk.entries, size, row);
    if (size == 0) continue;
    nearest = entryRow(walk.entries, 0);
    const count = choose<K>(graph, walk, walk.entries, size, graph.degree, walk.chosen);
    // `chosenDistances` is scratch for the others, which come to the front of `entries` instead.
    for (let i: u32 = 0; i < count; i++) {
      store<f32>(walk.entries + (<usize>i << 3), load<f32>(walk.chosenDistances + (<usize>i << 2)));
    }
    lock(lockOf(graph, row));
    writeLinks(graph, row, at, walk.chosen, count);
    unlock(lockOf(graph, row));
    for (let i: u32 = 0; i < count; i++) {
      const neighbour = load<u32>(walk.chosen + (<usize>i << 2));
      lock(lockOf(graph, neighbour));
      linkBack<K>(graph, walk, neighbour, at, row, entryDistance(walk.entries, i));
      unlock(lockOf(graph, neighbour));
    }
  }
  if (level > top) {
    graph.topLevel = level;
    graph.entry = row;
    unlock(topLock);
  }
}

/** Another thread may have linked the row already; it is no neighbour of itself. */
@inline
function without(entries: usize, size: u32, row: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < size; i++) {
    if (entryRow(entries, i) == row) continue;
    if (kept != i) store<u64>(entries + (<usize>kept << 3), load<u64>(entries + (<usize>i << 3)));
    kept++;
  }
  return kept;
}

/** Adds every `step`-th row of `[start, end)`, each chosen among the `width` nearest found. */
export function addRows(
  graph: Graph, walk: Walk, start: u32, end: u32, step: u32, width: u32,
): void {
  if (graph.norms == 0) {
    for (let row = start; row < end; row += step) addRow<i32>(graph, walk, row, width);
  } else {
    for (let row = start; row < end; row += step) addRow<f32>(graph, walk, row, width);
  }
}

/** The best `width` entries that the graph finds for the query of the walk. Returns how many. */
export function searchGraph(graph: Graph, walk: Walk, width: u32): u32 {
  if (graph.entry == NONE) return 0;
  if (graph.norms == 0) {
    const start = descend<i32>(graph, walk, graph.entry, graph.topLevel, 0);
    return searchLevel<i32>(graph, walk, start, 0, width);
  }
  const start = descend<f32>(graph, walk, graph.entry, graph.topLevel, 0);
  return searchLevel<f32>(graph, walk, start, 0, width);
}
