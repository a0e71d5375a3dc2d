import type { Lease, LeaseOwner } from "../format/lease.ts";
import type { LaneId } from "../format/version.ts";

/*
 * What a run has to do before a lease may name it. This file decides and does nothing else.
 *
 *     free ──────────────────────────────────────────────┐
 *     mine, in the lane in use ──────────────────────────┤
 *     mine, in a lane of before ──► end that lane ───────┼──► swap ──► catch up ──► decide
 *     another run's ──► is it live? ──no──► end its lane ┘
 *                           └──yes──► refused
 *
 * The lane named in a lease has ended *before* the lease is swapped, so at any moment at most one
 * lane, the one that the lease names, can take a decision about the partition.
 * Spec: docs/specs/conditional-operations.md, invariant L1.
 */

/** The run that asks, and the lane in which it would decide. */
export interface Candidate {
  readonly holder: string;
  /** `undefined`: none is open. */
  readonly lane: LaneId | undefined;
}

/** What comes before the swap. */
export type LeaseStep =
  | { readonly kind: "swap" }
  | { readonly kind: "end-lane"; readonly lane: LaneId }
  /** As `end-lane`, unless the owner is live and keeps what it has. */
  | { readonly kind: "ask"; readonly owner: LeaseOwner };

/** Of a candidate that has nothing of this partition under way. */
export function stepToLease(lease: Lease | undefined, candidate: Candidate): LeaseStep {
  const owner = lease?.owner;
  if (owner === undefined) return { kind: "swap" };
  if (owner.holder !== candidate.holder) return { kind: "ask", owner };
  if (owner.lane === candidate.lane) return { kind: "swap" };
  return { kind: "end-lane", lane: owner.lane };
}

/** The lane that has to end before the swap; `undefined` when none has to. */
export function laneToEnd(step: LeaseStep): LaneId | undefined {
  if (step.kind === "swap") return undefined;
  return step.kind === "ask" ? step.owner.lane : step.lane;
}
