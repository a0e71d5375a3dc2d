import type { Operation } from "../format/operation.ts";
import type { RecordState } from "./record-state.ts";

/*
 * Where conflicts are resolved by what an author had read, the state of a record is a set of its
 * operations: those that still have an effect, and *remains* of those that have none but took
 * something away. Spec: docs/specs/conflicts.md.
 */

/** A state that is a set: all of it is in `patches`, in version order, and nothing is its base. */
export function setState(operations: readonly Operation[]): RecordState {
  return { base: undefined, patches: operations };
}

/** The operations of either, by version. Both are in version order, and so is the result. */
export function unite(a: readonly Operation[], b: readonly Operation[]): Operation[] {
  const united: Operation[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const [left, right] = [a[i]!, b[j]!];
    if (left.version === right.version) {
      united.push(left);
      i++;
      j++;
    } else if (left.version < right.version) {
      united.push(left);
      i++;
    } else {
      united.push(right);
      j++;
    }
  }
  for (; i < a.length; i++) united.push(a[i]!);
  for (; j < b.length; j++) united.push(b[j]!);
  return united;
}

/** What is left of an operation that has no effect of its own any more: what it has seen. */
export function remainsOf(operation: Operation): Operation {
  if (operation.kind === "delete") return operation;
  const { id, version, seen } = operation;
  return seen === undefined
    ? { kind: "delete", id, version }
    : { kind: "delete", id, version, seen };
}

/** The same without what it has seen, for when nothing of that can appear again. */
export function withoutSeen(operation: Operation): Operation {
  if (operation.seen === undefined) return operation;
  const { seen: _seen, ...rest } = operation;
  return rest;
}

/** Every version that an author of one of these had read, as far as that may count. */
export function seenBy(operations: readonly Operation[]): Set<string> {
  const seen = new Set<string>();
  for (const { seen: own, version } of operations) {
    // Nobody can have read what is newer: stamps are above everything that was seen.
    for (const one of own ?? []) if (one < version) seen.add(one);
  }
  return seen;
}

/** Operations, and what they have seen: what a state costs to keep. */
export function setWeight({ patches }: RecordState): number {
  return patches.reduce((sum, { seen }) => sum + 1 + (seen?.length ?? 0), 0);
}
