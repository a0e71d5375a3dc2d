import { corrupt } from "../base/errors.ts";
import type { Operation } from "../format/operation.ts";
import { versionMillis } from "../format/version.ts";
import { remainsOf, seenBy, setState, setWeight, unite, withoutSeen } from "./operation-set.ts";
import type { RecordFold } from "./record-fold.ts";
import { isExpired, visiblePut, type RecordState } from "./record-state.ts";

/*
 * `vector-clock`: an operation replaces exactly what its author had read, and what expired before
 * it was stamped. Puts that nothing replaces are siblings; a delete leaves none. Whether one
 * operation replaces another depends on those two alone, so order cannot show in what is left.
 * Spec: docs/specs/conflicts.md.
 */

/** Siblings that readers are shown: the newest. The next write replaces the others with them. */
export const SIBLINGS_MAX = 16;

/** One record as concurrent puts. */
export const SIBLING_FOLD: RecordFold = {
  stateOf(operation) {
    if (operation.kind !== "patch") return setState([operation]);
    const id = JSON.stringify(operation.id);
    throw corrupt(operation.version, `a patch of ${id} in a database of vector clocks`);
  },
  merge(a, b) {
    return setState(replaced(unite(a.patches, b.patches)));
  },
  visible(state) {
    const newest = state.patches.findLast(({ kind }) => kind === "put");
    return newest === undefined ? undefined : visiblePut(newest);
  },
  siblings: (state) => livePuts(state).slice(-SIBLINGS_MAX).map(visiblePut),
  below(state, floor) {
    const kept: Operation[] = [];
    for (const operation of state.patches) {
      if (operation.version > floor) kept.push(operation);
      else if (operation.kind === "put") kept.push(withoutSeen(operation));
    }
    const floorMs = versionMillis(floor);
    // Whatever still comes replaces what has expired, so all of it may go; some of it may not, or
    // an older sibling would be shown that the expired one hides.
    const isOver = kept.every(
      ({ version, attributes }) => version <= floor && isExpired(attributes, floorMs),
    );
    return isOver ? undefined : setState(kept);
  },
  known: (state) => livePuts(state).map(({ version }) => version),
  plain({ patches }) {
    const [only] = patches;
    return patches.length === 1 && only!.seen === undefined ? only : undefined;
  },
  weight: setWeight,
  takesPatches: false,
  isOrdered: false,
  dropsExpired: true,
};

/** Operations in version order, with only the remains of those that others replace. */
function replaced(operations: readonly Operation[]): readonly Operation[] {
  const seen = seenBy(operations);
  const newest = operations.at(-1)!;
  const newestMs = versionMillis(newest.version);
  return operations.map((operation) => {
    if (operation.kind === "delete") return operation;
    const isOver = operation !== newest && isExpired(operation.attributes, newestMs);
    return isOver || seen.has(operation.version) ? remainsOf(operation) : operation;
  });
}

function livePuts({ patches }: RecordState): readonly Operation[] {
  return patches.filter(({ kind }) => kind === "put");
}
