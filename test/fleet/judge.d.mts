/** One record that one call wrote; see history.mjs. */
export interface HistoryOperation {
  readonly name: string;
  readonly run: number;
  readonly isOff: boolean;
  readonly id: string;
  readonly kind: "put" | "patch" | "move" | "delete";
  readonly value: number;
  readonly was?: Sighting;
  readonly startMs: number;
  readonly stampMsMax: number;
  version: string | undefined;
  readonly ackedMs: number | undefined;
}

/** `[id]` for what is not there, else also version, value, note, moved, and what is wrong. */
export type Sighting =
  | readonly [string]
  | readonly [string, string, number, number | null, number | null, string?];

/** One read; `isWhole` when everything that is not among `seen` was not there. */
export interface HistoryRead {
  readonly run: number;
  readonly actor: string;
  readonly what: string;
  readonly level: "eventual" | "bounded" | "strong";
  readonly maxMs?: number;
  readonly t0: number;
  readonly t1: number;
  readonly isWhole?: boolean;
  readonly seen: readonly Sighting[];
}

/** What cannot be explained. */
export function judge(history: {
  readonly operations: readonly HistoryOperation[];
  readonly reads: readonly HistoryRead[];
}): string[];
