/** When the index follows the log. */
export interface IndexingOptions {
  /** `false`: a write that makes indexing due is acknowledged when that is done. */
  readonly async: boolean;
  /** `false`: indexing is due after every slot, not when enough has gathered. */
  readonly batchIndexUpdates: boolean;
}

/** Bounds on what is in flight and in memory. */
export interface DatabaseLimits {
  /** Largest allowed distance between this machine's clock and the store's. Default 5,000 ms. */
  readonly maxClockSkewMs: number;
  readonly slotOperationsMax: number;
  readonly slotBytesMax: number;
  /** Bytes of tail in memory above which writes wait for compaction. */
  readonly tailBytesMax: number;
}

/** Limits that suit one process on one machine. */
export const DEFAULT_LIMITS: DatabaseLimits = {
  maxClockSkewMs: 5_000,
  slotOperationsMax: 4_000,
  slotBytesMax: 4 * 2 ** 20,
  tailBytesMax: 512 * 2 ** 20,
};
