/** How fresh a read has to be. */
export type Freshness =
  /** What is here. */
  (
    | { readonly level: "eventual" }
    /** Not older than this. */
    | { readonly level: "bounded"; readonly maxStalenessMs: number }
    /** Everything acknowledged anywhere before the read began. */
    | { readonly level: "strong" }
  ) & {
    /** Gives the read up between its steps. */
    readonly signal?: AbortSignal | undefined;
    /** Told once, before the read resolves, how old what it answered from was as it began. */
    readonly onAnswer?: ((answer: Answer) => void) | undefined;
  };

/** What a read answered from. */
export interface Answer {
  /** Everything acknowledged anywhere so long before the read is in it. */
  readonly stalenessMs: number;
  /** Number of the manifest; 0 before there was one. */
  readonly manifest: number;
}
