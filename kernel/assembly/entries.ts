// Entries of a search: f32 distance, u32 row. Sorted lists, in which what is found takes its place.

@inline
export function entryDistance(entries: usize, index: u32): f32 {
  return load<f32>(entries + (<usize>index << 3));
}

@inline
export function entryRow(entries: usize, index: u32): u32 {
  return load<u32>(entries + (<usize>index << 3), 4);
}

/** Puts an entry in its place of a sorted list of at most `width`, and returns that place. */
@inline
export function insertEntry(entries: usize, size: u32, width: u32, distance: f32, row: u32): u32 {
  let index = size < width ? size : width - 1;
  let at = entries + (<usize>index << 3);
  while (index > 0 && load<f32>(at - 8) > distance) {
    store<u64>(at, load<u64>(at - 8));
    at -= 8;
    index--;
  }
  store<f32>(at, distance);
  store<u32>(at, row, 4);
  return index;
}

