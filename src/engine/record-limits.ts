/** Vector, content and metadata of one record together. */
export const RECORD_BYTES_MAX = 4 * 1024 * 1024;
