// What a search needs, in one block of memory that the host fills. The host writes the fields by
// their offsets (`TASK` in src/kernel/arena-core.ts), so the order here is part of the contract.

export const COSINE: i32 = 0;
export const EUCLIDEAN: i32 = 1;

/** Entries are a max-heap of the `capacity` best. */
export const BEST: i32 = 0;
/** Entries are a list of everything at most `limit` away. The host bounds the rows it asks for. */
export const WITHIN: i32 = 1;

@unmanaged
export class Task {
  /** One of the metrics: 0 cosine, 1 euclidean, 2 dot. */
  metric: i32;
  /** `BEST` or `WITHIN`. */
  mode: i32;
  /** Bytes from one row to the next: a multiple of 16. */
  strideBytes: u32;
  /** Entries that the heap may hold. */
  capacity: i32;
  /** Entries that it holds. */
  size: i32;
  /** `WITHIN` only: the greatest distance that is listed. */
  limit: f32;
  /** Cosine only: 1 / |query|, or 0 for a zero query. */
  queryInverse: f32;
  query: usize;
  vectors: usize;
  /** Cosine only: one f32 a row. 0 for a zero row, NaN for a row that float32 cannot serve. */
  inverseNorms: usize;
  /** Row bits, lowest first; 0 when every row takes part. 4-byte aligned. */
  mask: usize;
  /** 8 bytes an entry: f32 distance, u32 row. */
  entries: usize;
}
