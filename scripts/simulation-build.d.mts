/** Compiles the simulation below `from` into `to`, which it gives back. */
export function buildSimulation(options?: {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}): string;
