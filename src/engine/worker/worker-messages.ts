import type { ErrorCode } from "../../base/errors.ts";
import type { RequestCounters } from "../../storage/layers/metered.ts";
import type { StoreDescriptor } from "../../storage/object-store.ts";
import type { CompactionJob, CompactionResult } from "../compaction.ts";

/** What a worker is started with. */
export interface WorkerSettings {
  readonly descriptor: StoreDescriptor;
  readonly seed: number | undefined;
}

/** To the worker. All of it is plain data that structured clone copies. */
export type WorkerRequest =
  | { readonly type: "run"; readonly id: number; readonly job: CompactionJob }
  | { readonly type: "abort"; readonly id: number };

/**
 * From the worker. Errors lose their class on the way, so code and message go instead. `requests`
 * are those since the last reply, where they cost money.
 */
export type WorkerReply =
  | {
      readonly type: "done";
      readonly id: number;
      readonly result: CompactionResult;
      readonly requests: RequestCounters | undefined;
    }
  | {
      readonly type: "failed";
      readonly id: number;
      /** Absent for faults of ours, which have none. */
      readonly code: ErrorCode | undefined;
      readonly message: string;
      readonly requests: RequestCounters | undefined;
    };
