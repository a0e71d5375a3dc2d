// What the host calls. `src/kernel/kernel.ts` has the same list as a TypeScript interface.

export { gather, scan } from "./scan";
export { sortEntries } from "./heap";
export { allFinite, finishRows } from "./norms";
export { addRows, searchGraph } from "./graph";
export { encodeRows, quantiseQuery, rotateRows } from "./quantise";
export {
  assignClusters, encodeBlock, prepareSweep, probeClusters, sweepClusters,
} from "./clusters";
