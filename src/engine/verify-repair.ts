import type { Clock } from "../base/clock.ts";
import { ulidFactory } from "../base/ids.ts";
import { randomHex, type Random } from "../base/random.ts";
import { parseCheckpointKey, parseManifestKey, parseSegmentKey } from "../format/keys.ts";
import type { Manifest } from "../format/manifest.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { collectGarbage } from "./collection.ts";
import { commitManifest } from "./manifest-store.ts";
import type { ProblemList } from "./verify-report.ts";

/** What was found, and with what to act on it. */
export interface RepairOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
  readonly found: ProblemList;
  readonly newest: Manifest;
  /** Keys of segments that cannot be trusted. */
  readonly damaged: ReadonlySet<string>;
}

/**
 * Collects garbage and expired checkpoints, as the holder of maintenance: takes over first, so
 * that a process that stalled long ago cannot commit what is deleted here, and lets go after.
 *
 * Nothing is rebuilt that cannot be proven: for damaged objects the report says what to do.
 */
export async function repairStore(options: RepairOptions): Promise<void> {
  const { store, clock, random, signal, found, newest, damaged } = options;
  adviseOnDamage(found, damaged);
  const isGarbage = ({ key }: { readonly key: string }): boolean =>
    !damaged.has(key) &&
    (parseSegmentKey(key) !== undefined || parseCheckpointKey(key) !== undefined);
  if (!found.problems.some((one) => one.severity === "info" && isGarbage(one))) return;
  if (found.problems.some(({ key, severity }) => severity === "error" && pins(key))) {
    found.add(
      "warning",
      "",
      "garbage was left: what damaged manifests or checkpoints need is unknown",
    );
    return;
  }
  const incarnation = ulidFactory(clock, random)();
  const epoch = newest.epoch + 1;
  const taken = succeed(newest, epoch, incarnation, random);
  if ((await commitManifest({ store, clock, random, manifest: taken })).kind !== "committed") {
    found.add("warning", "", "maintenance is at work: garbage was left to its collection");
    return;
  }
  const report = await collectGarbage({ store, incarnation, epoch, signal });
  const freed = succeed(taken, epoch + 1, "", random);
  await commitManifest({ store, clock, random, manifest: freed });
  if (!report.isHolder) return;
  for (const problem of found.problems.filter((one) => one.severity === "info" && isGarbage(one))) {
    const isLeft = (await store.head(problem.key)) !== undefined;
    if (!isLeft) found.markRepaired((other) => other === problem);
  }
}

function pins(key: string): boolean {
  return parseManifestKey(key) !== undefined || parseCheckpointKey(key) !== undefined;
}

/** A manifest that says the same and names another holder. */
function succeed(manifest: Manifest, epoch: number, holder: string, random: Random): Manifest {
  const nonce = randomHex(random, 16);
  return { ...manifest, number: manifest.number + 1, nonce, epoch, holder };
}

function adviseOnDamage(found: ProblemList, damaged: ReadonlySet<string>): void {
  for (const key of damaged) {
    found.add(
      "error",
      key,
      "cannot be rebuilt from what is left: restore this object from a copy of the bucket (names " +
        "are never reused, so any copy that passes is the right one), or restore a backup. Rows " +
        "in undamaged blocks still answer",
    );
  }
}
