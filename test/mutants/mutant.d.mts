/** A small mistake in the real code, as somebody in a hurry would make it. */
export interface Mutant {
  readonly name: string;
  /** Below the repository. */
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** What whoever wrote it believed. */
  readonly story: string;
  /** The invariant of docs/specs that holds no more. */
  readonly breaks: string;
  /** Seeds within which the simulation has to notice. */
  readonly seedsMax: number;
  /** Default: 1. */
  readonly seedFirst?: number;
  /** Default: processes that know of no others. */
  readonly entry?: "fleet";
  /** What the simulation is given beside the seed. */
  readonly world?: object;
}

/** The source of a mutant's file with the mistake in it. Throws unless `find` is there once. */
export function mutated(mutant: Mutant, root?: string): string;
