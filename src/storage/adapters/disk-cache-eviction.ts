/** A file of the disk cache, as one look at the folder shows it. */
export interface CachedFile {
  readonly path: string;
  readonly bytes: number;
  /** When it was last used, by anybody, milliseconds since 1970. */
  readonly usedMs: number;
  /** Of an object that nobody names any more, as far as is known. */
  readonly isStray?: boolean | undefined;
}

/** What is to stay. */
export interface EvictionLimits {
  readonly bytesMax: number;
  /** `undefined`: however long nobody used it. */
  readonly unusedMsMax: number | undefined;
  readonly nowMs: number;
}

/** A stray that was used this short a time ago may be of a process that has not looked yet. */
const STRAY_MS = 600_000;

/**
 * The files to remove: those that nobody used for too long or names any more, and then the least recently used,
 * until the rest fits. Two processes that look at one folder choose the same files.
 */
export function planEviction(files: readonly CachedFile[], limits: EvictionLimits): CachedFile[] {
  const { bytesMax, unusedMsMax = Number.POSITIVE_INFINITY, nowMs } = limits;
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const byAge = files.toSorted(
    (a, b) => a.usedMs - b.usedMs || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
  );
  const evicted: CachedFile[] = [];
  const stay: CachedFile[] = [];
  for (const file of byAge) {
    const unusedMs = nowMs - file.usedMs;
    const isOver = unusedMs > unusedMsMax || (file.isStray === true && unusedMs > STRAY_MS);
    (isOver ? evicted : stay).push(file);
    if (isOver) bytes -= file.bytes;
  }
  for (const file of stay) {
    if (bytes <= bytesMax) break;
    evicted.push(file);
    bytes -= file.bytes;
  }
  return evicted;
}
