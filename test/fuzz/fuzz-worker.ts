import { parentPort, workerData } from "node:worker_threads";
import { Fuzzer, type Finding } from "./fuzzer.ts";
import { TARGETS } from "./targets.ts";

/*
 * Runs inputs one after the other until it is told to stop. The number at hand is in shared memory,
 * so that whoever watches knows it even if this thread never answers again.
 */

const { seed, only, untilMs, single } = workerData as {
  readonly seed: number;
  readonly only: string | undefined;
  readonly untilMs: number;
  readonly single: number | undefined;
  readonly shared: SharedArrayBuffer;
};
const progress = new Float64Array((workerData as { shared: SharedArrayBuffer }).shared);

const targets = TARGETS.filter(({ name }) => only === undefined || name === only);
const fuzzer = new Fuzzer(targets, seed);
const findings: Finding[] = [];
/** A decoder that is wrong is wrong often. */
const FINDINGS_PER_TARGET = 5;

for (let number = single ?? 0; Date.now() < untilMs; number++) {
  progress[0] = number;
  const finding = await fuzzer.run(number);
  if (finding !== undefined) {
    const known = findings.filter(({ target }) => target === finding.target);
    if (known.length < FINDINGS_PER_TARGET) {
      findings.push(finding);
      parentPort!.postMessage({ finding });
    }
  }
  if (single !== undefined) break;
  if (number % 5_000 === 0) parentPort!.postMessage({ counts: [...fuzzer.counts] });
  if (number % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
}
parentPort!.postMessage({ counts: [...fuzzer.counts], isDone: true });
